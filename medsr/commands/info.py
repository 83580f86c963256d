"""`medsr info`: describe a file or folder and what medsr would do with it. No torch here."""

from __future__ import annotations

from pathlib import Path

from medsr.errors import Refused
from medsr.remarks import in_order
from medsr.restore.output_grid import MAX_FACTOR
from medsr.volume import formats, geometry
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.dicom.read.choose import SeriesSummary, list_series
from medsr.volume.dicom.uids import NO_UID
from medsr.volume.modality import guess_modality
from medsr.volume.volume import Volume

__all__ = ["describe", "run"]


def run(source: Path, series_uid: str | None) -> list[str]:
    """Lines of words: the series at a path, the scan among them, and what medsr would do with it.

    Raises:
        InputError: nothing there can be read.
    """
    lines = []
    if source.exists() and not formats.is_nifti(source):
        lines = [_series_words(series) for series in list_series(source)]
    try:
        volume = formats.read(source, series_uid=series_uid)
        lines += describe(volume)
        check_is_anatomy(volume.kind, volume.name)
        return lines
    except Refused as reason:
        return [*lines, f"medsr cannot enhance this scan: {reason}"]


def _series_words(series: SeriesSummary) -> str:
    shape = "" if series.shape is None else " of " + " x ".join(str(n) for n in series.shape[:2])
    return (
        f"series {series.uid or NO_UID}: {series.modality}, {series.kind}, "
        f"{series.slices} images{shape} in {series.files} files"
    )


def describe(volume: Volume) -> list[str]:
    """Shape, spacing, orientation, units, slices."""
    shape = " x ".join(str(n) for n in volume.shape)
    spacing = " x ".join(f"{mm:.3g}" for mm in volume.spacing_mm)
    lines = [
        f"{volume.name}: {volume.modality or 'modality unknown'}, {shape} voxels of {spacing} mm",
        f"intensities {volume.voxels.min():g} to {volume.voxels.max():g} {volume.unit}",
    ]
    lines += [str(remark) for remark in in_order(volume.remarks)]
    if volume.slice_axis is not None:
        between = volume.spacing_mm[volume.slice_axis]
        words = geometry.axis_words(volume.affine, volume.slice_axis)
        thick = volume.slice_thickness_mm
        line = f"slices stacked {words}, {between:.3g} mm apart, "
        line += "thickness unknown" if thick is None else f"{thick:.3g} mm thick"
        if thick is not None and abs(thick - between) > 0.02 * between:
            line += f" ({'a gap' if thick < between else 'an overlap'})"
        lines.append(line)
    if volume.kind is not None:
        return lines
    coarse = max(range(3), key=lambda k: volume.spacing_mm[k])
    fine = min(mm for k, mm in enumerate(volume.spacing_mm) if k != coarse)
    factor = volume.spacing_mm[coarse] / fine
    if factor <= 1.1:
        lines.append("already isotropic; medsr enhance needs --spacing or --scale")
    else:
        to = max(fine, volume.spacing_mm[coarse] / MAX_FACTOR)
        modality = (
            volume.modality or f"{guess_modality(volume.voxels)} (guessed from the intensities)"
        )
        lines.append(
            f"medsr enhance would refine {volume.spacing_mm[coarse]:.3g} mm to {to:.3g} "
            f"mm with the bundled model for {modality}"
        )
        if factor > MAX_FACTOR:
            lines.append(f"{fine:.3g} mm would be more than 8 times finer, which is the limit")
    return lines

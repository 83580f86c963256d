"""`medsr info`: describe a file or folder and what medsr would do with it. No torch here."""

from __future__ import annotations

from pathlib import Path

from medsr.batch.discover import ImageFile
from medsr.batch.series import Series
from medsr.commands.scan_table import Row, rows_of, table
from medsr.errors import Refused
from medsr.remarks import in_order
from medsr.restore.output_grid import MAX_FACTOR
from medsr.volume import formats, geometry
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.origin import check_origin
from medsr.volume.recognise import with_modality
from medsr.volume.volume import Volume

__all__ = ["describe", "run"]


def run(source: Path, series: str | None) -> list[str]:
    """Lines of words on a scan, or a table of the scans of a folder, and what medsr would do.

    Args:
        source: a file, a folder or a zip.
        series: one DICOM series of it, as `medsr enhance --series` takes it.

    Raises:
        InputError: nothing there can be read.
        Refused: there is no such series.
    """
    rows = rows_of(source) if series is None and _holds_several(source) else []
    if len(rows) > 1:
        return table(rows, str(source))
    lines = [_series_words(row) for row in rows if isinstance(row.found.source, Series)]
    source = _the_file(rows, source)
    try:
        volume = formats.read(source, series=series)
        lines += describe(volume)
        check_is_anatomy(volume.kind, volume.name)
        check_origin(volume.origin, volume.name, force=False)
        return [*lines, *_would_do(with_modality(volume), volume)]
    except Refused as reason:
        if series is not None:
            raise
        return [*lines, f"medsr cannot enhance this scan: {reason}"]


def _holds_several(source: Path) -> bool:
    """Whether a path may contain several scans."""
    if formats.is_image_file(source):
        return False
    return source.is_dir() or (source.suffix.lower() == ".zip" and source.is_file())


def _the_file(rows: list[Row], source: Path) -> Path:
    """The one image file of a folder that contains no other scan."""
    if len(rows) == 1 and isinstance(rows[0].found.source, ImageFile):
        return source / rows[0].found.source.path
    return source


def _series_words(row: Row) -> str:
    name = f"series {row.number}".strip() + (f", {row.description}" if row.description else "")
    return f"{name}: {row.modality}, {row.size}"


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
    return lines


def _would_do(volume: Volume, read: Volume) -> list[str]:
    """What `medsr enhance` would do: to the scan with its modality, and as it was read."""
    lines = [str(remark) for remark in volume.remarks if remark not in read.remarks]
    coarse = max(range(3), key=lambda k: volume.spacing_mm[k])
    fine = min(mm for k, mm in enumerate(volume.spacing_mm) if k != coarse)
    factor = volume.spacing_mm[coarse] / fine
    if factor <= 1.1:
        lines.append("already isotropic; medsr enhance needs --spacing or --scale")
    else:
        to = max(fine, volume.spacing_mm[coarse] / MAX_FACTOR)
        lines.append(
            f"medsr enhance would refine {volume.spacing_mm[coarse]:.3g} mm to {to:.3g} "
            f"mm with the bundled model for {volume.modality}"
        )
        if factor > MAX_FACTOR:
            lines.append(f"{fine:.3g} mm would be more than 8 times finer, which is the limit")
    return lines

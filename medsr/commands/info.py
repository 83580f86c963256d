"""`medsr info`: what is in a file or folder, and what medsr would do with it. No torch here."""

from __future__ import annotations

from pathlib import Path

from medsr.volume import files, geometry
from medsr.volume.volume import Volume

__all__ = ["describe", "run"]


def run(source: Path, series_uid: str | None) -> list[str]:
    """Lines of words about a scan.

    Raises:
        InputError, Refused: it cannot be read as one volume, with the reason.
    """
    return describe(files.read(source, series_uid=series_uid))


def describe(volume: Volume) -> list[str]:
    """Shape, spacing, orientation, units, slices."""
    shape = " x ".join(str(n) for n in volume.shape)
    spacing = " x ".join(f"{mm:.3g}" for mm in volume.spacing_mm)
    lines = [
        f"{volume.name}: {volume.modality or 'modality unknown'}, {shape} voxels of {spacing} mm",
        f"intensities {volume.voxels.min():g} to {volume.voxels.max():g} {volume.unit}",
    ]
    if volume.slice_axis is not None:
        between = volume.spacing_mm[volume.slice_axis]
        words = geometry.axis_words(volume.affine, volume.slice_axis)
        thick = volume.slice_thickness_mm
        line = f"slices stacked {words}, {between:.3g} mm apart, "
        line += "thickness unknown" if thick is None else f"{thick:.3g} mm thick"
        if thick is not None and abs(thick - between) > 0.02 * between:
            line += f" ({'a gap' if thick < between else 'an overlap'})"
        lines.append(line)
    coarse = max(range(3), key=lambda k: volume.spacing_mm[k])
    fine = min(mm for k, mm in enumerate(volume.spacing_mm) if k != coarse)
    factor = volume.spacing_mm[coarse] / fine
    if factor <= 1.1:
        lines.append("isotropic: nothing to do unless --spacing or --scale is given")
    else:
        to = max(fine, volume.spacing_mm[coarse] / 8)
        lines.append(f"medsr enhance would bring {volume.spacing_mm[coarse]:.3g} to {to:.3g} mm")
    return lines

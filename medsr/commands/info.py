"""`medsr info`: describe a file or folder and what medsr would do with it. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.batch.discover import ImageFile
from medsr.batch.job import Decision
from medsr.batch.series import Series
from medsr.commands.scan_table import Row, rows_of, rows_to_json, table
from medsr.errors import NotAnatomy, NothingToDo, NotOriginal, Refused, SeveralVolumes
from medsr.remarks import in_order
from medsr.restore.output_grid import MAX_FACTOR, choose_spacing
from medsr.volume import formats, geometry
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.origin import check_origin
from medsr.volume.recognise import with_modality
from medsr.volume.volume import Volume

__all__ = ["Description", "describe", "run"]

#: Refusals that a batch takes as a reason to skip a scan, not as a fault.
SKIPPED = (NotAnatomy, NothingToDo, NotOriginal, SeveralVolumes)

#: What is known of a scan that cannot be read.
UNREAD: dict[str, Any] = {"modality": None, "shape": None, "spacing_mm": None}


@dataclass(frozen=True)
class Description:
    """What is in a file or folder.

    Attributes:
        lines: for a person.
        scans: the same for a program, one for each scan; see `medsr schema info`.
    """

    lines: tuple[str, ...]
    scans: tuple[dict[str, Any], ...]


def run(source: Path, series: str | None) -> Description:
    """Describe a scan, or list the scans of a folder, and say what medsr would do.

    Args:
        source: a file, a folder or a zip.
        series: one DICOM series of it, as `medsr enhance --series` takes it.

    Raises:
        InputError: nothing there can be read.
        Refused: there is no such series.
    """
    rows = rows_of(source) if series is None and _holds_several(source) else []
    if len(rows) > 1:
        return Description(tuple(table(rows, str(source))), tuple(rows_to_json(rows)))
    lines = [_series_words(row) for row in rows if isinstance(row.found.source, Series)]
    facts = rows_to_json(rows)[0] if rows else dict(UNREAD)
    try:
        volume = formats.read(_the_file(rows, source), series=series)
        lines += describe(volume)
        facts |= _facts(volume)
        check_is_anatomy(volume.kind, volume.name)
        check_origin(volume.origin, volume.name, force=False)
        known = with_modality(volume)
        lines += _would_do(known, volume)
        facts |= _facts(known)
        facts |= _decision(known)
    except Refused as reason:
        if series is not None:
            raise
        lines.append(f"medsr cannot enhance this scan: {reason}")
        decision = Decision.SKIP if isinstance(reason, SKIPPED) else Decision.REFUSE
        facts |= {"decision": decision, "reason": str(reason), "target_spacing_mm": None}
    return Description(tuple(lines), (facts,))


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


def _facts(volume: Volume) -> dict[str, Any]:
    """What the voxels and the header say."""
    return {
        "name": volume.name,
        "modality": None if volume.modality is None else str(volume.modality),
        "shape": list(volume.shape),
        "spacing_mm": list(volume.spacing_mm),
        "unit": volume.unit,
        "lowest": float(volume.voxels.min()),
        "highest": float(volume.voxels.max()),
        "slice_axis": volume.slice_axis,
        "slice_thickness_mm": volume.slice_thickness_mm,
        "remarks": [remark.to_json() for remark in in_order(volume.remarks)],
    }


def _decision(volume: Volume) -> dict[str, Any]:
    """What `medsr enhance` would do without options."""
    try:
        target = choose_spacing(volume.spacing_mm, volume.name).spacing_mm
    except NothingToDo as fault:
        words = {"decision": Decision.SKIP, "reason": str(fault)}
        return {**words, "target_spacing_mm": None}
    return {"decision": Decision.ENHANCE, "reason": "", "target_spacing_mm": list(target)}

"""Writes an enhanced scan, for `enhance`, the batch and the node.

Everything is written aside, flushed, and renamed in an order that a power cut cannot spoil: an
old image goes first, then its record is replaced, and the new image appears last. So where an
image is, all that belongs to it is. The same scan and options give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from medsr.restore.choices import Format
from medsr.restore.enhancer import Enhanced
from medsr.restore.options import Options
from medsr.results.derivation import derivation_of, with_thickness
from medsr.results.names import ENDINGS, MAPS, map_path
from medsr.results.target import Target, stale
from medsr.volume.atomic import Move, commit, output_faults, staging
from medsr.volume.dicom.write.derive import Kind
from medsr.volume.dicom.write.single_frame import FILE_PATTERN, fill_series
from medsr.volume.nifti_write import save_image
from medsr.volume.sidecar import sidecar_path
from medsr.volume.volume import Volume

__all__ = ["settings", "sidecar", "size_of", "write", "write_in"]


def write(target: Target, enhanced: Enhanced) -> None:
    """Write an enhanced scan, its maps and its record atomically.

    Raises:
        OutputError: the disk is full or cannot be written; nothing is left.
        Refused: the scan and the template do not belong together.
    """
    with staging(target.image) as partial:
        write_in(partial, target, enhanced)


def write_in(
    partial: Path,
    target: Target,
    enhanced: Enhanced,
    before_commit: Callable[[], None] = lambda: None,
) -> None:
    """The same by way of a folder of the caller's.

    Args:
        partial: an empty folder on the disk of the target.
        target: where to write.
        enhanced: what.
        before_commit: called when all is written and nothing renamed; may raise.

    Raises:
        OutputError, Refused: as `write`.
    """
    with output_faults(target.image.name):
        moves = _written(partial, target, enhanced)
        before_commit()
        pages = [target.page] if target.page else []
        commit(moves, partial, [*stale(target), *pages])


def sidecar(target: Target, enhanced: Enhanced) -> dict[str, Any]:
    """What the record beside an image says, but for the size of the image."""
    return {
        **enhanced.record.to_json(),
        "Settings": settings(enhanced.record.options),
        "Format": target.format.value,
        **dict(target.facts),
    }


def settings(options: Options) -> dict[str, Any]:
    """What was asked for; the digest of the weights says which model it was."""
    return {name: value for name, value in asdict(options).items() if name != "model"}


def size_of(image: Path) -> int | None:
    """Bytes of an image, which is a file or a folder of slices; None where there is none."""
    if image.is_dir():
        return sum(file.stat().st_size for file in image.glob(FILE_PATTERN))
    return image.stat().st_size if image.is_file() else None


def _written(partial: Path, target: Target, enhanced: Enhanced) -> list[Move]:
    """Everything written aside, with its place, in the order of the renames: the image last."""
    facts, moves = sidecar(target, enhanced), list[Move]()
    if target.picture is not None:
        from medsr.report.thumbnail import save_thumbnail

        save_thumbnail(enhanced.measured, enhanced.volume, partial / "picture.png")
        moves.append((partial / "picture.png", target.picture))
    if target.page is not None:
        from medsr.report.enhanced_page import enhanced_page  # matplotlib: only for who asks

        moves.append((_text(enhanced_page(enhanced), partial / "page.html"), target.page))
    for kind, volume in _maps(enhanced).items():
        place = map_path(target.image, kind)
        words = f"{MAPS[kind].words}, made by medsr. Research use only, not for diagnosis."
        page = _record({**facts, "Description": words}, partial, kind)
        moves.append((page, sidecar_path(place)))
        moves.append((_image(kind, volume, target, enhanced, partial), place))
    image = _image(Kind.ENHANCED, enhanced.volume, target, enhanced, partial)
    record = _record({**facts, "OutputBytes": size_of(image)}, partial, Kind.ENHANCED)
    return [*moves, (record, sidecar_path(target.image)), (image, target.image)]


def _maps(enhanced: Enhanced) -> dict[Kind, Volume]:
    found = {
        Kind.STD: enhanced.std,
        Kind.INTERVAL: enhanced.half_width,
        Kind.NULL_SPACE: enhanced.null_space_map,
    }
    return {kind: volume for kind, volume in found.items() if volume is not None}


def _image(kind: Kind, volume: Volume, target: Target, enhanced: Enhanced, partial: Path) -> Path:
    """A NIfTI file, or a folder of DICOM slices."""
    ending = target.image.name[len(target.image.name.partition(".nii")[0]) :]
    path = partial / f"{kind}{ending if target.format == Format.NIFTI else ENDINGS[Format.DICOM]}"
    if target.source is None:
        save_image(volume, path)
        return path
    path.mkdir()
    derived = with_thickness(volume, enhanced.measured, enhanced.record)
    derivation = derivation_of(kind, enhanced.measured, target.source, enhanced.record)
    derivation = replace(derivation, further=target.further)
    if target.multi_frame:
        from medsr.volume.dicom.write.multi_frame import fill_multi_frame  # highdicom, an extra

        fill_multi_frame(derived, target.source, derivation, path)
    else:
        fill_series(derived, target.source, derivation, path)
    return path


def _record(facts: Mapping[str, Any], partial: Path, kind: Kind) -> Path:
    return _text(json.dumps(facts, indent=2) + "\n", partial / f"{kind}.json")


def _text(words: str, path: Path) -> Path:
    path.write_text(words, encoding="utf-8")
    return path

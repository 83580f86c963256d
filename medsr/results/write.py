"""What one scan becomes, grown under names of its own; `write` gives each file its place.

Everything is on the disk (flushed) when it is given a place, the small picture apart.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.batch.job import Item, Job, Restored
from medsr.batch.naming import ENDINGS, as_page, page_path, std_name, thumbnail_path
from medsr.batch.resume import size_of
from medsr.report.thumbnail import save_thumbnail
from medsr.results.derivation import derivation_of, with_thickness
from medsr.volume.dicom.read.series import SourceSeries
from medsr.volume.dicom.write.derive import Kind
from medsr.volume.dicom.write.single_frame import fill_series
from medsr.volume.nifti import save_image
from medsr.volume.sidecar import sidecar_path
from medsr.volume.volume import Volume

__all__ = ["Finished", "flush_folder", "grown"]

SPREAD = "Standard deviation of the samples, by medsr. Research use only, not for diagnosis."


@dataclass(frozen=True, eq=False)
class Finished:
    """A scan that is done and not yet written.

    Attributes:
        measured: the scan, its modality known.
        restored: what came of it.
        record: for the sidecar; `OutputBytes` is added.
        source: the series that a DICOM output derives from; None for NIfTI.
    """

    measured: Volume
    restored: Restored
    record: dict[str, Any]
    source: SourceSeries | None


def grown(item: Item, job: Job, finished: Finished, stem: Path) -> list[tuple[Path, Path]]:
    """Write everything aside.

    Args:
        item: the scan.
        job: where the outputs go.
        finished: what to write.
        stem: the beginning of the names of what grows.

    Returns:
        What was written and its place, in the order of the renames: the image last.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    final, spread = job.out / item.output, finished.restored.spread
    picture = stem.with_name(f"{stem.name}.png")
    save_thumbnail(finished.measured, finished.restored.volume, picture)
    moves = [(picture, thumbnail_path(job.out, item.key))]
    if job.report:
        moves.append((_page(finished, stem), page_path(job.out, item.key)))
    ending = ENDINGS[item.format]
    if spread is not None:
        target = job.out / std_name(item.output, bids=job.bids)
        record = _record({**finished.record, "Description": SPREAD}, stem, "spread")
        moves.append((record, sidecar_path(target)))
        path = stem.with_name(f"{stem.name}.spread{ending}")
        moves.append((_image("spread", spread, finished, path), target))
    path = stem.with_name(f"{stem.name}.image{ending}")
    image = _image("enhanced", finished.restored.volume, finished, path)
    record = _record({**finished.record, "OutputBytes": size_of(image)}, stem, "record")
    return [*moves, (record, sidecar_path(final)), (image, final)]


def _page(finished: Finished, stem: Path) -> Path:
    from medsr.report.enhanced_page import enhanced_page  # heavy: only for who asks

    restored = finished.restored
    words = enhanced_page(finished.measured, restored.volume, restored.spread, finished.record)
    return _text(words, stem.with_name(f"{stem.name}.html"))


def _record(facts: dict[str, Any], stem: Path, name: str) -> Path:
    return _text(as_page(facts), stem.with_name(f"{stem.name}.{name}.json"))


def _text(words: str, path: Path) -> Path:
    path.write_text(words, encoding="utf-8")
    _flush(path)
    return path


def _image(kind: Kind, volume: Volume, finished: Finished, path: Path) -> Path:
    """A NIfTI file, or a folder of slices."""
    scan, source, facts = finished.measured, finished.source, finished.record
    if source is None:
        save_image(volume, path)
        _flush(path)
        return path
    path.mkdir()
    derivation = derivation_of(kind, scan, source, facts)
    fill_series(with_thickness(volume, scan, facts), source, derivation, path)
    for file in path.iterdir():
        _flush(file)
    flush_folder(path)
    return path


def _flush(path: Path) -> None:
    """Have the bytes on the disk before a rename makes them count."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """The same for the names in a folder; Windows cannot and need not."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every network disk can
            os.fsync(handle)
    finally:
        os.close(handle)

"""Every scan of a folder with the judgement on it, from headers: for the plan and `medsr info`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medsr.batch.discover import Damaged, DicomFile, Header, ImageFile, read_headers
from medsr.batch.job import Item
from medsr.batch.labels import EVERYBODY, Labels
from medsr.batch.naming import is_bids
from medsr.batch.series import Series, gather
from medsr.batch.triage import Wishes, decide_damaged, decide_nifti, decide_series
from medsr.restore.options import Options
from medsr.volume.modality import Modality
from medsr.volume.walk import walk

__all__ = ["Found", "judged", "paths_of", "survey"]


@dataclass(frozen=True, slots=True)
class Found:
    """One scan that was found.

    Attributes:
        item: what a batch would do with it.
        source: its headers: a DICOM series (also one of damaged files), or an image file.
    """

    item: Item
    source: Series | ImageFile


def survey(root: Path) -> list[Found]:
    """What a folder contains, and what a batch with its defaults would do with each scan.

    Headers are read, once; nothing is written.
    """
    bids = is_bids(root)
    headers = read_headers(root, paths_of(root, None, bids=bids), readers=1)
    return list(judged(headers, Wishes(Options(), "", tuple(Modality), bids)))


def paths_of(
    root: Path, out: Path | None, *, bids: bool, labels: Labels = EVERYBODY
) -> Iterator[str]:
    """The files of a folder that may be scans, relative to it; of a BIDS dataset, its subjects'.

    Args:
        root: the folder.
        out: the folder of the outputs, which is left out.
        bids: whether it is a BIDS dataset.
        labels: which participants and sessions of a BIDS dataset.
    """

    def enter(folder: str) -> bool:
        return not bids or labels.may_enter(folder)

    return (path for path in walk(root, out, enter) if not bids or path.startswith("sub-"))


def judged(headers: Iterator[Header], wishes: Wishes) -> Iterator[Found]:
    """The decision on every scan: image files first, DICOM series when all files are known."""
    files: list[Found] = []

    def dicom() -> Iterator[DicomFile | Damaged]:
        for header in headers:
            if isinstance(header, ImageFile):
                files.append(Found(decide_nifti(header, wishes), header))
            else:
                yield header

    series, damaged = gather(dicom())
    yield from files
    yield from (Found(decide_damaged(one), one) for one in damaged)
    yield from (Found(decide_series(one, wishes), one) for one in series)

"""Collects DICOM headers into series, at about 100 bytes per slice."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from medsr.batch.discover import NAMELESS, Damaged, DicomFile, Names, Sort
from medsr.volume.dicom.read.copies import instance_fault
from medsr.volume.dicom.read.header import IMAGE
from medsr.volume.dicom.read.kinds import OTHER_MODALITY
from medsr.volume.dicom.read.slice_checks import Slices
from medsr.volume.missing import name_without_number
from medsr.volume.origin import Origin, least_original

__all__ = ["Series", "gather", "slices_of"]


@dataclass(slots=True)
class Series:
    """The files of one series, modality and kind, wherever they lie.

    Attributes:
        identity: what tells it from all others.
        modality, kind: as `volume.dicom_head` names them.
        packed: relative paths, each ended by a zero byte; files: how many.
        folders: where they lie.
        origin: what its slices are.
        positions: three numbers a picture, LPS+ mm.
        sort: which of `sorts` a picture is.
        source: which file a picture is in.
        fault: the first file's that has no place in the patient.
        not_anatomy: whether that fault is that it shows something else.
        beside: other kinds of pictures with the same SeriesInstanceUID.
        damaged: a sentence on unreadable files beside its own.
        uid: SeriesInstanceUID.
        names: of the first file.
        frames: images in all files.
    """

    identity: str
    modality: str
    kind: str
    packed: bytearray = field(default_factory=bytearray)
    files: int = 0
    folders: set[str] = field(default_factory=set)
    origin: Origin = Origin.ACQUIRED
    positions: array[float] = field(default_factory=lambda: array("d"))
    sort: array[int] = field(default_factory=lambda: array("L"))
    source: array[int] = field(default_factory=lambda: array("L"))
    sorts: dict[Sort, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    fault: str = ""
    not_anatomy: bool = False
    beside: list[Series] = field(default_factory=list)
    damaged: str = ""
    uid: str = ""
    names: Names = NAMELESS
    frames: int = 0


def gather(found: Iterable[DicomFile | Damaged]) -> tuple[list[Series], list[Series]]:
    """Sort headers into series.

    Returns:
        The series, by identity, and one series of damaged files for each folder that has any.
    """
    series: dict[tuple[str, str, str], Series] = {}
    damaged: dict[str, Series] = {}
    names: set[tuple[str, str]] = set()
    for header in _blank_last(found):
        place = PurePosixPath(header.path)
        folder, like = str(place.parent), name_without_number(place.name)
        if isinstance(header, Damaged):
            if header.blank and (folder, like) not in names:
                continue
            name = f"damaged files in {folder}"
            one = damaged.setdefault(folder, Series(name, "", "damaged", fault=header.fault))
        else:
            key = (header.uid or f"no UID in {folder}", header.modality, header.kind)
            if key not in series:
                series[key] = Series(
                    "|".join(key), header.modality, header.kind, uid=header.uid, names=header.names
                )
            one = series[key]
            one.frames += header.frames
            _add(one, header)
            names.add((folder, like))
        one.packed += os.fsencode(header.path) + b"\0"
        one.files += 1
        one.folders.add(folder)
    by_uid: dict[str, list[Series]] = {}
    for (uid, _, _), one in series.items():
        by_uid.setdefault(uid, []).append(one)
    for (uid, _, kind), one in series.items():
        one.beside = [other for other in by_uid[uid] if other is not one and kind == IMAGE]
        one.damaged = next((_doubt(damaged[f]) for f in sorted(one.folders & damaged.keys())), "")
    return [series[key] for key in sorted(series)], [damaged[key] for key in sorted(damaged)]


def _blank_last(found: Iterable[DicomFile | Damaged]) -> Iterator[DicomFile | Damaged]:
    """Blank files are judged when the names of all others are known."""
    blank = []
    for header in found:
        if isinstance(header, Damaged) and header.blank:
            blank.append(header)
        else:
            yield header
    yield from blank


def _add(series: Series, header: DicomFile) -> None:
    """A picture of an instance that is there already is a copy; the reader compares the pixels."""
    series.origin = least_original((series.origin, header.origin))
    if not series.fault:
        series.fault, series.not_anatomy = header.fault, header.not_anatomy
    instance = hash(header.instance)
    if header.instance and instance in series.seen:
        if series.seen[instance] != header.facts:
            name = PurePosixPath(header.path).name
            fault = instance_fault("another file", name, "position, scaling or kind")
            series.fault = series.fault or fault
        return
    series.seen[instance] = header.facts
    for position, sort in header.pictures:
        series.positions.extend(position)
        series.sort.append(series.sorts.setdefault(sort, len(series.sorts)))
        series.source.append(series.files)


def _doubt(damaged: Series) -> str:
    files = "1 DICOM file" if damaged.files == 1 else f"{damaged.files} DICOM files"
    return (
        f"{files} in the same folder cannot be read and may belong to this series "
        f"({damaged.fault}) Copy the folder again, or move the damaged files away."
    )


def slices_of(series: Series) -> Slices:
    """What `stack_slices` asks of a series; names are file names without their folders."""
    parts = [series, *(other for other in series.beside if len(other.positions))]
    found = [sort for part in parts for sort in _sorts(part)]
    positions = [np.frombuffer(part.positions).reshape(-1, 3) for part in parts]
    return Slices(
        positions=np.concatenate(positions),
        orientations=np.array([sort[0] for sort in found]),
        pixel_spacings=np.array([sort[1] for sort in found]),
        shapes=[sort[2] for sort in found],
        names=[name for part in parts for name in _names(part)],
        marks=[dict(sort[4]) for sort in found],
        kinds=[
            OTHER_MODALITY if part is not series and sort[5] == IMAGE else sort[5]
            for part in parts
            for sort in _sorts(part)
        ],
    )


def _sorts(series: Series) -> list[Sort]:
    sorts = list(series.sorts)
    return [sorts[k] for k in series.sort]


def _names(series: Series) -> list[str]:
    names = [os.fsdecode(path).rpartition("/")[2] for path in bytes(series.packed).split(b"\0")]
    if len(series.source) == len(set(series.source)):
        return [names[k] for k in series.source]
    before: Counter[int] = Counter()
    shown = []
    for k in series.source:
        before[k] += 1
        shown.append(f"frame {before[k]} of {names[k]}")
    return shown

"""Reads the headers of a study folder in several processes. No torch here."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

from medsr.batch.interrupts import deaf_children
from medsr.errors import MedsrError, NotAnatomy, SeveralVolumes
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.copies import facts_of
from medsr.volume.dicom.read.frames import Frame, frame_beside, frames_of
from medsr.volume.dicom.read.header import IMAGE, FileHeader, read_header
from medsr.volume.dicom.values import text
from medsr.volume.formats import is_image_file, read_image_header
from medsr.volume.image_file import ImageHeader
from medsr.volume.missing import is_blank, is_pointer, why_blank, why_not_here
from medsr.volume.origin import Origin
from medsr.volume.walk import Dangling, Unreadable

__all__ = [
    "NAMELESS",
    "Damaged",
    "DicomFile",
    "Header",
    "ImageFile",
    "Names",
    "Picture",
    "Sort",
    "read_headers",
    "wanted",
]

#: Files that a reading process takes at once; a folder with fewer is read in this process.
CHUNK = 512


#: Chunks on the way: enough to keep the readers busy, few enough to keep memory flat.
AHEAD = 4


Marks = tuple[tuple[str, object], ...]


#: What the slices of a volume share: orientation, pixel spacing, (rows, columns), whether values
#: are whole numbers, the marks of time and echo, and the kind.
Sort = tuple[tuple[float, ...], tuple[float, ...], tuple[int, int], bool, Marks, str]


#: ImagePositionPatient (LPS+ mm) and the rest.
Picture = tuple[tuple[float, ...], Sort]


@dataclass(frozen=True, slots=True)
class Names:
    """What a person tells a series by: its free text is for the terminal alone.

    Attributes:
        study: StudyInstanceUID.
        number: SeriesNumber.
        description: SeriesDescription, printable.
        size: (columns, rows); None for what has no pixels.
        slice_thickness_mm: of the first picture; None if unknown.
    """

    study: str = ""
    number: int | None = None
    description: str = ""
    size: tuple[int, int] | None = None
    slice_thickness_mm: float | None = None


NAMELESS = Names()


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One DICOM file; `fault` says why its pictures have no place.

    `not_anatomy` when the fault is that they show something else; `facts` is a checksum of all
    that governs how its pictures are read and placed.
    """

    path: str
    uid: str
    modality: str
    kind: str
    origin: Origin
    instance: str
    pictures: tuple[Picture, ...]
    fault: str = ""
    names: Names = NAMELESS
    frames: int = 0
    not_anatomy: bool = False
    facts: int = 0


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file (NIfTI, MGH, MetaImage, NRRD): its header, or the fault.

    Attributes:
        path: relative to the root.
        header: None where there is a fault.
        fault: in words.
        four_d: whether the fault is a fourth axis.
    """

    path: str
    header: ImageHeader | None
    fault: str = ""
    four_d: bool = False


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that should be DICOM and cannot be read, or a folder that cannot be listed.

    `blank` when it is one only if it lies beside DICOM files with names like its own.
    """

    path: str
    fault: str
    blank: bool = False


Header = DicomFile | ImageFile | Damaged


def read_headers(root: Path, paths: Iterable[str], readers: int) -> Iterator[Header]:
    """The headers of all image files among relative paths, in their order.

    Args:
        root: where the paths start.
        paths: from `walk`.
        readers: processes that read at the same time.
    """
    chunks = _chunks(iter(paths))
    first = next(chunks, [])
    if readers <= 1 or len(first) < CHUNK:
        yield from read_chunk(root, first)
        for chunk in chunks:
            yield from read_chunk(root, chunk)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(readers, mp_context=context) as pool:
        under_way = [_submit(pool, root, first)]
        for chunk in chunks:
            under_way.append(_submit(pool, root, chunk))
            if len(under_way) > readers * AHEAD:
                yield from under_way.pop(0).result()
        for future in under_way:
            yield from future.result()


def _submit(pool: ProcessPoolExecutor, root: Path, chunk: list[str]) -> Future[list[Header]]:
    with deaf_children():  # the pool starts its processes when it needs them
        return pool.submit(read_chunk, root, chunk)


def _chunks(paths: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(paths, CHUNK)):
        yield chunk


def read_chunk(root: Path, paths: list[str]) -> list[Header]:
    """The headers of some files; files that are no images are left out."""
    with parse_quietly():
        found = (_read(root, path) for path in paths)
        return [header for header in found if header is not None]


def _read(root: Path, path: str) -> Header | None:
    if isinstance(path, Unreadable):
        return Damaged(path, "a folder cannot be read: no permission, or it was removed.")
    if isinstance(path, Dangling) and not is_image_file(Path(path)):
        return Damaged(path, why_not_here(root / path))
    if is_image_file(Path(path)):
        return _read_image(root, path)
    try:
        head = read_header(root / path)
    except MedsrError as fault:
        return Damaged(path, str(fault))
    if head is None and is_pointer(root / path):
        return Damaged(path, why_not_here(root / path))
    if head is None and is_blank(root / path):
        return Damaged(path, why_blank(Path(path).name), blank=True)
    return None if head is None else _dicom(head, path)


def _read_image(root: Path, path: str) -> ImageFile:
    try:
        return ImageFile(path, read_image_header(root / path))
    except SeveralVolumes as fault:
        return ImageFile(path, None, str(fault), four_d=True)
    except MedsrError as fault:
        return ImageFile(path, None, str(fault))


def _dicom(head: FileHeader, path: str) -> DicomFile:
    beside = frame_beside(head)
    frames = [] if beside is None else [beside]
    fault, not_anatomy = "", False
    if head.kind == IMAGE:
        try:
            frames = frames_of(head)
        except MedsrError as reason:
            fault, not_anatomy = str(reason), isinstance(reason, NotAnatomy)
    size = (head.shape[1], head.shape[0]) if head.shape else None
    return DicomFile(
        path=path,
        uid=head.uid,
        modality=head.modality,
        kind=head.kind,
        origin=head.origin,
        instance=head.instance,
        pictures=tuple(map(_picture, frames)),
        fault=fault,
        not_anatomy=not_anatomy,
        facts=crc32(repr([facts_of(frame) for frame in frames]).encode(errors="surrogateescape")),
        names=Names(
            study=text(head.dataset, "StudyInstanceUID"),
            number=head.number,
            description=head.description,
            size=size,
            slice_thickness_mm=frames[0].thickness_mm if frames else None,
        ),
        frames=head.frames,
    )


def _picture(frame: Frame) -> Picture:
    whole = frame.slope.is_integer() and frame.intercept.is_integer()
    marks: Any = tuple(frame.marks.items())
    sort = (frame.orientation, frame.pixel_spacing, frame.shape, whole, marks, frame.kind)
    return frame.position, sort


def wanted(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a relative path passes the patterns; `*` also crosses folders.

    >>> wanted("a/b/c.dcm", ["a/*"], []), wanted("a/b/c.dcm", [], ["*.dcm"])
    (True, False)
    """
    if include and not any(fnmatchcase(path, pattern) for pattern in include):
        return False
    return not any(fnmatchcase(path, pattern) for pattern in exclude)

"""Fast header reader: parses only the requested elements and locates the pixel data.

Discovery reads hundreds of thousands of headers, and a full parser spends most of its time on the
elements in between. Here the elements of a little-endian file, explicit or implicit (PS3.5 7.1),
are stepped over by their lengths, sequences of undefined length item by item (PS3.5 7.5). Whatever
is not plain (another encoding, elements out of order, an unknown VR, a file that ends within an
element before the pixels) is left to the full parser: the answer is None, never a guess.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataelem import RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import BaseTag

from medsr.volume.dicom.dataset import START_BYTES
from medsr.volume.dicom.read.elements import (
    PIXELS,
    UNDEFINED,
    Doubt,
    Element,
    Pages,
    element_at,
    end_of,
    is_sequence,
)
from medsr.volume.dicom.values import text

__all__ = [
    "FastHeader",
    "FileScan",
    "PixelPosition",
    "Stamp",
    "read_fast_header",
    "scan_file",
    "stamp_of",
]


#: A wanted value longer than this is left to the full parser.
MAX_VALUE_BYTES = 1 << 14


IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


#: Compressed syntaxes encode the header as explicit little endian; these do not.
OTHER_ENCODINGS = {
    "1.2.840.10008.1.2.1.99",  # deflated
    "1.2.840.10008.1.2.2",  # big endian
}


#: Pixels that are real numbers, whose sort the full parser has to see.
REAL_PIXELS = (0x7FE00008, 0x7FE00009)


#: PerFrameFunctionalGroupsSequence.
PER_FRAME_GROUPS = 0x52009230


Found = dict[BaseTag, RawDataElement]


@dataclass(frozen=True)
class PixelPosition:
    """Where a file's uncompressed pixels lie, all of them within the file: bytes."""

    offset: int
    length: int


@dataclass(frozen=True, eq=False)
class FastHeader:
    """The wanted elements of a header, and where it ends.

    Attributes:
        dataset: the wanted elements.
        pixels: where uncompressed pixels lie, or None.
        length: bytes before the pixels, or None where the header is not all before them.
        content: these bytes, of a file whose frames are described in functional groups.
        stray: bytes after uncompressed pixels that belong to no element, zeros left aside.
    """

    dataset: Dataset
    pixels: PixelPosition | None
    length: int | None = None
    content: bytes | None = None
    stray: int = 0


#: Size and time of change of a file; another version of it has another.
Stamp = tuple[int, int]


@dataclass(frozen=True, eq=False)
class FileScan:
    """What one opening of a file shows.

    Attributes:
        start: its first START_BYTES.
        stamp: to notice a change.
        header: the wanted elements, or None where the full parser has to read them.
    """

    start: bytes
    stamp: Stamp
    header: FastHeader | None


def scan_file(path: Path, wanted: Collection[int]) -> FileScan:
    """Open a file once and read the wanted elements as pydicom would give them.

    Args:
        path: any regular file.
        wanted: tags as numbers, none of them a sequence's content.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        pages = Pages(stream)
        start, stamp = pages.take(0, START_BYTES), stamp_of(stream.fileno())
        try:
            return FileScan(start, stamp, _look(pages, wanted))
        except Doubt:
            return FileScan(start, stamp, None)


def read_fast_header(path: Path, wanted: Collection[int]) -> FastHeader | None:
    """The wanted elements of one file; see `scan_file`."""
    return scan_file(path, wanted).header


def stamp_of(file: int | Path) -> Stamp:
    """Size and time of change of an open file, or of one at a path."""
    facts = os.stat(file)
    return facts.st_size, facts.st_mtime_ns


def _look(pages: Pages, wanted: Collection[int]) -> FastHeader:
    preamble = pages.take(0, 128)
    if pages.take(128, 4) != b"DICM":
        raise Doubt
    file_meta, start = _meta(pages)
    syntax = text(file_meta, "TransferSyntaxUID")
    implicit = syntax == IMPLICIT
    if not syntax or syntax in OTHER_ENCODINGS:
        raise Doubt
    if implicit and pages.take(start, 6)[4:].isalpha():
        raise Doubt  # it is explicit, whatever it says
    found: Found = {}
    end, pixels, groups = _walk(pages, start, implicit, wanted, found)
    dataset = FileDataset("", Dataset(found), preamble=preamble, file_meta=file_meta)
    return FastHeader(
        dataset=dataset,
        pixels=pixels if syntax in (IMPLICIT, EXPLICIT) else None,
        length=end,
        content=pages.whole(end) if groups else None,
        stray=_stray(pages, pixels.offset + pixels.length, implicit) if pixels else 0,
    )


def _stray(pages: Pages, at: int, implicit: bool) -> int:
    """Bytes from an offset on that are neither elements nor zeros, which fill up blocks."""
    before = PIXELS
    while at < pages.size:
        try:
            tag, _, start, length = element_at(pages, at, implicit)
        except Doubt:
            break
        if tag <= before or start + length > pages.size:
            break
        before, at = tag, start + length
    return sum(any(pages.take(k, 1 << 12)) for k in range(at, pages.size, 1 << 12)) and (
        pages.size - at
    )


def _meta(pages: Pages) -> tuple[FileMetaDataset, int]:
    """The meta group (PS3.10 7.1, always explicit little endian), and where the next begins."""
    found: Found = {}
    at, before = 132, -1
    while pages.take(at, 2) == b"\2\0":
        element = element_at(pages, at, implicit=False)
        tag, _, start, length = element
        if tag <= before or length > MAX_VALUE_BYTES:
            raise Doubt
        found[BaseTag(tag)] = _raw(element, pages.take(start, length), implicit=False)
        before, at = tag, start + length
    return FileMetaDataset(Dataset(found)), at


def _walk(
    pages: Pages, at: int, implicit: bool, wanted: Collection[int], found: Found
) -> tuple[int, PixelPosition | None, bool]:
    """Collect elements up to the pixels.

    Returns:
        Where the pixels' element begins; where they lie, when they are all there; whether there
        are functional groups.
    """
    before, groups = -1, False
    while at < pages.size:
        element = element_at(pages, at, implicit)
        tag, kind, start, length = element
        if tag <= before or tag > PIXELS or tag in REAL_PIXELS:
            raise Doubt
        if tag == PIXELS:
            whole = start + length <= pages.size
            return at, PixelPosition(start, length) if whole else None, groups
        groups |= tag == PER_FRAME_GROUPS
        if tag in wanted:
            if length > MAX_VALUE_BYTES or is_sequence(tag, kind):
                raise Doubt
            found[BaseTag(tag)] = _raw(element, pages.take(start, length), implicit)
        before = tag
        at = start + length if length != UNDEFINED else end_of(pages, element, implicit, 0)
    if at > pages.size:
        raise Doubt
    return at, None, groups


def _raw(element: Element, value: bytes, implicit: bool) -> RawDataElement:
    tag, kind, start, _ = element
    known = kind.decode("ascii") or None
    shown = value or empty_value_for_VR(known, raw=True)
    return RawDataElement(BaseTag(tag), known, len(value), shown, start, implicit, True)

"""Fast header reader: parses only the requested elements and locates the pixel data.

Discovery reads hundreds of thousands of headers, and a full parser spends most of its time on the
elements in between. Here the elements of a little-endian file, explicit or implicit (PS3.5 7.1),
are stepped over by their lengths, sequences of undefined length item by item (PS3.5 7.5). Whatever
is not plain (another encoding, elements out of order, an unknown VR, a file that ends within an
element before the pixels) is left to the full parser: the answer is None, never a guess.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import BaseTag

from medsr.volume.dicom.dataset import START_BYTES, text

__all__ = [
    "FastHeader",
    "FileScan",
    "PixelPosition",
    "Stamp",
    "read_fast_header",
    "scan_file",
    "stamp_of",
]

#: Read at once; holds most headers whole.
READ_BYTES = 1 << 15

#: A wanted value longer than this is left to the full parser.
MAX_VALUE_BYTES = 1 << 14

#: Sequences within sequences; a scan has three or four.
MAX_DEPTH = 16

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"

#: Compressed syntaxes encode the header as explicit little endian; these do not.
OTHER_ENCODINGS = {
    "1.2.840.10008.1.2.1.99",  # deflated
    "1.2.840.10008.1.2.2",  # big endian
}

#: Value representations with a length of two bytes, and those with two reserved and four.
SHORT = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

PIXELS, ITEM, ITEM_END, SEQUENCE_END = 0x7FE00010, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

#: Pixels that are real numbers, whose sort the full parser has to see.
REAL_PIXELS = (0x7FE00008, 0x7FE00009)

#: PerFrameFunctionalGroupsSequence.
PER_FRAME_GROUPS = 0x52009230

_HEAD, _LENGTH = struct.Struct("<HH2sH").unpack_from, struct.Struct("<I").unpack_from

#: Tag, VR (b"" where the encoding does not say it), where the value starts, its length.
Element = tuple[int, bytes, int, int]

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


class _Doubt(Exception):
    """The file is not plain."""


def scan_file(path: Path, wanted: Collection[int]) -> FileScan:
    """Open a file once and read the wanted elements as pydicom would give them.

    Args:
        path: any regular file.
        wanted: tags as numbers, none of them a sequence's content.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        pages = _Pages(stream)
        start, stamp = pages.take(0, START_BYTES), stamp_of(stream.fileno())
        try:
            return FileScan(start, stamp, _look(pages, wanted))
        except _Doubt:
            return FileScan(start, stamp, None)


def read_fast_header(path: Path, wanted: Collection[int]) -> FastHeader | None:
    """The wanted elements of one file; see `scan_file`."""
    return scan_file(path, wanted).header


def stamp_of(file: int | Path) -> Stamp:
    """Size and time of change of an open file, or of one at a path."""
    facts = os.stat(file)
    return facts.st_size, facts.st_mtime_ns


def _look(pages: _Pages, wanted: Collection[int]) -> FastHeader:
    preamble = pages.take(0, 128)
    if pages.take(128, 4) != b"DICM":
        raise _Doubt
    file_meta, start = _meta(pages)
    syntax = text(file_meta, "TransferSyntaxUID")
    implicit = syntax == IMPLICIT
    if not syntax or syntax in OTHER_ENCODINGS:
        raise _Doubt
    if implicit and pages.take(start, 6)[4:].isalpha():
        raise _Doubt  # it is explicit, whatever it says
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


def _stray(pages: _Pages, at: int, implicit: bool) -> int:
    """Bytes from an offset on that are neither elements nor zeros, which fill up blocks."""
    before = PIXELS
    while at < pages.size:
        try:
            tag, _, start, length = _element_at(pages, at, implicit)
        except _Doubt:
            break
        if tag <= before or start + length > pages.size:
            break
        before, at = tag, start + length
    return sum(any(pages.take(k, 1 << 12)) for k in range(at, pages.size, 1 << 12)) and (
        pages.size - at
    )


class _Pages:
    """A file's bytes by offset, read a page at a time."""

    def __init__(self, stream: FileIO) -> None:
        self._stream, self._start, self._page = stream, 0, stream.read(READ_BYTES)
        self.size = os.fstat(stream.fileno()).st_size

    def whole(self, count: int) -> bytes:
        """The first bytes, read again at once."""
        self._stream.seek(0)
        return self._stream.read(count)

    def take(self, at: int, count: int) -> bytes:
        """Bytes from an offset on; fewer at the file's end."""
        first = at - self._start
        if first < 0 or first + count > len(self._page):
            self._stream.seek(at)
            self._start, self._page, first = at, self._stream.read(READ_BYTES), 0
        return self._page[first : first + count]


def _meta(pages: _Pages) -> tuple[FileMetaDataset, int]:
    """The meta group (PS3.10 7.1, always explicit little endian), and where the next begins."""
    found: Found = {}
    at, before = 132, -1
    while pages.take(at, 2) == b"\2\0":
        element = _element_at(pages, at, implicit=False)
        tag, _, start, length = element
        if tag <= before or length > MAX_VALUE_BYTES:
            raise _Doubt
        found[BaseTag(tag)] = _raw(element, pages.take(start, length), implicit=False)
        before, at = tag, start + length
    return FileMetaDataset(Dataset(found)), at


def _walk(
    pages: _Pages, at: int, implicit: bool, wanted: Collection[int], found: Found
) -> tuple[int, PixelPosition | None, bool]:
    """Collect elements up to the pixels.

    Returns:
        Where the pixels' element begins; where they lie, when they are all there; whether there
        are functional groups.
    """
    before, groups = -1, False
    while at < pages.size:
        element = _element_at(pages, at, implicit)
        tag, kind, start, length = element
        if tag <= before or tag > PIXELS or tag in REAL_PIXELS:
            raise _Doubt
        if tag == PIXELS:
            whole = start + length <= pages.size
            return at, PixelPosition(start, length) if whole else None, groups
        groups |= tag == PER_FRAME_GROUPS
        if tag in wanted:
            if length > MAX_VALUE_BYTES or _is_sequence(tag, kind):
                raise _Doubt
            found[BaseTag(tag)] = _raw(element, pages.take(start, length), implicit)
        before = tag
        at = start + length if length != UNDEFINED else _end_of(pages, element, implicit, 0)
    if at > pages.size:
        raise _Doubt
    return at, None, groups


def _element_at(pages: _Pages, at: int, implicit: bool) -> Element:
    head = pages.take(at, 12)
    if len(head) < 8:
        raise _Doubt
    group, element, kind, length = _HEAD(head)
    tag = group << 16 | element
    if implicit or group == ITEM >> 16:
        return tag, b"", at + 8, _LENGTH(head, 4)[0]
    if kind in SHORT:
        return tag, kind, at + 8, length
    if kind in LONG and len(head) == 12:
        return tag, kind, at + 12, _LENGTH(head, 8)[0]
    raise _Doubt


def _end_of(pages: _Pages, sequence: Element, implicit: bool, depth: int) -> int:
    """Where a sequence of undefined length ends (PS3.5 7.5.2)."""
    tag, kind, at, _ = sequence
    if kind not in (b"", b"SQ") or depth > MAX_DEPTH or not (kind or _may_be_sequence(tag)):
        raise _Doubt
    while True:
        tag, _, at, length = _element_at(pages, at, implicit=True)
        if tag == SEQUENCE_END:
            return at
        if tag != ITEM:
            raise _Doubt
        at = at + length if length != UNDEFINED else _end_of_item(pages, at, implicit, depth)


def _end_of_item(pages: _Pages, at: int, implicit: bool, depth: int) -> int:
    """Where an item of undefined length ends."""
    while True:
        element = _element_at(pages, at, implicit)
        tag, _, at, length = element
        if tag == ITEM_END:
            return at
        at = at + length if length != UNDEFINED else _end_of(pages, element, implicit, depth + 1)


@lru_cache(maxsize=1024)
def _may_be_sequence(tag: int) -> bool:
    """Whether the dictionary calls it one, or does not know it."""
    return _is_sequence(tag, b"") or not dictionary_has_tag(tag)


@lru_cache(maxsize=1024)
def _is_sequence(tag: int, kind: bytes) -> bool:
    if kind:
        return kind == b"SQ"
    try:
        return bool(dictionary_VR(tag) == "SQ")
    except KeyError:
        return False


def _raw(element: Element, value: bytes, implicit: bool) -> RawDataElement:
    tag, kind, start, _ = element
    known = kind.decode("ascii") or None
    shown = value or empty_value_for_VR(known, raw=True)
    return RawDataElement(BaseTag(tag), known, len(value), shown, start, implicit, True)

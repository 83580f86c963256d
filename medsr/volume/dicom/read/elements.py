"""Steps over the elements of a little-endian DICOM file by their lengths (PS3.5 7.1 and 7.5)."""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from io import FileIO

from pydicom.datadict import dictionary_has_tag, dictionary_VR

__all__ = [
    "PIXELS",
    "READ_BYTES",
    "UNDEFINED",
    "Doubt",
    "Element",
    "Pages",
    "element_at",
    "end_of",
    "is_sequence",
]

#: Read at once; holds most headers whole.
READ_BYTES = 1 << 15

#: Sequences within sequences; a scan has three or four.
MAX_DEPTH = 16

#: Value representations with a length of two bytes, and those with two reserved and four.
SHORT = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split(),
)

LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

PIXELS, ITEM, ITEM_END, SEQUENCE_END = 0x7FE00010, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

UNDEFINED = 0xFFFFFFFF

_HEAD, _LENGTH = struct.Struct("<HH2sH").unpack_from, struct.Struct("<I").unpack_from

#: Tag, VR (b"" where the encoding does not say it), where the value starts, its length.
Element = tuple[int, bytes, int, int]


class Doubt(Exception):
    """The file is not plain."""


class Pages:
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


def element_at(pages: Pages, at: int, implicit: bool) -> Element:
    """The element at an offset; raises `Doubt` where it is not plain."""
    head = pages.take(at, 12)
    if len(head) < 8:
        raise Doubt
    group, element, kind, length = _HEAD(head)
    tag = group << 16 | element
    if implicit or group == ITEM >> 16:
        return tag, b"", at + 8, _LENGTH(head, 4)[0]
    if kind in SHORT:
        return tag, kind, at + 8, length
    if kind in LONG and len(head) == 12:
        return tag, kind, at + 12, _LENGTH(head, 8)[0]
    raise Doubt


def end_of(pages: Pages, sequence: Element, implicit: bool, depth: int) -> int:
    """Where a sequence of undefined length ends (PS3.5 7.5.2)."""
    tag, kind, at, _ = sequence
    if kind not in (b"", b"SQ") or depth > MAX_DEPTH or not (kind or may_be_sequence(tag)):
        raise Doubt
    while True:
        tag, _, at, length = element_at(pages, at, implicit=True)
        if tag == SEQUENCE_END:
            return at
        if tag != ITEM:
            raise Doubt
        at = at + length if length != UNDEFINED else _item_end(pages, at, implicit, depth)


def _item_end(pages: Pages, at: int, implicit: bool, depth: int) -> int:
    """Where an item of undefined length ends."""
    while True:
        element = element_at(pages, at, implicit)
        tag, _, at, length = element
        if tag == ITEM_END:
            return at
        at = at + length if length != UNDEFINED else end_of(pages, element, implicit, depth + 1)


@lru_cache(maxsize=1024)
def may_be_sequence(tag: int) -> bool:
    """Whether the dictionary calls it one, or does not know it."""
    return is_sequence(tag, b"") or not dictionary_has_tag(tag)


@lru_cache(maxsize=1024)
def is_sequence(tag: int, kind: bytes) -> bool:
    """Whether an element is a sequence, by its VR or, where none is written, by the dictionary."""
    if kind:
        return kind == b"SQ"
    try:
        return bool(dictionary_VR(tag) == "SQ")
    except KeyError:
        return False

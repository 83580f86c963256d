"""Splits compressed pixel data into frames and checks that it is complete.

Encapsulated pixel data (PS3.5 A.4) are items: an offset table, which may be empty, then fragments
of codestreams. In the JPEG family each frame's codestream ends with its end marker (FFD9) and may
be cut into fragments; in RLE each fragment is a frame. The offset tables, basic and extended
(PS3.3 C.7.6.3.1.8), say again where the frames begin. A codestream states its own size and
precision, which must be those of the header. Decoders check little of this: they fill a
truncated picture with grey, and take the first of two frames for both.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Codestream", "Damaged", "Picture", "codestreams", "picture_of", "rle_length"]

#: Tags of an item and of the end of all items, little endian.
ITEM, END_OF_ITEMS = 0xE000FFFE, 0xE0DDFFFE

#: How a codestream begins: JPEG and JPEG-LS; JPEG 2000; JPEG 2000 in the boxes of a JP2 file.
JPEG, JPEG_2000, JP2 = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "

#: How each of them ends.
END = b"\xff\xd9"

#: Start of a scan (the compressed numbers), and of a frame in all JPEG processes and in JPEG-LS.
SCAN = 0xDA
FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}

#: Of an RLE frame: the number of its segments, and where each begins.
RLE_HEADER = struct.Struct("<16I")


class Damaged(Exception):
    """What is wrong, as the rest of a sentence that begins with "the pixel data"."""


@dataclass(frozen=True)
class Codestream:
    """One frame, compressed.

    Attributes:
        start: of its first item, bytes from the item that follows the basic offset table.
        fragments: its parts.
    """

    start: int
    fragments: tuple[bytes, ...]

    @property
    def bytes(self) -> bytes:
        """The parts together."""
        return b"".join(self.fragments)


@dataclass(frozen=True)
class Picture:
    """What a codestream says of itself: its size, components, and bits in each of their values."""

    rows: int
    columns: int
    components: int
    bits: int


def codestreams(
    data: bytes, count: int, extended: tuple[bytes, bytes] | None, *, is_rle: bool
) -> list[Codestream]:
    """The frames of encapsulated pixel data, in order.

    Args:
        data: from the basic offset table on.
        count: frames that the header declares.
        extended: the extended offset table and its lengths, or None.
        is_rle: whether each fragment is a frame.

    Raises:
        Damaged: truncated, more or fewer frames than declared, or offsets that point elsewhere.
    """
    items = _items(data)
    if not items:
        raise Damaged("contains no frame")
    table, fragments = items[0][1], items[1:]
    origin = fragments[0][0] if fragments else 0
    groups: list[list[tuple[int, bytes]]] = []
    for start, fragment in fragments:
        if is_rle or not groups or _is_next(groups[-1][-1][1], fragment):
            groups.append([])
        groups[-1].append((start - origin, fragment))
    if len(groups) != count:
        raise Damaged(f"has {len(groups)} frames, and the header declares {count}")
    frames = [Codestream(group[0][0], tuple(part for _, part in group)) for group in groups]
    if table:
        _check_offsets(_numbers(table, "I"), frames)
    if extended is not None:
        _check_offsets(_numbers(extended[0], "Q"), frames)
        lengths = _numbers(extended[1], "Q")
        if len(lengths) != count or any(
            len(frame.fragments) > 1 or not 0 <= len(frame.fragments[0]) - length <= 1
            for frame, length in zip(frames, lengths, strict=False)
        ):
            raise Damaged("has frames whose lengths differ from its table of lengths")
    return frames


def _items(data: bytes) -> list[tuple[int, bytes]]:
    """Start and content of each item."""
    found: list[tuple[int, bytes]] = []
    place = 0
    while place + 8 <= len(data):
        tag, length = struct.unpack_from("<II", data, place)
        if tag == END_OF_ITEMS:
            return found
        if tag != ITEM or place + 8 + length > len(data):
            break
        found.append((place, data[place + 8 : place + 8 + length]))
        place += 8 + length
    if data[place:].strip(b"\0"):
        raise Damaged("is truncated, or not divided into items as compressed pixels are")
    return found


def _is_next(before: bytes, fragment: bytes) -> bool:
    """Whether a fragment begins the next frame."""
    return _ends(before) and fragment.startswith((JPEG, JPEG_2000, JP2))


def _ends(stream: bytes) -> bool:
    return stream[-64:].rstrip(b"\0").endswith(END)


def _numbers(table: bytes, kind: str) -> list[int]:
    size = struct.calcsize(kind)
    if len(table) % size:
        raise Damaged("has a truncated offset table")
    return list(struct.unpack(f"<{len(table) // size}{kind}", table))


def _check_offsets(offsets: list[int], frames: list[Codestream]) -> None:
    if offsets != [frame.start for frame in frames]:
        raise Damaged("has frames that do not start at the offsets in its offset table")


def picture_of(stream: bytes) -> Picture:
    """What a codestream of the JPEG family says of itself.

    Raises:
        Damaged: it is not such a codestream, or does not reach its end.
    """
    stream = stream.rstrip(b"\0")
    if not stream.endswith(END):
        raise Damaged("is truncated: a frame is incomplete")
    try:
        return _jpeg(stream) if stream.startswith(JPEG) else _jpeg_2000(stream)
    except struct.error:
        raise Damaged("begins with a header that is damaged") from None


def _jpeg_2000(stream: bytes) -> Picture:
    """From the SIZ marker segment (ISO/IEC 15444-1 A.5.1)."""
    start = stream.find(JPEG_2000) if stream.startswith(JP2) else 0
    if start < 0 or not stream.startswith(JPEG_2000, start):
        raise Damaged("does not begin as JPEG, JPEG-LS or JPEG 2000 does")
    size = struct.unpack_from(">8I", stream, start + 8)
    components, depth, across, down = struct.unpack_from(">H3B", stream, start + 40)
    if not (across and down):
        raise Damaged("begins with a header that is damaged")
    (columns, left), (rows, top) = (size[0], size[2]), (size[1], size[3])
    return Picture(
        rows=-(-rows // down) + -top // down,
        columns=-(-columns // across) + -left // across,
        components=components,
        bits=(depth & 0x7F) + 1,
    )


def _jpeg(stream: bytes) -> Picture:
    """From the frame header of JPEG (ISO/IEC 10918-1 B.2.2) or JPEG-LS."""
    picture, place = None, 2
    while True:
        mark, kind = struct.unpack_from("BB", stream, place)
        if mark != 0xFF or kind in (0, 0xFF):  # fill; some encoders count a byte too few
            place += 1
            continue
        if kind == SCAN:
            break
        (length,) = struct.unpack_from(">H", stream, place + 2)
        if kind in FRAMES:
            bits, rows, columns, components = struct.unpack_from(">BHHB", stream, place + 4)
            picture = Picture(rows, columns, components, bits)
        place += 2 + max(length, 2)
    if picture is None:
        raise Damaged("begins with a header that is damaged")
    if stream.find(END, place) != len(stream) - 2:  # compressed numbers never look like it
        raise Damaged("is damaged: a frame continues after its end marker")
    return picture


def rle_length(frame: bytes) -> int:
    """Bytes that the first segment of an RLE frame unpacks to (PS3.5 G.3): one for each pixel.

    Raises:
        Damaged: the frame's header is incomplete.
    """
    if len(frame) < RLE_HEADER.size:
        raise Damaged("begins with a header that is damaged")
    segments, place, following, *_ = RLE_HEADER.unpack_from(frame)
    end = min(following if segments > 1 else len(frame), len(frame))
    total = 0
    while place + 1 < end:
        code = frame[place]
        if code < 128:  # so many bytes and one more, as they are
            total += min(code + 1, end - place - 1)
            place += code + 2
        elif code > 128:  # one byte, several times
            total += 257 - code
            place += 2
        else:
            place += 1
    return total

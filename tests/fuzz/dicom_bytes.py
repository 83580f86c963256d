"""Data sets as lists of elements, written as they are told, right or wrong (PS3.5 7.1, 7.5)."""

import struct
from dataclasses import dataclass, field

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
UNDEFINED = 0xFFFFFFFF

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"


@dataclass
class Element:
    """One element.

    Attributes:
        tag: group and element as one number.
        vr: two letters, or whatever a fault puts there.
        value: bytes, or the items of a sequence, or the fragments of compressed pixels.
        length: what is written as its length, where that is not the truth.
        open_ended: whether its length is undefined and a delimiter ends it.
    """

    tag: int
    vr: str
    value: "bytes | list[list[Element]]" = b""
    length: int | None = None
    open_ended: bool = False
    fragments: list[bytes] = field(default_factory=list)

    def copy(self) -> "Element":
        """Free of the original, sequences too."""
        value = self.value
        if isinstance(value, list):
            value = [[element.copy() for element in item] for item in value]
        return Element(
            self.tag, self.vr, value, self.length, self.open_ended, list(self.fragments)
        )


def encode(elements: list[Element], implicit: bool = False, big: bool = False) -> bytes:
    """The bytes of a data set."""
    return b"".join(_element(element, implicit, big) for element in elements)


def _element(element: Element, implicit: bool, big: bool) -> bytes:
    order = ">" if big else "<"
    value = _value(element, implicit, big)
    length = len(value) if element.length is None else element.length
    if element.open_ended:
        length = UNDEFINED if element.length is None else element.length
        value += struct.pack(order + "HHI", 0xFFFE, 0xE0DD, 0)
    head = struct.pack(order + "HH", element.tag >> 16, element.tag & 0xFFFF)
    if implicit:
        return head + struct.pack(order + "I", length & UNDEFINED) + value
    kind = element.vr.encode("latin-1")[:2].ljust(2)
    if element.vr in LONG:
        return head + kind + b"\0\0" + struct.pack(order + "I", length & UNDEFINED) + value
    return head + kind + struct.pack(order + "H", length & 0xFFFF) + value


def _value(element: Element, implicit: bool, big: bool) -> bytes:
    order = ">" if big else "<"
    if element.fragments:
        return b"".join(
            struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in element.fragments
        )
    if isinstance(element.value, bytes):
        swap = big and element.vr in ("US", "SS", "OW") and len(element.value) % 2 == 0
        return _swapped(element.value) if swap else element.value
    items = []
    for item in element.value:
        inner = encode(item, implicit, big)
        if element.open_ended:
            head = struct.pack(order + "HHI", 0xFFFE, 0xE000, UNDEFINED)
            items.append(head + inner + struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0))
        else:
            items.append(struct.pack(order + "HHI", 0xFFFE, 0xE000, len(inner)) + inner)
    return b"".join(items)


def _swapped(value: bytes) -> bytes:
    turned = bytearray(value)
    turned[0::2], turned[1::2] = value[1::2], value[0::2]
    return bytes(turned)


def text(tag: int, vr: str, *values: object) -> Element:
    """An element of words or numbers in words, padded to even length."""
    content = "\\".join(str(value) for value in values).encode("latin-1", "replace")
    pad = b"\0" if vr == "UI" else b" "
    return Element(tag, vr, content + pad * (len(content) % 2))


def short(tag: int, *values: int) -> Element:
    """An element of unsigned 16-bit numbers."""
    return Element(tag, "US", b"".join(struct.pack("<H", value & 0xFFFF) for value in values))

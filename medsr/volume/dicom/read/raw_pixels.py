"""Stored numbers straight out of an uncompressed file, without a parser.

Most scans are stored so: little endian, 16 bits for each value, one value a pixel, the bytes all
there. Whatever differs is left to `dicom_pixels.decode`: the answer is None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.volume.dicom.dataset import number, text
from medsr.volume.dicom.read.header import Head

__all__ = ["Plain", "plain_frame", "read_plain"]

#: Bits and bytes that a value takes in the file.
BITS, BYTES = 16, 2


@dataclass(frozen=True)
class Plain:
    """Where a frame's stored numbers lie in its file, and how they are written.

    Attributes:
        offset: of the first, bytes.
        signed: whether they are two's complement.
        bits: of the 16 that mean something, counted from the lowest; the others may hold rubbish.
    """

    offset: int
    signed: bool
    bits: int


def plain_frame(head: Head, index: int) -> Plain | None:
    """How to read one frame of a file, or None when its pixels are not plain."""
    place, header = head.pixels, head.header
    if place is None or head.shape is None:
        return None
    length = head.shape[0] * head.shape[1] * BYTES
    bits, sign = number(header, "BitsStored"), number(header, "PixelRepresentation")
    plain = (
        number(header, "BitsAllocated") == BITS
        and bits is not None
        and bits in range(1, BITS + 1)
        and number(header, "HighBit") == bits - 1
        and sign in (0, 1)
        and number(header, "SamplesPerPixel") == 1
        and text(header, "PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
        and place.length == length * head.frames
        and index < head.frames
    )
    return Plain(place.offset + index * length, sign == 1, int(bits)) if plain and bits else None


def read_plain(path: Path, plain: Plain, shape: tuple[int, int]) -> NDArray[Any] | None:
    """Stored values of one frame, [rows, columns] int16 or uint16; None when they are gone."""
    pixels = np.empty(shape, dtype="<i2" if plain.signed else "<u2")
    try:
        with path.open("rb", buffering=0) as stream:
            stream.seek(plain.offset)
            if stream.readinto(pixels.data) != pixels.nbytes:
                return None
    except OSError:
        return None
    unused = BITS - plain.bits
    if unused:
        np.left_shift(pixels, unused, out=pixels)
        np.right_shift(pixels, unused, out=pixels)
    return pixels

"""Reads stored numbers directly from an uncompressed file.

Most scans are stored so: little endian, 16 bits for each value, one value a pixel, the bytes all
there. Whatever differs is left to `decode`: the answer is None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.values import number, text

__all__ = ["RawPixels", "raw_pixels_of", "stored_values"]

#: Bits and bytes that a value takes in the file.
BITS, BYTES = 16, 2


@dataclass(frozen=True)
class RawPixels:
    """Where a frame's stored numbers lie in its file, and how they are written.

    Attributes:
        offset: of the first, bytes.
        signed: whether they are two's complement.
        bits: of the 16 that mean something; the others may hold rubbish.
        above: bits above these.
    """

    offset: int
    signed: bool
    bits: int
    above: int = 0


def raw_pixels_of(header: FileHeader, index: int) -> RawPixels | None:
    """Where one frame of a file lies, or None when its pixels are left to the decoder."""
    position, dataset = header.fast.pixels, header.dataset
    if position is None or header.shape is None:
        return None
    length = header.shape[0] * header.shape[1] * BYTES
    bits, sign = number(dataset, "BitsStored"), number(dataset, "PixelRepresentation")
    high = number(dataset, "HighBit")
    if (
        number(dataset, "BitsAllocated") == BITS
        and bits is not None
        and bits in range(1, BITS + 1)
        and high is not None
        and high in range(int(bits) - 1, BITS)
        and sign in (0, 1)
        and number(dataset, "SamplesPerPixel") == 1
        and text(dataset, "PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
        and position.length == length * header.frames
        and index < header.frames
    ):
        above = BITS - 1 - int(high)
        return RawPixels(position.offset + index * length, sign == 1, int(bits), above)
    return None


def stored_values(content: bytes, raw: RawPixels, shape: tuple[int, int]) -> NDArray[Any] | None:
    """Stored values of one frame, [rows, columns] int16 or uint16; None when they are gone.

    Args:
        content: of the whole file.
        raw: where the frame lies in it.
        shape: (rows, columns).
    """
    count = shape[0] * shape[1]
    if len(content) < raw.offset + count * BYTES:
        return None
    dtype = "<i2" if raw.signed else "<u2"
    pixels = np.frombuffer(content, dtype, count, raw.offset).reshape(shape)
    unused = BITS - raw.bits
    return (pixels << raw.above) >> unused if unused else pixels

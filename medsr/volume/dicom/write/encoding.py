"""Encodes values as stored numbers, with one slope and intercept for a series.

Stored v and value x: x = slope * v + intercept (PS3.3 C.11.1). A scan that was stored in whole
numbers keeps its own step, intercept, sign and width as long as the new values fit; overshoot
widens 12 bits to 16, then doubles the step. A scan of real numbers (and a map of spread) halves
the step until its range spans MIN_LEVELS of them, so that little is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medsr.volume.dicom.read.series import DicomSeries, common_element
from medsr.volume.dicom.values import number

__all__ = [
    "Encoding",
    "choose_encoding",
    "encode",
    "source_encoding",
    "with_room_for_padding",
]

#: Real numbers are resolved into at least so many steps.
MIN_LEVELS = 16384

#: Widths that PS3.3 C.8.2.1.1.4 and C.8.3.1.1.3 allow in 16 allocated bits.
NARROWEST, WIDEST = 12, 16


@dataclass(frozen=True)
class Encoding:
    """How values are stored: x = slope * v + intercept, v in `bits` bits."""

    slope: float
    intercept: float
    signed: bool
    bits: int

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest stored number."""
        if self.signed:
            return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        return 0, 2**self.bits - 1

    def holds(self, low: float, high: float) -> bool:
        """Whether values from low to high can be stored."""
        smallest, largest = self.limits
        first = np.rint((low - self.intercept) / self.slope)
        last = np.rint((high - self.intercept) / self.slope)
        return bool(smallest <= first and last <= largest)


def source_encoding(source: DicomSeries) -> Encoding:
    """How a source is stored, where its slices agree; slope 1 and 16 bits elsewhere."""
    slopes = {frame.slope for frame in source.frames}
    intercepts = {frame.intercept for frame in source.frames}
    bits = int(number(source.headers[0], "BitsStored") or WIDEST)
    signs = common_element(source.files, "PixelRepresentation")
    return Encoding(
        slope=abs(slopes.pop()) if len(slopes) == 1 else 1.0,
        intercept=intercepts.pop() if len(intercepts) == 1 else 0.0,
        signed=bool(signs is not None and signs.value == 1),
        bits=bits if NARROWEST <= bits <= WIDEST else WIDEST,
    )


def choose_encoding(low: float, high: float, source: Encoding, *, whole_numbers: bool) -> Encoding:
    """The encoding of a series whose values run from low to high.

    Args:
        low, high: smallest and largest value.
        source: how the source is stored.
        whole_numbers: whether the values may be rounded to the source's steps.
    """
    step = source.slope
    if not whole_numbers:
        levels = max(high - low, abs(high), abs(low)) / step
        if levels > 0:
            step *= 2.0 ** min(0, np.floor(np.log2(levels / MIN_LEVELS)))
    while True:
        choices = [
            Encoding(step, source.intercept, source.signed, source.bits),
            Encoding(step, source.intercept, source.signed, WIDEST),
            Encoding(step, 0.0, low < 0, WIDEST),
        ]
        for choice in choices:
            if choice.holds(low, high):
                return choice
        step *= 2


def with_room_for_padding(
    value: float, low: float, high: float, encoding: Encoding
) -> tuple[Encoding, int]:
    """The stored number for padding: the source's own, or one that no value has.

    Args:
        value: of the padding.
        low, high: smallest and largest value that is no padding.
        encoding: of the values.

    Returns:
        The encoding, widened where there is no such number in it, and the number.

    >>> with_room_for_padding(-2000, -1024, 3000, Encoding(1, 0, True, 16))[1]
    -2000
    >>> with_room_for_padding(-2000, -1024, 3071, Encoding(1, -1024, False, 12))
    (Encoding(slope=1, intercept=-1024, signed=False, bits=16), 65535)
    """
    own, first, last = (
        int(np.rint((v - encoding.intercept) / encoding.slope)) for v in (value, low, high)
    )
    for wider in (encoding, replace(encoding, bits=WIDEST)):
        smallest, largest = wider.limits
        if smallest <= own <= largest:
            return wider, own
        if last < largest:
            return wider, largest
        if smallest < first:
            return wider, smallest
    return encoding, encoding.limits[0]


def encode(values: NDArray[np.float32], encoding: Encoding) -> NDArray[np.int16 | np.uint16]:
    """Values of any shape as stored numbers, int16 or uint16, rounded to the nearest."""
    steps = np.rint((values.astype(np.float64) - encoding.intercept) / encoding.slope)
    kind = np.int16 if encoding.signed else np.uint16
    return np.clip(steps, *encoding.limits).astype(kind)

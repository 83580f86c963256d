"""Do these slices belong to one volume? What headers say of each, and the first round of checks.

One row a slice, in any order. A volume's slices share shape, orientation and pixel spacing, and
no two of them lie at one position. Several at one position are a 4-D series (times, echoes,
b-values, magnitude and phase) or a doubled one; what else the headers say tells which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused, SeveralVolumes
from medsr.volume.geometry import AXIS_TOLERANCE

__all__ = [
    "MIN_SLICES",
    "POSITION_TOLERANCE_MM",
    "Floats",
    "Slices",
    "check_alike",
    "check_count",
    "check_repeats",
]

Floats = NDArray[np.float64]

#: With two slices there is one gap, so a missing slice between them could not be noticed.
MIN_SLICES = 3

#: Some scanners write positions to 0.1 mm, so a position is off by up to 0.05 mm and a distance
#: between two by up to 0.1 mm. Less than that says nothing about geometry.
POSITION_TOLERANCE_MM = 0.05

#: Pixel spacings that agree to this fraction are one spacing (five printed digits).
PIXEL_TOLERANCE = 1e-4

#: Marks that may also differ between doubled slices: two CT passes that overlap by a slice.
WEAK_MARKS = {"acquisition number", "trigger time"}


@dataclass(frozen=True, eq=False)
class Slices:
    """What a series says of each slice, in any order.

    Attributes:
        positions: [N, 3] ImagePositionPatient, LPS+ mm.
        orientations: [N, 6] ImageOrientationPatient, direction cosines.
        pixel_spacings: [N, 2] PixelSpacing, mm: (between rows, between columns).
        shapes: N pairs (rows, columns).
        names: N file names, for messages.
        marks: N mappings of what else a header says of the moment and manner of a slice (echo
            time, temporal position, ...); they tell a 4-D series from doubled slices.
    """

    positions: Floats
    orientations: Floats
    pixel_spacings: Floats
    shapes: Sequence[tuple[int, int]]
    names: Sequence[str]
    marks: Sequence[Mapping[str, object]]


def check_count(slices: Slices, name: str) -> None:
    """Refuse a single slice, or too few to see a gap."""
    count = len(slices.names)
    if count == 1:
        raise Refused(
            f"{name}: holds a single slice, which has no third dimension to restore. "
            "Give the whole series."
        )
    if count < MIN_SLICES:
        raise Refused(
            f"{name}: holds {count} slices; medsr needs at least {MIN_SLICES}, because with fewer "
            "a missing slice cannot be noticed. Give the whole series."
        )


def check_alike(slices: Slices, name: str) -> None:
    """Refuse slices whose shape, orientation or pixel spacing is not that of the first."""
    for other, shape in zip(slices.names, slices.shapes, strict=True):
        if shape != slices.shapes[0]:
            raise Refused(
                f"{name}: mixed shapes: {slices.names[0]} has {_by(slices.shapes[0])} (rows x "
                f"columns) and {other} has {_by(shape)}. {_ONE_VOLUME}"
            )
    turned = np.abs(slices.orientations - slices.orientations[0]).max(axis=1)
    worst = int(turned.argmax())
    if turned[worst] > AXIS_TOLERANCE:
        count = _count_distinct(slices.orientations, AXIS_TOLERANCE)
        raise Refused(
            f"{name}: mixed orientations: {slices.names[0]} and {slices.names[worst]} lie in "
            f"different planes ({count} planes in all), as in a localizer. {_ONE_VOLUME}"
        )
    relative = np.abs(slices.pixel_spacings / slices.pixel_spacings[0] - 1).max(axis=1)
    worst = int(relative.argmax())
    if relative[worst] > PIXEL_TOLERANCE:
        raise Refused(
            f"{name}: mixed pixel spacings: {slices.names[0]} has "
            f"{_mm(slices.pixel_spacings[0])} mm and {slices.names[worst]} has "
            f"{_mm(slices.pixel_spacings[worst])} mm. {_ONE_VOLUME}"
        )


_ONE_VOLUME = "Give medsr the slices of one volume only."


def check_repeats(slices: Slices, along: Floats, order: NDArray[np.intp], name: str) -> None:
    """Refuse slices at one position; `along` is the position along the normal, mm."""
    breaks = np.diff(along[order]) > _same_position_mm(along)
    place = np.concatenate([[0], np.cumsum(breaks)])
    counts = np.bincount(place)
    if counts.max() == 1:
        return
    groups = [order[place == p] for p in np.flatnonzero(counts > 1)]
    differing = _differing_marks([[slices.marks[i] for i in group] for group in groups])
    because = f" (they differ in {', '.join(differing)})" if differing else ""
    if len(counts) == 1:
        raise Refused(
            f"{name}: all {len(along)} slices lie at one position{because}: repeated pictures of "
            "a single slice, not a volume. Give a series that covers a volume."
        )
    even = counts.min() == counts.max()
    if even or set(differing) - WEAK_MARKS:
        often = f"{counts.max()}" if even else f"{counts.min()} to {counts.max()}"
        raise SeveralVolumes(
            f"{name}: is 4-D: {len(counts)} positions, each pictured {often} times{because}; "
            "medsr takes one 3-D volume. Export each time, echo or contrast on its own."
        )
    first, second = (slices.names[i] for i in groups[0][:2])
    raise Refused(
        f"{name}: {first} and {second} lie at the same position but are not the same image "
        f"({len(groups)} of {len(counts)} positions are held more than once). "
        "Remove the ones that do not belong to this volume."
    )


def _same_position_mm(along: Floats) -> float:
    """Slices closer than this share a position: rounding, and in the finest scans a tenth step."""
    widest_gap = float(np.diff(np.sort(along)).max())
    return min(POSITION_TOLERANCE_MM, max(0.1 * widest_gap, 1e-3))


def _differing_marks(groups: Sequence[Sequence[Mapping[str, object]]]) -> list[str]:
    """The marks whose values differ within every group of slices at one position."""
    keys = dict.fromkeys(key for group in groups for mark in group for key in mark)
    return [
        key
        for key in keys
        if all(len({str(mark.get(key)) for mark in group}) > 1 for group in groups)
    ]


def _count_distinct(rows: Floats, tolerance: float) -> int:
    return len({tuple(row) for row in np.rint(rows / (10 * tolerance))})


def _by(pair: Sequence[int]) -> str:
    return " x ".join(str(n) for n in pair)


def _mm(values: Floats) -> str:
    return " x ".join(f"{v:.4g}" for v in values)

"""Checks that slices belong to one volume.

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
    "PIXEL_TOLERANCE",
    "POSITION_TOLERANCE_MM",
    "Floats",
    "Indices",
    "Slices",
    "check_agreement",
    "check_alike",
    "check_one_space",
    "check_repeats",
    "check_scout",
]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Some scanners write positions to 0.1 mm, so a position is off by up to 0.05 mm and a distance
#: between two by up to 0.1 mm. Less than that says nothing about geometry.
POSITION_TOLERANCE_MM = 0.05

#: Pixel spacings that agree to this fraction are one spacing (five printed digits).
PIXEL_TOLERANCE = 1e-4

#: Marks that may also differ between doubled slices: two CT passes that overlap by a slice.
WEAK_MARKS = {"acquisition number", "trigger time"}

#: Marks without which positions of two slices cannot be compared.
SPACE_MARKS = ("patient", "study", "frame of reference", "patient position")

#: Of these an anonymiser may have written a new one into every file; then they say nothing.
RANDOM_MARKS = {"study", "frame of reference"}

#: Marks without which values of two slices cannot be compared.
VALUE_MARKS = (
    "photometric interpretation",
    "unit of the values",
    "rescaling",
    "echo number",
    "contrast",
    "scan options",
    "convolution kernel",
    "object class",
)

#: Numbers without which values of two slices cannot be compared, and by which fraction they may
#: vary within one volume.
VALUE_NUMBERS, VARIATION = ("echo time", "b-value", "tube voltage"), 0.1

#: Marks that count the whole; they say nothing about the moment of a slice.
COUNTING_MARKS = {"announced images", "announced slices", "announced spacing", "concatenation"}

#: Planes of a scout lie at more than 60 degrees to each other (cosine of the angle).
SCOUT_COSINE = 0.5


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
        kinds: N kinds, as `kinds` names them; all pictures but "image" are left out.
    """

    positions: Floats
    orientations: Floats
    pixel_spacings: Floats
    shapes: Sequence[tuple[int, int]]
    names: Sequence[str]
    marks: Sequence[Mapping[str, object]]
    kinds: Sequence[str]

    def only(self, chosen: Indices) -> Slices:
        """Some of the slices, in the order of their numbers."""
        return Slices(
            positions=self.positions[chosen],
            orientations=self.orientations[chosen],
            pixel_spacings=self.pixel_spacings[chosen],
            shapes=[self.shapes[k] for k in chosen],
            names=[self.names[k] for k in chosen],
            marks=[self.marks[k] for k in chosen],
            kinds=[self.kinds[k] for k in chosen],
        )


def check_one_space(slices: Slices, name: str) -> None:
    """Refuse slices of two patients, studies or frames of reference."""
    for mark in SPACE_MARKS:
        _check_mark(slices, mark, name, "so their positions cannot be compared")


def check_agreement(slices: Slices, name: str) -> None:
    """Refuse slices whose values do not mean the same."""
    for mark in VALUE_MARKS:
        _check_mark(slices, mark, name, "so their values cannot be compared")
    for mark in VALUE_NUMBERS:
        _check_number(slices, mark, name)


def _check_number(slices: Slices, mark: str, name: str) -> None:
    declared = {k: number for k, m in enumerate(slices.marks) for number in _number(m.get(mark))}
    if not declared:
        return
    low, high = min(declared, key=lambda k: declared[k]), max(declared, key=lambda k: declared[k])
    if declared[high] - declared[low] > VARIATION * abs(declared[high]):
        raise Refused(
            f"{name}: {slices.names[low]} and {slices.names[high]} differ in {mark} "
            f"({declared[low]:.4g} and {declared[high]:.4g}), so their values cannot be compared. "
            f"{_ONE_VOLUME}"
        )


def _number(mark: object) -> list[float]:
    """The number of a mark; none where it has no number, or several."""
    values = mark if isinstance(mark, tuple) else (mark,)
    try:
        return [float(str(value)) for value in values] if len(values) == 1 else []
    except ValueError:
        return []


def _check_mark(slices: Slices, mark: str, name: str, consequence: str) -> None:
    declared = {
        k: m[mark] for k, m in enumerate(slices.marks) if m.get(mark) not in (None, (), ("",))
    }
    distinct = list(dict.fromkeys(declared.values()))
    every_slice_its_own = mark in RANDOM_MARKS and len(distinct) == len(slices.names)
    if len(distinct) < 2 or every_slice_its_own:
        return
    first, other = (next(k for k, v in declared.items() if v == value) for value in distinct[:2])
    raise Refused(
        f"{name}: {slices.names[first]} and {slices.names[other]} differ in {mark} "
        f"({len(distinct)} in one series), {consequence}. {_ONE_VOLUME}"
    )


def check_scout(slices: Slices, name: str) -> None:
    """Recognise a scout by its planes: three that cross, or two of about equally many slices.

    Raises:
        SeveralVolumes: it is one.
    """
    planes = np.unique(np.round(slices.orientations, 2), axis=0, return_counts=True)
    directions, counts = planes
    if len(counts) < 2:
        return
    normals = np.cross(directions[:, :3], directions[:, 3:])
    chosen: list[int] = []
    for k in np.argsort(-counts):
        if all(abs(normals[k] @ normals[j]) < SCOUT_COSINE for j in chosen):
            chosen.append(int(k))
    if len(chosen) >= 3 or (len(chosen) == 2 and counts[chosen[0]] <= 2 * counts[chosen[1]]):
        raise SeveralVolumes(
            f"{name}: is a localizer (scout): its {len(slices.names)} slices lie in "
            f"{len(chosen)} planes that cross. Give the diagnostic scan instead."
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
            f"{name}: all {len(along)} slices lie at one position{because}: repeated "
            "images of one slice, not a volume. Give a series that covers a volume."
        )
    even = counts.min() == counts.max()
    if even or set(differing) - WEAK_MARKS:
        often = f"{counts.max()}" if even else f"{counts.min()} to {counts.max()}"
        raise SeveralVolumes(
            f"{name}: is 4-D: {len(counts)} slice positions with {often} images "
            f"each{because}; medsr enhances one 3-D volume. Export each time point, echo "
            "or contrast separately."
        )
    first, second = (slices.names[i] for i in groups[0][:2])
    raise Refused(
        f"{name}: {first} and {second} lie at the same position but are not the same "
        f"image ({len(groups)} of {len(counts)} positions occur more than once). Remove "
        "the images that do not belong to this volume."
    )


def _same_position_mm(along: Floats) -> float:
    """Slices closer than this share a position: rounding, and in the finest scans a tenth step."""
    widest_gap = float(np.diff(np.sort(along)).max())
    return min(POSITION_TOLERANCE_MM, max(0.1 * widest_gap, 1e-3))


def _differing_marks(groups: Sequence[Sequence[Mapping[str, object]]]) -> list[str]:
    """The marks whose values differ within every group of slices at one position."""
    found = dict.fromkeys(key for group in groups for mark in group for key in mark)
    keys = [key for key in found if key not in COUNTING_MARKS]
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

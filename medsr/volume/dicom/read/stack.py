"""Stacks slices on one grid: order, spacing and affine.

DICOM says where each slice lies, in LPS+ millimetres (PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1).
With S the ImagePositionPatient (centre of the first pixel), r and c the two halves of
ImageOrientationPatient (direction of growing column index, direction of growing row index) and
PixelSpacing = (distance between rows, distance between columns)::

    P(column i, row j) = S + r * PixelSpacing[1] * i + c * PixelSpacing[0] * j

The normal n = r x c completes a right-handed frame. Slices are ordered by S . n and by nothing
else: InstanceNumber and file names carry no geometry. A series is one volume when its slices
share r, c, shape and PixelSpacing, and their S march along n in equal steps. The affine maps a
voxel (i = column, j = row, k = slice) to RAS+, which is LPS+ with the first two rows negated.

All arrays have one row a slice: positions [N, 3], orientations [N, 6], pixel spacings [N, 2], mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medsr.errors import Refused
from medsr.volume.dicom.read.left_out import check_left_out, images_and_others
from medsr.volume.dicom.read.slice_checks import (
    POSITION_TOLERANCE_MM,
    Floats,
    Indices,
    Slices,
    check_agreement,
    check_alike,
    check_one_space,
    check_repeats,
    check_scout,
)
from medsr.volume.dicom.read.slice_count import check_announced, check_count
from medsr.volume.geometry import AXIS_TOLERANCE, Affine

__all__ = ["LPS_TO_RAS", "STEP_TOLERANCE", "Stack", "stack_slices"]

#: x and y point to the left and the back in DICOM, to the right and the front in NIfTI.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

#: Steps may differ by this fraction (of thick slices), or by rounding, whichever is larger ...
STEP_TOLERANCE = 0.01

#: ... but rounding is never believed beyond this fraction of a step (thin slices).
ROUNDING_LIMIT = 0.2

#: Written direction cosines may be this far from unit length (two printed digits).
UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class Stack:
    """One volume's grid.

    Attributes:
        order: [N] the slices in the order of growing position along the normal, as numbers of the
            pictures that were given; what was left out is not among them.
        affine: [4, 4] voxel (column, row, slice) -> RAS+ mm.
        step_mm: distance between neighbouring slices.
    """

    order: Indices
    affine: Affine
    step_mm: float


def stack_slices(pictures: Slices, name: str) -> Stack:
    """Order slices by position and place them on one rectangular grid.

    Args:
        pictures: what the headers say; those that are no images are left out.
        name: the series' folder or file name, for messages.

    Raises:
        SeveralVolumes: a scout of several planes, or 4-D.
        Refused: too few slices; slices of two spaces or of values that cannot be compared; fewer
            than declared; mixed shape, orientation or pixel spacing; repeated positions
            (4-D or doubled); a slice that is marked as something else; sheared (gantry tilt); a
            missing slice; variable spacing.
    """
    chosen, others = images_and_others(pictures)
    slices = pictures.only(chosen)
    check_count(slices, name)
    check_one_space(slices, name)
    check_scout(slices, name)
    check_alike(slices, name)
    row, column, normal = _frame(slices.orientations[0], slices.names[0])
    along = slices.positions @ normal
    order = np.argsort(along, kind="stable")
    check_repeats(slices, along, order, name)
    check_agreement(slices, name)
    check_left_out(slices, pictures.only(others), normal, name)
    check_announced(slices, len(others), name)
    positions, names = slices.positions[order], [slices.names[i] for i in order]
    step_vector = _step(positions, normal, names, name)
    affine = np.eye(4)
    affine[:3, 0] = row * slices.pixel_spacings[0, 1]
    affine[:3, 1] = column * slices.pixel_spacings[0, 0]
    affine[:3, 2] = step_vector
    affine[:3, 3] = positions[0]
    return Stack(chosen[order], LPS_TO_RAS @ affine, float(step_vector @ normal))


def _frame(orientation: Floats, name: str) -> tuple[Floats, Floats, Floats]:
    """Unit vectors: along a row, down a column, and the normal; LPS+."""
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(length - 1) for length in lengths) > UNIT_TOLERANCE or (
        abs(row @ column) > AXIS_TOLERANCE * lengths[0] * lengths[1]
    ):
        words = ", ".join(f"{cosine:.4g}" for cosine in orientation)
        raise Refused(
            f"{name}: ImageOrientationPatient {words} is not a pair of perpendicular unit "
            "vectors, so the position of the slice in the patient is unknown. Export the "
            "series again."
        )
    row, column = row / lengths[0], column / lengths[1]
    normal = np.cross(row, column)
    return row, column, normal / np.linalg.norm(normal)


def _step(positions: Floats, normal: Floats, names: Sequence[str], name: str) -> Floats:
    """The vector from one slice to the next, LPS+ mm, after every check on it."""
    along = positions @ normal
    sideways = positions - positions[0] - np.outer(along - along[0], normal)
    tilt = sideways[-1] / (along[-1] - along[0])
    total = float(np.linalg.norm(sideways[-1]))
    if np.linalg.norm(tilt) > AXIS_TOLERANCE and total > POSITION_TOLERANCE_MM:
        angle = np.degrees(np.arctan(np.linalg.norm(tilt)))
        raise Refused(
            f"{name}: the slices are sheared: from {names[0]} to {names[-1]} they move "
            f"{total:.2f} mm sideways over {along[-1] - along[0]:.2f} mm (gantry tilt of "
            f"{angle:.1f} degrees, expected 0). Resample the scan to an upright grid first."
        )
    _check_steps(np.diff(along), names, name)
    if np.linalg.norm(tilt) > AXIS_TOLERANCE:
        tilt = np.zeros(3)
    step = float(along[-1] - along[0]) / (len(along) - 1)
    vector = step * (normal + tilt)
    ideal = positions[0] + np.arange(len(along))[:, None] * vector
    distance = np.linalg.norm(positions - ideal, axis=1)
    worst = int(distance.argmax())
    if distance[worst] > _step_tolerance_mm(step):
        raise Refused(
            f"{name}: variable spacing: {names[worst]} lies {distance[worst]:.2f} mm from "
            f"its expected position (equal spacing of {step:.2f} mm). {_RESAMPLE}"
        )
    return np.asarray(vector)


_RESAMPLE = "Resample the scan to equal slice spacing first, or export it again."


def _step_tolerance_mm(step: float) -> float:
    rounding = min(2 * POSITION_TOLERANCE_MM, ROUNDING_LIMIT * step)
    return max(STEP_TOLERANCE * step, rounding)


def _check_steps(gaps: Floats, names: Sequence[str], name: str) -> None:
    """Equal gaps, or the sentence that says whether a slice is missing or the step varies."""
    step = _common_gap(gaps)
    tolerance = _step_tolerance_mm(step)
    odd = np.flatnonzero(np.abs(gaps - step) > tolerance)
    if not len(odd):
        return
    multiples = np.rint(gaps[odd] / step)
    whole = (multiples >= 2) & (np.abs(gaps[odd] - multiples * step) <= tolerance * multiples)
    first = int(odd[0])
    if whole.all():
        lost = int((multiples - 1).sum())
        missing = "1 slice is missing" if lost == 1 else f"{lost} slices are missing"
        places = "" if len(odd) == 1 else f" (and {len(odd) - 1} more)"
        raise Refused(
            f"{name}: gap of {gaps[first]:.2f} mm after {names[first]}{places}, others are "
            f"{step:.2f} mm; {missing}. Copy or export the series again, complete."
        )
    raise Refused(
        f"{name}: variable spacing: {gaps[first]:.2f} mm between {names[first]} and "
        f"{names[first + 1]}, mostly {step:.2f} mm (from {gaps.min():.2f} to {gaps.max():.2f} mm)."
        f" {_RESAMPLE}"
    )


def _common_gap(gaps: Floats) -> float:
    """The gap that most others agree with; of several, the smallest."""
    ordered = np.sort(gaps)
    slack = np.array([_step_tolerance_mm(float(gap)) for gap in ordered])
    agreeing = np.searchsorted(ordered, ordered + slack, "right") - np.searchsorted(
        ordered, ordered - slack, "left"
    )
    return float(ordered[int(agreeing.argmax())])

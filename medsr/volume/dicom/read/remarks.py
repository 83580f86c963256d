"""Remarks on a series that is sound but needs attention."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose

from medsr.remarks import Meaning, Remark
from medsr.volume.dicom.read.frames import Frame
from medsr.volume.thickness import believed_thickness

__all__ = ["remarks_on", "thickness_of"]

#: A declared distance between slices agrees with the one there is to this fraction.
TOLERANCE = 0.02


def thickness_of(frames: Sequence[Frame], step_mm: float) -> float | None:
    """The slices' common thickness, mm.

    Args:
        frames: of a series.
        step_mm: distance between slices.

    Returns:
        None when they say none, disagree by over 1 percent, or say one that is not plausible
        beside the distance between slices.
    """
    return believed_thickness(_declared(frames), step_mm)[0]


def _declared(frames: Sequence[Frame]) -> float | None:
    found = [frame.thickness_mm or 0.0 for frame in frames]
    return found[0] if min(found) > 0 and max(found) <= 1.01 * min(found) else None


def remarks_on(frames: Sequence[Frame], step_mm: float) -> tuple[Remark, ...]:
    """What was assumed or may matter.

    Args:
        frames: of a series.
        step_mm: distance between slices.
    """
    remarks = list(believed_thickness(_declared(frames), step_mm)[1])
    marks = [frame.marks for frame in frames]
    if len({mark.get("frame of reference") for mark in marks}) > 1:
        words = (
            "Every slice declares its own frame of reference, as some anonymisers write "
            "it. All positions were assumed to be in the same space."
        )
        remarks.append(Remark(Meaning.ASSUMPTION, words))
    declared = {mark.get("announced spacing") for mark in marks}
    spacing_mm = declared.pop() if len(declared) == 1 else None
    if isinstance(spacing_mm, int | float) and _contradicts(abs(spacing_mm), frames, step_mm):
        words = (
            f"The headers declare slices every {abs(spacing_mm):.4g} mm (SpacingBetweenSlices), "
            f"and the slices are {step_mm:.4g} mm apart. If slices are missing between them, "
            "export the series again, complete."
        )
        remarks.append(Remark(Meaning.DOUBT, words))
    return tuple(remarks)


def _contradicts(spacing_mm: float, frames: Sequence[Frame], step_mm: float) -> bool:
    """Whether a declared distance is neither that between slices nor, as some write it, a gap."""
    gap_mm = step_mm - (_declared(frames) or step_mm)
    return spacing_mm > 0 and not (
        isclose(spacing_mm, step_mm, rel_tol=TOLERANCE)
        or (gap_mm < step_mm / 2 and isclose(spacing_mm, gap_mm, abs_tol=TOLERANCE * step_mm))
    )

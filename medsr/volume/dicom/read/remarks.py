"""Remarks on a series that is sound but needs attention."""

from __future__ import annotations

from collections.abc import Sequence

from medsr.remarks import Meaning, Remark
from medsr.volume.dicom.read.frames import Frame
from medsr.volume.thickness import believed_thickness

__all__ = ["remarks_on", "thickness_of"]


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
    return tuple(remarks)

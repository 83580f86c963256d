"""Remarks on a series that is sound but needs attention."""

from __future__ import annotations

from collections.abc import Sequence

from medsr.volume.dicom.read.frames import Frame

__all__ = ["remarks_on", "thickness_of"]

#: A thickness beyond these multiples of the distance between slices is ignored.
THINNEST, THICKEST = 0.1, 3.0


def thickness_of(frames: Sequence[Frame], step_mm: float) -> float | None:
    """The slices' common thickness, mm.

    Args:
        frames: of a series.
        step_mm: distance between slices.

    Returns:
        None when they say none, disagree by over 1 percent, or say one that is not plausible
        beside the distance between slices.
    """
    declared = _declared(frames)
    return declared if declared and THINNEST <= declared / step_mm <= THICKEST else None


def _declared(frames: Sequence[Frame]) -> float | None:
    found = [frame.thickness_mm or 0.0 for frame in frames]
    return found[0] if min(found) > 0 and max(found) <= 1.01 * min(found) else None


def remarks_on(frames: Sequence[Frame], step_mm: float) -> tuple[str, ...]:
    """Sentences on what was ignored or may matter.

    Args:
        frames: of a series.
        step_mm: distance between slices.
    """
    remarks = []
    declared = _declared(frames)
    if declared is not None and thickness_of(frames, step_mm) is None:
        remarks.append(
            f"The header gives a slice thickness of {declared:.3g} mm for slices "
            f"{step_mm:.3g} mm apart, which is not plausible; it was ignored."
        )
    marks = [frame.marks for frame in frames]
    if len({mark.get("frame of reference") for mark in marks}) > 1:
        remarks.append(
            "Every slice declares its own frame of reference, as some anonymisers write "
            "it. All positions were assumed to be in the same space."
        )
    image_types = [mark.get("image type") for mark in marks]
    words = {
        str(word).upper() for values in image_types if isinstance(values, tuple) for word in values
    }
    if {"DERIVED", "MPR"} <= words:
        remarks.append(
            "The slices are a reformat (MPR), whose slice profile differs from that of "
            "the scanner. Use the original slices if they exist."
        )
    return tuple(remarks)

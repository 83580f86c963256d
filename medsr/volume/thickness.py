"""Checks a declared slice thickness against the distance between slices."""

from __future__ import annotations

from medsr.remarks import Meaning, Remark

__all__ = ["THICKEST", "THINNEST", "believed_thickness", "is_plausible_thickness"]

#: A thickness beyond these multiples of the distance between slices is an error of the header:
#: gaps of high-resolution CT are 0.1, overlapping slices seldom 3.
THINNEST, THICKEST = 0.05, 3.0


def is_plausible_thickness(thickness_mm: float, step_mm: float) -> bool:
    """Whether slices so thick may lie so far apart."""
    return THINNEST * step_mm <= thickness_mm <= THICKEST * step_mm * (1 + 1e-6)


def believed_thickness(
    declared_mm: float | None, step_mm: float
) -> tuple[float | None, tuple[Remark, ...]]:
    """The thickness to use, and a remark where the declared one is ignored.

    Args:
        declared_mm: the declared thickness; None if unknown.
        step_mm: distance between slices.

    >>> believed_thickness(4.0, 5.0)
    (4.0, ())
    """
    if declared_mm is None or is_plausible_thickness(declared_mm, step_mm):
        return declared_mm, ()
    words = (
        f"The header gives a slice thickness of {declared_mm:.3g} mm for slices "
        f"{step_mm:.3g} mm apart, which is not plausible; it was ignored."
    )
    return None, (Remark(Meaning.ASSUMPTION, words),)

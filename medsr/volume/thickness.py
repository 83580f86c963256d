"""Checks a declared slice thickness against the distance between slices."""

from __future__ import annotations

__all__ = ["believed_thickness"]

#: A thickness beyond these multiples of the distance between slices is ignored.
THINNEST, THICKEST = 0.1, 3.0


def believed_thickness(
    declared_mm: float | None, step_mm: float
) -> tuple[float | None, tuple[str, ...]]:
    """The thickness to use, and a remark where the declared one is ignored.

    Args:
        declared_mm: the declared thickness; None if unknown.
        step_mm: distance between slices.

    >>> believed_thickness(4.0, 5.0)
    (4.0, ())
    """
    if declared_mm is None or THINNEST <= declared_mm / step_mm <= THICKEST:
        return declared_mm, ()
    remark = (
        f"The header gives a slice thickness of {declared_mm:.3g} mm for slices "
        f"{step_mm:.3g} mm apart, which is not plausible; it was ignored."
    )
    return None, (remark,)

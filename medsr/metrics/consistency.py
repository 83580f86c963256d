"""Consistency of an estimate with the measured scan.

With A the acquisition (slice profile, spacing, in-plane resolution; `medsr.acquisition`) and x_e
the estimate, over the whole measured grid, intensities counted from the floor (0, or -1024 HU)::

    r        = A x_e - y_m
    whole    = || r || / || y_m ||
    worst    = max over measured slices k of  sqrt(K) || r_k || / || y_m ||

K is the number of slices: both numbers have the scan's own root mean square as unit, so a slice
of air does not blow up. 0 is perfect. The measured scan's own noise and the error of the assumed
A put a floor under it; the report gives the reference's own number as that floor.
"""

from __future__ import annotations

import numpy as np

from medsr.errors import Refused, UsageError
from medsr.metrics.checks import Array

__all__ = ["residual", "worst_slice"]


def residual(measured: Array, predicted: Array) -> float:
    """|| A x - y || / || y ||, a pure number; 0 is best.

    Args:
        measured: y [X, Y, Z], intensities counted from the floor.
        predicted: A x, on the same grid.

    Raises:
        UsageError: shapes differ.
        Refused: the measured scan is empty.

    >>> residual(np.ones((2, 2, 2)), np.full((2, 2, 2), 1.1)).__round__(3)
    0.1
    """
    y, r = _checked(measured, predicted)
    return float(np.linalg.norm(r) / np.linalg.norm(y))


def worst_slice(measured: Array, predicted: Array, *, axis: int) -> tuple[float, int]:
    """The largest relative residual of a measured slice, and its index along `axis`.

    Args, errors: as `residual`.
    """
    y, r = _checked(measured, predicted)
    slices = np.moveaxis(r, axis, 0).reshape(y.shape[axis], -1)
    each = np.linalg.norm(slices, axis=1) * np.sqrt(len(slices)) / np.linalg.norm(y)
    return float(each.max()), int(each.argmax())


def _checked(measured: Array, predicted: Array) -> tuple[Array, Array]:
    if measured.shape != predicted.shape:
        raise UsageError(
            f"The measured scan has shape {measured.shape}, the prediction {predicted.shape}; "
            "they must be on one grid."
        )
    y = np.asarray(measured, dtype=np.float64)
    if not np.linalg.norm(y) > 0:
        raise Refused("The measured scan is zero everywhere, so data consistency is not defined.")
    return y, np.asarray(predicted, dtype=np.float64) - y

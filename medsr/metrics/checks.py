"""Checks of the input of every metric: finite, 3-D, on one grid, with a non-empty mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import UsageError

__all__ = ["Array", "Mask", "check_pair", "check_range"]

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def check_range(data_range: float) -> None:
    """Refuse a data range that is not a positive number."""
    if not (math.isfinite(data_range) and data_range > 0):
        raise UsageError(
            f"data_range is {data_range}; it must be a positive number in the images' unit, such "
            "as the reference's 99.9th percentile."
        )


def check_pair(x: Array, y: Array, mask: Mask | None) -> None:
    """Refuse images that are not finite, 3-D and on one grid, and masks that do not fit them."""
    if x.ndim != 3 or x.shape != y.shape:
        raise UsageError(
            f"The reference has shape {x.shape}, the estimate {y.shape}; both must be [X, Y, Z] "
            "on one grid."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UsageError(
            "A voxel is not a finite number (NaN or infinity); replace these values first."
        )
    if mask is None:
        return
    if mask.dtype != np.bool_ or mask.shape != x.shape:
        raise UsageError(
            f"The mask is {mask.dtype} of shape {mask.shape}; it must be bool of shape {x.shape}."
        )
    if not mask.any():
        raise UsageError("The mask is empty. Give a mask with non-zero voxels.")

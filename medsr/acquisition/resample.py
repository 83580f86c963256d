"""A, its adjoint, and interpolation to the fine grid, for whole volumes.

All are separable: one matrix of `medsr.acquisition.profiles` an axis. Tensors are [..., X, Y, Z].
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.profiles import PROFILES, Matrix, spline_matrix

__all__ = ["acquire", "acquire_adjoint", "along_axis", "axis_matrices", "upsample"]

#: Kept of those last asked for: a scan in chunks asks for the same few again and again.
MATRICES = 16


def along_axis(x: Tensor, matrix: Matrix, axis: int) -> Tensor:
    """Multiply one axis by a matrix: [..., n, ...] -> [..., m, ...] for a matrix [m, n]."""
    weights = torch.tensor(matrix, dtype=x.dtype, device=x.device)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    if not after:
        return (x.reshape(-1, x.shape[axis]) @ weights.T).reshape(*before, len(matrix))
    flat = x.reshape(before.numel(), x.shape[axis], after.numel())
    return torch.matmul(weights, flat).reshape(*before, len(matrix), *after)


def axis_matrices(acquisition: Acquisition) -> list[Matrix | None]:
    """One [low, fine] matrix an axis; None where the axis is sampled as it is."""
    return [None if axis.is_identity else _acquisition_matrix(axis) for axis in acquisition.axes]


@lru_cache(maxsize=MATRICES)
def _acquisition_matrix(axis: AxisSampling) -> Matrix:
    matrix = PROFILES[axis.profile](
        axis.fine_count, axis.fine_mm, axis.low_count, axis.low_mm, axis.kernel_mm
    )
    matrix.setflags(write=False)  # shared by all who ask
    return matrix


@lru_cache(maxsize=MATRICES)
def _upsampling_matrix(axis: AxisSampling, order: int) -> Matrix:
    matrix = spline_matrix(axis.low_count, axis.low_mm, axis.fine_count, axis.fine_mm, order)
    matrix.setflags(write=False)
    return matrix


def acquire(x: Tensor, acquisition: Acquisition) -> Tensor:
    """A: the noise-free scan [..., X, Y, Z] (low) of a fine image [..., X', Y', Z']."""
    for k, matrix in enumerate(axis_matrices(acquisition)):
        if matrix is not None:
            x = along_axis(x, matrix, x.ndim - 3 + k)
    return x


def acquire_adjoint(y: Tensor, acquisition: Acquisition) -> Tensor:
    """A^T: <A x, y> = <x, A^T y>; from the low grid [..., X, Y, Z] to the fine one."""
    for k, matrix in enumerate(axis_matrices(acquisition)):
        if matrix is not None:
            y = along_axis(y, matrix.T, y.ndim - 3 + k)
    return y


def upsample(y: Tensor, acquisition: Acquisition, *, order: int = 3) -> Tensor:
    """Interpolate a scan [..., X, Y, Z] to the fine grid [..., X', Y', Z'], edges aligned.

    Args:
        y: the measured scan, on the acquisition's low grid.
        acquisition: both grids.
        order: of the B-spline; 1 is linear, 3 cubic.
    """
    for k, axis in enumerate(acquisition.axes):
        if not axis.is_resampled:
            continue
        y = along_axis(y, _upsampling_matrix(axis, order), y.ndim - 3 + k)
    return y

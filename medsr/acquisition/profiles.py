"""Matrices of the slice profiles along one axis.

A scan is separable: along each axis a low grid samples the fine image x through a profile,

    y_i = sum_j M[i, j] x_j ,      M = profile of width w centred on low sample i,

with both grids edge-aligned (see `medsr.volume.geometry`): fine voxel j fills
[j s, (j+1) s] and low sample i is centred at (i + 1/2) S, all in mm. Each row of M sums to one,
so constants are kept; rows cut by the border are renormalised.

The width w is what the profile *adds* to a fine voxel, `AxisSampling.kernel_mm`: less than the
thickness of a slice where a fine voxel is itself a good part of a slice.

Profiles: *box* (ideal slice-selective pulse, width w), *gaussian* (width w = FWHM; the usual
model of a real 2-D slice profile), *k-space truncation* (in-plane resolution of MR: frequencies
above 1/(2S) are not measured; Bernstein, King and Zhou, Handbook of MRI Pulse Sequences, 2004,
ch. 13). *Spline* matrices go the other way, from the low grid to the fine one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from medsr.acquisition.shapes import KSPACE, Profile

Matrix = NDArray[np.float64]

__all__ = ["PROFILES", "Matrix", "box_matrix", "gaussian_matrix", "kspace_matrix", "spline_matrix"]

#: FWHM = 2 sqrt(2 ln 2) sigma of a Gaussian.
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))

#: A frequency this near to the limit, relatively, is on it: files round spacings to float32.
AT_LIMIT = 1e-5

#: A slice narrower than this fraction of a fine voxel measures that voxel alone anyway.
NARROWEST_VOXELS = 1e-3


def _edges_and_centres(
    fine_count: int, fine_mm: float, low_count: int, low_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    edges = np.arange(fine_count + 1, dtype=np.float64) * fine_mm
    return edges, (np.arange(low_count, dtype=np.float64) + 0.5) * low_mm


def _normalised(cumulative: NDArray[np.float64]) -> Matrix:
    """Weights of each fine voxel from the profile's integral at the voxel edges."""
    weights = np.diff(cumulative, axis=1)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def gaussian_matrix(
    fine_count: int, fine_mm: float, low_count: int, low_mm: float, width_mm: float
) -> Matrix:
    """Gaussian profile of FWHM `width_mm`, integrated over each fine voxel: [low, fine].

    >>> gaussian_matrix(4, 1.0, 2, 2.0, 2.0).round(2)
    array([[0.43, 0.43, 0.13, 0.01],
           [0.01, 0.13, 0.43, 0.43]])
    """
    edges, centres = _edges_and_centres(fine_count, fine_mm, low_count, low_mm)
    sigma = max(width_mm, NARROWEST_VOXELS * fine_mm) / FWHM_PER_SIGMA
    return _normalised(special.ndtr((edges[None] - centres[:, None]) / sigma))


def box_matrix(
    fine_count: int, fine_mm: float, low_count: int, low_mm: float, width_mm: float
) -> Matrix:
    """Rectangular profile of full width `width_mm`: [low, fine].

    >>> box_matrix(4, 1.0, 2, 2.0, 2.0)
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]])
    """
    edges, centres = _edges_and_centres(fine_count, fine_mm, low_count, low_mm)
    width = max(width_mm, NARROWEST_VOXELS * fine_mm)
    return _normalised(np.clip((edges[None] - centres[:, None]) / width + 0.5, 0.0, 1.0))


def kspace_matrix(
    fine_count: int, fine_mm: float, low_count: int, low_mm: float, width_mm: float
) -> Matrix:
    """Fourier truncation: frequencies up to 1/(2 `width_mm`) kept, sampled on the low grid.

    The image is periodic over the field of view, as in the scanner. The frequency just at the
    limit keeps half its weight, so that the kernel (Dirichlet's) is real and symmetric.
    """
    frequencies = np.arange(fine_count // 2 + 1) / (fine_count * fine_mm)
    limit = 0.5 / max(width_mm, fine_mm)
    weights = np.where(frequencies < limit * (1 - AT_LIMIT), 2.0, 0.0)
    weights[np.isclose(frequencies, limit, rtol=AT_LIMIT)] = 1.0
    weights[0] = 1.0
    fine = (np.arange(fine_count) + 0.5) * fine_mm
    low = (np.arange(low_count) + 0.5) * low_mm
    phase = 2.0 * np.pi * (low[:, None] - fine[None])
    matrix = np.zeros((low_count, fine_count))
    for frequency, weight in zip(frequencies, weights, strict=True):
        if weight:
            matrix += weight * np.cos(phase * frequency)
    return np.asarray(matrix / fine_count)


#: Name -> the matrix of fine count, fine spacing, low count, low spacing and kernel width (mm).
PROFILES: dict[str, Callable[[int, float, int, float, float], Matrix]] = {
    Profile.GAUSSIAN: gaussian_matrix,
    Profile.BOX: box_matrix,
    KSPACE: kspace_matrix,
}


@lru_cache(maxsize=32)
def spline_matrix(
    low_count: int, low_mm: float, fine_count: int, fine_mm: float, order: int
) -> Matrix:
    """B-spline interpolation from the low grid to the fine one: [fine, low]; cached, read-only.

    Borders are reflected about the outer edge, so a constant stays constant. Order 1 is linear,
    3 the cubic B-spline interpolant (Unser 1999, IEEE Signal Processing Magazine 16(6):22).
    """
    coordinates = (np.arange(fine_count) + 0.5) * fine_mm / low_mm - 0.5
    at_samples = _spline_basis(np.arange(low_count, dtype=np.float64), low_count, order)
    matrix = _spline_basis(coordinates, low_count, order) @ np.linalg.inv(at_samples)
    matrix.setflags(write=False)
    return np.asarray(matrix)


def _spline_basis(coordinates: NDArray[Any], low_count: int, order: int) -> Matrix:
    """Each basis spline at each coordinate (in low samples), reflected: [coordinates, low]."""
    first = np.floor(coordinates - (order - 1) / 2).astype(int)
    basis = np.zeros((len(coordinates), low_count))
    for k in range(order + 1):
        index = (first + k) % (2 * low_count)
        index = np.where(index < low_count, index, 2 * low_count - 1 - index)
        weight = _cardinal_spline(np.abs(coordinates - first - k), order)
        np.add.at(basis, (np.arange(len(coordinates)), index), weight)
    return basis


def _cardinal_spline(distance: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """The centred B-spline of any order: truncated-power form (Unser 1999, eq. 2)."""
    total = np.zeros_like(distance)
    for k in range(order + 2):
        power = np.maximum(0.0, distance + (order + 1) / 2 - k) ** order
        total += (-1) ** k * math.comb(order + 1, k) * power
    return np.asarray(total / math.factorial(order))

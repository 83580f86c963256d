"""Fidelity metrics: PSNR, NRMSE, MAE and SSIM.

Symbols: x the reference, y the estimate, both [X, Y, Z] on one grid; R the data range, in the same
unit as x and y; M the mask (all voxels where none is given), ``|M|`` its voxels::

    MSE    = 1/|M| sum_M (x - y)^2
    PSNR   = 10 log10(R^2 / MSE)                                  decibel
    NRMSE  = sqrt(MSE) / R                                        fraction of the range
    MAE    = 1/|M| sum_M |x - y|                                  unit of the image

             (2 m_x m_y + C1) (2 s_xy + C2)        C1 = (0.01 R)^2
    SSIM   = -------------------------------------, C2 = (0.03 R)^2
             (m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)

with m, s^2, s_xy the means, variances and covariance under a Gaussian window (sigma 1.5 voxels,
11 voxels wide, weights summing to one, no N/(N-1) correction).
Source: Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Processing 13 (2004) 600, eq. 13-16.

R is always asked for, never guessed: the guesses of common packages differ, and each moves the
result by decibels. SSIM, unlike the rest, changes when a constant is added to both images: give
it intensities that start at zero (CT: HU + 1024).

SSIM stands only where the whole window lies in the volume; the outer 5 voxels are never averaged,
mask or no mask. Every sum is taken in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.errors import Refused, UsageError
from medsr.metrics.checks import Array, Mask, check_pair, check_range

__all__ = [
    "SSIM_RADIUS",
    "SSIM_SIGMA",
    "SSIM_WINDOW",
    "gaussian_means",
    "inside_window",
    "mae",
    "nrmse",
    "psnr",
    "ssim_3d",
    "ssim_slice_mean",
    "ssim_voxels",
]

SSIM_SIGMA = 1.5  # voxels, Wang et al. 2004
SSIM_RADIUS = 5  # voxels: 3.5 sigma, rounded
SSIM_WINDOW = 2 * SSIM_RADIUS + 1
K1, K2 = 0.01, 0.03  # Wang et al. 2004

#: Planes of a volume worked on at once: bounds the memory (about 15 float64 slabs).
SLAB = 16


def psnr(
    reference: Array, estimate: Array, *, data_range: float, mask: Mask | None = None
) -> float:
    """Peak signal-to-noise ratio, 10 log10(data_range^2 / MSE), in dB; higher is closer.

    Args:
        reference: [X, Y, Z], finite.
        estimate: [X, Y, Z], finite, on the same grid and in the same unit.
        data_range: R > 0, in that unit.
        mask: bool [X, Y, Z]; the mean is over its True voxels, or over all voxels if None.

    Returns:
        dB; infinity where the two are identical (over the mask).

    Raises:
        UsageError: shapes differ, a voxel is not finite, R is not positive, the mask is empty or
            not bool.

    >>> psnr(np.zeros((2, 2, 2)), np.full((2, 2, 2), 0.1), data_range=1.0)
    20.0
    """
    check_range(data_range)
    mse = _mse(reference, estimate, mask)
    return math.inf if mse == 0 else 20 * math.log10(data_range) - 10 * math.log10(mse)


def nrmse(
    reference: Array, estimate: Array, *, data_range: float, mask: Mask | None = None
) -> float:
    """Root mean square error divided by the data range; lower is closer.

    Normalised by R, not by the reference's RMS, mean or max - min, so it holds for CT in HU too;
    PSNR = -20 log10(NRMSE).

    Args, errors: as `psnr`.

    Returns:
        a fraction of the range, 0 for identical images.

    >>> nrmse(np.zeros((2, 2, 2)), np.full((2, 2, 2), 5.0), data_range=100.0)
    0.05
    """
    check_range(data_range)
    return math.sqrt(_mse(reference, estimate, mask)) / data_range


def mae(reference: Array, estimate: Array, *, mask: Mask | None = None) -> float:
    """Mean absolute error, in the unit of the images (HU for CT); lower is closer.

    Takes no range: nothing is normalised. Args, errors: otherwise as `psnr`.

    >>> mae(np.zeros((2, 2, 2)), np.full((2, 2, 2), -3.0))
    3.0
    """
    x, y = _chosen(reference, estimate, mask)
    return float(np.abs(x - y).mean())


def ssim_3d(
    reference: Array, estimate: Array, *, data_range: float, mask: Mask | None = None
) -> float:
    """Structural similarity under an 11 x 11 x 11 Gaussian window; higher is closer, 1 identical.

    The mean of the 3-D SSIM map over the voxels of the mask (all voxels if None) that lie at
    least 5 voxels inside the volume. Formula and source: the module's text (Wang et al. 2004,
    eq. 13, with the window extended to three dimensions).

    Args:
        reference, estimate, data_range, mask: as `psnr`; intensities should start at zero.

    Raises:
        UsageError: as `psnr`.
        Refused: the volume is thinner than 11 voxels, or no voxel of the mask lies inside.
    """
    return _mean_ssim(reference, estimate, data_range, mask, window_axes=(0, 1, 2))


def ssim_slice_mean(
    reference: Array,
    estimate: Array,
    *,
    data_range: float,
    axis: int,
    mask: Mask | None = None,
) -> float:
    """Structural similarity slice by slice, under an 11 x 11 Gaussian window in the slice.

    The mean of the 2-D SSIM maps over the voxels of the mask (all voxels if None) that lie at
    least 5 voxels inside their slice. Without a mask this is the mean over slices of each slice's
    SSIM (Wang et al. 2004, eq. 13 and 17), with one range for the whole volume. With a mask every
    voxel, not every slice, weighs the same. fastMRI's slice SSIM (Zbontar et al. 2018,
    arXiv:1811.08839) has another window, 7 x 7 and uniform: the two are not comparable.

    Args:
        reference, estimate, data_range, mask: as `psnr`; intensities should start at zero.
        axis: 0, 1 or 2, the axis across which the slices are stacked.

    Raises:
        UsageError: as `psnr`, or another axis.
        Refused: the slices are narrower than 11 voxels, or no voxel of the mask lies inside.
    """
    return _mean_ssim(reference, estimate, data_range, mask, window_axes=_in_plane(axis))


def ssim_voxels(shape: Sequence[int], mask: Mask | None = None, *, axis: int | None = None) -> int:
    """How many voxels an SSIM is averaged over: those of the mask with the whole window inside.

    Args:
        shape: (X, Y, Z).
        mask: bool [X, Y, Z], or None for all voxels.
        axis: as in `ssim_slice_mean`, or None for `ssim_3d`.

    >>> ssim_voxels((20, 20, 12)), ssim_voxels((20, 20, 12), axis=2), ssim_voxels((20, 20, 9))
    (200, 1200, 0)
    """
    inside = inside_window(shape, (0, 1, 2) if axis is None else _in_plane(axis))
    if mask is None:
        return math.prod(max(0, side.stop - side.start) for side in inside)
    return int(np.count_nonzero(mask[inside]))


def _in_plane(axis: int) -> tuple[int, ...]:
    if axis not in (0, 1, 2):
        raise UsageError(f"axis is {axis}; slices are stacked along axis 0, 1 or 2.")
    return tuple(a for a in range(3) if a != axis)


def inside_window(shape: Sequence[int], window_axes: Sequence[int]) -> tuple[slice, ...]:
    """The part of a volume in which a window along the given axes lies wholly inside it."""
    return tuple(
        slice(SSIM_RADIUS, n - SSIM_RADIUS) if a in window_axes else slice(0, n)
        for a, n in enumerate(shape)
    )


def _mean_ssim(
    x: Array, y: Array, data_range: float, mask: Mask | None, *, window_axes: tuple[int, ...]
) -> float:
    check_range(data_range)
    check_pair(x, y, mask)
    shape, halo = x.shape, SSIM_RADIUS if 0 in window_axes else 0
    if min(shape[a] for a in window_axes) < SSIM_WINDOW:
        raise Refused(
            f"SSIM needs at least {SSIM_WINDOW} voxels along each axis of its window; the image "
            f"has shape {shape}. Compare a thicker volume, or use PSNR for this one."
        )
    total, count = 0.0, 0
    for start in range(halo, shape[0] - halo, SLAB):
        stop = min(start + SLAB, shape[0] - halo)
        rows = slice(start - halo, stop + halo)
        inside = inside_window((stop - start + 2 * halo, *shape[1:]), window_axes)
        chosen = None if mask is None else mask[rows][inside]
        if chosen is not None and not chosen.any():
            continue
        values = _ssim_map(x[rows], y[rows], data_range, window_axes)[inside]
        values = values if chosen is None else values[chosen]
        total, count = total + float(values.sum()), count + values.size
    if count == 0:
        raise Refused(
            f"No voxel of the mask lies {SSIM_RADIUS} voxels inside the image (shape {shape}), so "
            "SSIM has no whole window. Give a larger mask, or use PSNR for this one."
        )
    return total / count


def _ssim_map(
    x: Array, y: Array, data_range: float, window_axes: Sequence[int]
) -> NDArray[np.float64]:
    """SSIM at every voxel; right where the whole window lies inside. Wang et al. 2004, eq. 13."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    m_x, m_y = gaussian_means(x, window_axes), gaussian_means(y, window_axes)
    m_xx, m_yy, m_xy = m_x * m_x, m_y * m_y, m_x * m_y
    s_xy = gaussian_means(x * y, window_axes) - m_xy
    s_xx_yy = gaussian_means(x * x + y * y, window_axes) - m_xx - m_yy
    ssim = (2 * m_xy + c1) * (2 * s_xy + c2) / ((m_xx + m_yy + c1) * (s_xx_yy + c2))
    return np.asarray(ssim)


def gaussian_means(values: NDArray[np.float64], window_axes: Sequence[int]) -> NDArray[np.float64]:
    """The mean under SSIM's Gaussian window at every voxel; right where the window lies inside."""
    steps = np.arange(-SSIM_RADIUS, SSIM_RADIUS + 1)
    weights = np.exp(-0.5 * (steps / SSIM_SIGMA) ** 2)
    weights /= weights.sum()
    for axis in window_axes:
        values = ndimage.correlate1d(values, weights, axis=axis)
    return values


def _mse(x: Array, y: Array, mask: Mask | None) -> float:
    chosen_x, chosen_y = _chosen(x, y, mask)
    return float(np.square(chosen_x - chosen_y).mean())


def _chosen(
    x: Array, y: Array, mask: Mask | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The voxels compared, as float64."""
    check_pair(x, y, mask)
    if mask is not None:
        x, y = x[mask], y[mask]
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

"""Structural metrics: MS-SSIM and GMSD.

Symbols: x the reference, y the estimate, R the data range, M the mask.

MS-SSIM. With cs_j the mean of SSIM's second factor (contrast and structure) at scale j, S_J the
mean of the whole SSIM at the coarsest, and 2 x 2 x 2 averages taken from scale to scale::

    MS-SSIM = S_J^w_J  prod_{j<J} cs_j^w_j        J = 3, w = (0.0448, 0.2856, 0.3001) / 0.6305

Source: Wang, Simoncelli, Bovik, Asilomar 2003, eq. 7. Their five scales need 176 voxels along
each axis, which scans seldom have, so the first three weights are used, made to sum to one.
Negative means count as 0, as in MONAI's `MultiScaleSSIMMetric`, which this equals without a mask.

GMSD. In each slice, after averages over 2 x 2 pixels, with g the gradient magnitude (Prewitt's
operator over 3)::

    GMS  = (2 g_x g_y + c) / (g_x^2 + g_y^2 + c)     c = 170 (R / 255)^2
    GMSD = standard deviation of GMS over the slice

and the mean over slices, each weighted by its pixels in M. Source: Xue, Zhang, Mou, Bovik, IEEE
Trans. Image Processing 23 (2014) 684, eq. 4-6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.errors import Refused
from medsr.metrics.checks import Array, Mask, check_pair, check_range
from medsr.metrics.fidelity import K1, K2, SSIM_WINDOW, gaussian_means, inside_window

__all__ = ["MS_SSIM_WEIGHTS", "gmsd", "ms_ssim"]

#: Wang et al. 2003, the first three of five; divided by their sum where they are used.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001)

#: Xue et al. 2014 for a range of 255.
GMSD_CONSTANT = 170 / 255**2

Float = NDArray[np.float64]


def ms_ssim(
    reference: Array, estimate: Array, *, data_range: float, mask: Mask | None = None
) -> float:
    """Multi-scale structural similarity in 3-D, three scales; higher is closer, 1 identical.

    Args:
        reference, estimate: [X, Y, Z], finite, one grid and unit; intensities start at zero.
        data_range: R > 0, in that unit.
        mask: bool [X, Y, Z]. At the coarser scales a voxel counts when at least half of the
            voxels that it averages are in the mask.

    Raises:
        UsageError: as `fidelity.psnr`.
        Refused: fewer than 44 voxels along an axis, or no masked voxel with a whole window.
    """
    check_range(data_range)
    check_pair(reference, estimate, mask)
    needed = SSIM_WINDOW * 2 ** (len(MS_SSIM_WEIGHTS) - 1)
    if min(reference.shape) < needed:
        raise Refused(
            f"MS-SSIM needs at least {needed} voxels along each axis; the image has shape "
            f"{reference.shape}. Use SSIM for this one."
        )
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(estimate, dtype=np.float64)
    weight = None if mask is None else mask.astype(np.float64)
    result, total = 1.0, sum(MS_SSIM_WEIGHTS)
    for scale, power in enumerate(MS_SSIM_WEIGHTS):
        if scale:
            x, y = _halved(x), _halved(y)
            weight = None if weight is None else _halved(weight)
        last = scale == len(MS_SSIM_WEIGHTS) - 1
        mean = _mean_inside(_similarity(x, y, data_range, luminance=last), weight)
        result *= max(mean, 0.0) ** (power / total)
    return result


def gmsd(
    reference: Array,
    estimate: Array,
    *,
    data_range: float,
    axis: int,
    mask: Mask | None = None,
) -> float:
    """Gradient magnitude similarity deviation, slice by slice; lower is closer, 0 identical.

    Args:
        reference, estimate, data_range: as `ms_ssim`.
        axis: 0, 1 or 2, the axis across which the slices are stacked.
        mask: bool [X, Y, Z]; an average of 2 x 2 pixels counts when at least half of it is in.

    Raises:
        UsageError: as `fidelity.psnr`.
        Refused: no pixel of the mask is left after the averages.
    """
    check_range(data_range)
    check_pair(reference, estimate, mask)
    chosen = np.ones(reference.shape, dtype=bool) if mask is None else mask
    total, count = 0.0, 0
    stacks = (np.moveaxis(np.asarray(v), axis, 0) for v in (reference, estimate, chosen))
    for x, y, m in zip(*stacks, strict=True):
        inside = _halved(m.astype(np.float64)) >= 0.5
        if not inside.any():
            continue
        g_x, g_y = (_gradient(_halved(v.astype(np.float64) / data_range)) for v in (x, y))
        gms = (2 * g_x * g_y + GMSD_CONSTANT) / (g_x**2 + g_y**2 + GMSD_CONSTANT)
        total += float(gms[inside].std()) * int(inside.sum())
        count += int(inside.sum())
    if count == 0:
        raise Refused("The mask is too thin for GMSD: no 2 x 2 pixels of it lie together.")
    return total / count


def _halved(values: Float) -> Float:
    """Averages of 2 voxels along each axis; an odd last voxel is left out."""
    for axis, n in enumerate(values.shape):
        even = np.moveaxis(values, axis, 0)[: n // 2 * 2]
        values = np.moveaxis(0.5 * (even[0::2] + even[1::2]), 0, axis)
    return values


def _similarity(x: Float, y: Float, data_range: float, *, luminance: bool) -> Float:
    """SSIM's second factor at every voxel with a whole window, or with its first one as well."""
    axes = tuple(range(x.ndim))
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    m_x, m_y = gaussian_means(x, axes), gaussian_means(y, axes)
    s_xy = gaussian_means(x * y, axes) - m_x * m_y
    s_xx_yy = gaussian_means(x * x + y * y, axes) - m_x**2 - m_y**2
    result = (2 * s_xy + c2) / (s_xx_yy + c2)
    if luminance:
        result = result * (2 * m_x * m_y + c1) / (m_x**2 + m_y**2 + c1)
    return np.asarray(result)


def _mean_inside(values: Float, weight: Float | None) -> float:
    inside = inside_window(values.shape, (0, 1, 2))
    if weight is None:
        return float(values[inside].mean())
    chosen = weight[inside] >= 0.5
    if not chosen.any():
        raise Refused("No voxel of the mask has a whole MS-SSIM window. Give a larger mask.")
    return float(values[inside][chosen].mean())


def _gradient(image: Float) -> Float:
    """Gradient magnitude by Prewitt's operator over 3; outside the image counts as zero."""
    parts = [ndimage.prewitt(image, axis=a, mode="constant") / 3 for a in (0, 1)]
    return np.asarray(np.sqrt(parts[0] ** 2 + parts[1] ** 2))

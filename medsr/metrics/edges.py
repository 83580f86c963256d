"""Edges and grain of an estimate against its reference: is it as sharp as a scan, and not rougher.

Symbols: x the reference, y the estimate, M the mask, G a Gaussian of one voxel (sigma), along all
three axes.

Edge sharpness along an axis: the 97th percentile over M of the slope of the smoothed image, over
the reference's. Smoothing takes out most of the noise, so that the steepest places are edges::

    sharpness = P97_M |d (G y)| / P97_M |d (G x)|        d: central differences along the axis

Grain: the spread of what smoothing takes off, in flat tissue, over the reference's. Flat tissue F
are the 30 % of M with the least gradient of an image that the caller chooses, best the reference
without its noise. The spread is the median absolute value::

    grain = med_F |y - G y| / med_F |x - G x|

Both are 1 where estimate and reference are alike. Neither asks whether an edge is right.
"""

from __future__ import annotations

import math

import numpy as np
import scipy  # imports ndimage when it is used
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.metrics.checks import Array, Mask, check_pair

__all__ = ["STEEP", "edge_sharpness", "flat_tissue", "grain_ratio", "smooth_slope"]

SMOOTHING = 1.0  # voxels
STEEP = 97.0  # percentile
FLAT = 0.3  # share of the mask


def edge_sharpness(reference: Array, estimate: Array, *, axis: int, mask: Mask) -> float:
    """Steepness of the edges along an axis, estimate over reference.

    Args:
        reference, estimate: [X, Y, Z], finite, one grid and unit.
        axis: 0, 1 or 2.
        mask: bool [X, Y, Z], the voxels that count.

    Returns:
        0 and up; 1 where edges are as steep. Pure number.

    Raises:
        UsageError: as `fidelity.psnr`.
        Refused: the reference has no edges there.
    """
    check_pair(reference, estimate, mask)
    x, y = (_steepness(image, axis, mask) for image in (reference, estimate))
    if x == 0:
        raise Refused(f"The reference has no edges along axis {axis}.")
    return y / x


def flat_tissue(image: Array, *, mask: Mask) -> NDArray[np.bool_]:
    """The part of a mask with the least gradient, bool [X, Y, Z].

    Args:
        image: [X, Y, Z]; best without noise.
        mask: bool [X, Y, Z].
    """
    slope = scipy.ndimage.gaussian_gradient_magnitude(np.asarray(image, np.float32), SMOOTHING)
    return np.asarray(mask & (slope <= np.quantile(slope[mask], FLAT)))


def grain_ratio(reference: Array, estimate: Array, *, flat: Mask) -> float:
    """Grain of an estimate over the reference's.

    Args:
        reference, estimate: [X, Y, Z], finite, one grid and unit.
        flat: bool [X, Y, Z], from `flat_tissue`.

    Returns:
        0 and up; 1 where the two are equally rough; inf over a reference without grain.

    Raises:
        UsageError: as `fidelity.psnr`.
    """
    check_pair(reference, estimate, flat)
    x, y = (_grain(image, flat) for image in (reference, estimate))
    return y / x if x else math.inf


def smooth_slope(image: Array, *, axis: int, across: int | None = None) -> NDArray[np.float32]:
    """Slope of a smoothed image along an axis, unit a voxel.

    Args:
        image: [X, Y, Z].
        axis: 0, 1 or 2.
        across: an axis that nothing is smoothed along: that of slices that stand alone.
    """
    sigma = [0.0 if k == across else SMOOTHING for k in range(3)]
    smooth = scipy.ndimage.gaussian_filter(np.asarray(image, np.float32), sigma)
    return np.asarray(np.gradient(smooth, axis=axis))


def _steepness(image: Array, axis: int, mask: Mask) -> float:
    return float(np.percentile(np.abs(smooth_slope(image, axis=axis))[mask], STEEP))


def _grain(image: Array, flat: Mask) -> float:
    values = np.asarray(image, np.float32)
    return float(
        np.median(np.abs(values - scipy.ndimage.gaussian_filter(values, SMOOTHING))[flat])
    )

"""Metrics of fine detail: HFEN and high-frequency energy.

Symbols: x the reference, y the estimate, M the mask.

HFEN, the high-frequency error norm, with LoG the Laplacian of a Gaussian (sigma 1.5 voxels,
15 voxels wide)::

    HFEN = || LoG x - LoG y ||_M / || LoG x ||_M

Source: Ravishankar, Bresler, IEEE Trans. Medical Imaging 30 (2011) 1028, section IV-A, with the
filter in three dimensions.

High-frequency energy ratio of one axis. Each line of voxels along the axis that meets M loses its
mean and is tapered by Hann's window h; P is the mean power of those lines at frequency f::

    P(f) = mean over lines | sum_j h_j (v_j - mean v) exp(-2 pi i f j) |^2

    ratio = sum_{f > 1/4} P_y(f) / sum_{f > 1/4} P_x(f)      f in cycles a voxel (Nyquist 1/2)

So it looks at the upper half of the frequencies that the reference's grid can hold: 1 means as
much fine detail (or noise) as the reference, near 0 a blurred image, above 1 invented texture,
ringing or noise. It does not ask whether the detail is right; PSNR and HFEN do.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from medsr.errors import Refused
from medsr.metrics.checks import Array, Mask, check_pair

__all__ = ["HIGH_FREQUENCY", "hfen", "high_frequency_ratio", "line_power"]

LOG_SIGMA = 1.5  # voxels, Ravishankar and Bresler 2011
LOG_RADIUS = 7  # voxels: 15 wide

#: Cycles a voxel from which a frequency is high: half of Nyquist's.
HIGH_FREQUENCY = 0.25


def hfen(reference: Array, estimate: Array, *, mask: Mask | None = None) -> float:
    """High-frequency error norm, relative; lower is closer, 0 identical.

    Args:
        reference, estimate: [X, Y, Z], finite, one grid and unit.
        mask: bool [X, Y, Z]; the norms are over its voxels. The filter reads 7 voxels beyond
            them, and mirrors the image at its border.

    Raises:
        UsageError: as `fidelity.psnr`.
        Refused: the reference has no detail at all.
    """
    check_pair(reference, estimate, mask)
    x, y = _laplacian(reference), _laplacian(estimate)
    if mask is not None:
        x, y = x[mask], y[mask]
    norm = float(np.linalg.norm(x))
    if norm == 0:
        raise Refused("The reference is constant, so HFEN is not defined.")
    return float(np.linalg.norm(x - y)) / norm


def high_frequency_ratio(
    reference: Array, estimate: Array, *, axis: int, mask: Mask | None = None
) -> float:
    """Energy above half of Nyquist's frequency along an axis, estimate over reference.

    Args:
        reference, estimate: [X, Y, Z], finite, one grid and unit.
        axis: 0, 1 or 2.
        mask: lines that meet it count, in full length; all lines if None.

    Returns:
        0 and up; 1 where the two have equal energy. Pure number.

    Raises:
        UsageError: as `fidelity.psnr`.
        Refused: the reference has no such energy.
    """
    check_pair(reference, estimate, mask)
    frequencies, of_reference = line_power(reference, axis=axis, mask=mask)
    _, of_estimate = line_power(estimate, axis=axis, mask=mask)
    high = frequencies > HIGH_FREQUENCY
    total = float(of_reference[high].sum())
    if not total > 0:
        raise Refused(f"The reference has no detail above half of Nyquist along axis {axis}.")
    ratio = float(of_estimate[high].sum()) / total
    return ratio if math.isfinite(ratio) else math.inf


def line_power(
    image: Array, *, axis: int, mask: Mask | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power of the lines along an axis, as the module's text defines it.

    Returns:
        frequencies [n // 2 + 1] in cycles a voxel (0 to 1/2) and power, unit of the image squared.
    """
    lines = np.moveaxis(np.asarray(image), axis, -1)
    if mask is not None:
        lines = lines[np.moveaxis(mask, axis, -1).any(axis=-1)]
    lines = lines.reshape(-1, lines.shape[-1]).astype(np.float64)
    count = lines.shape[-1]
    lines = (lines - lines.mean(axis=-1, keepdims=True)) * signal.windows.hann(count, sym=False)
    power = np.abs(np.fft.rfft(lines, axis=-1)) ** 2
    return np.asarray(np.fft.rfftfreq(count), dtype=np.float64), np.asarray(power.mean(axis=0))


def _laplacian(image: Array) -> NDArray[np.float64]:
    values = np.asarray(image, dtype=np.float64)
    return np.asarray(ndimage.gaussian_laplace(values, LOG_SIGMA, truncate=LOG_RADIUS / LOG_SIGMA))

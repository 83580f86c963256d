"""Noise of magnitude MR images and of CT reconstructions: simulation and estimation."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["estimate_noise", "filtered_backprojection_noise", "rician"]

#: Median of |n| for a standard normal n.
MEDIAN_OF_ABSOLUTE_NORMAL = 0.6745


def rician(x: Tensor, sigma: float, generator: torch.Generator | None = None) -> Tensor:
    """Magnitude of a complex image with Gaussian noise of `sigma` in both channels.

    Gudbjartsson and Patz 1995, Magn Reson Med 34:910, eq. 1: M = sqrt((x + n1)^2 + n2^2).
    """
    real = x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    imaginary = sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return torch.hypot(real, imaginary)


def filtered_backprojection_noise(
    x: Tensor, sigma: float, slice_axis: int, generator: torch.Generator | None = None
) -> Tensor:
    """Add CT noise of standard deviation `sigma` (HU), correlated in-plane as the ramp makes it.

    The power spectrum is ``|f|`` times a Hann window that ends at the Nyquist frequency (Kijewski
    and Judy 1987, Phys Med Biol 32:565, eq. 12 with their apodisation); slices are independent.
    """
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).movedim(slice_axis, 0)
    rows = torch.fft.fftfreq(noise.shape[1])[:, None]
    columns = torch.fft.rfftfreq(noise.shape[2])[None]
    radius = torch.hypot(rows, columns)
    power = radius * torch.cos(torch.pi * radius.clamp(max=0.5)) ** 2
    spectrum = torch.fft.rfft2(noise) * power.sqrt()
    noise = torch.fft.irfft2(spectrum, s=noise.shape[1:])
    noise = noise * (sigma / noise.std().clamp(min=1e-12))
    return torch.add(x, noise.movedim(0, slice_axis))


def estimate_noise(low: NDArray[np.float32], slice_axis: int, *, above: float) -> float:
    """Noise level of a scan, in its own units, from the finest diagonal detail in each slice.

    Median absolute diagonal Haar coefficient over 0.6745 (Donoho and Johnstone 1994, Biometrika
    81:425, section 4.2), taken over 2 x 2 blocks brighter than `above`, so that air, where
    magnitude noise is not Gaussian, does not count. Anatomy adds a little: the value is an upper
    estimate. About a million blocks are used at most.

    Args:
        low: [X, Y, Z].
        slice_axis: blocks lie across this axis.
        above: least mean of a block that is used.
    """
    slices = np.moveaxis(low, slice_axis, 0)
    step = max(1, slices.size // 4_000_000)
    slices = slices[::step]
    rows, columns = slices.shape[1] // 2 * 2, slices.shape[2] // 2 * 2
    a, b = slices[:, 0:rows:2, 0:columns:2], slices[:, 0:rows:2, 1:columns:2]
    c, d = slices[:, 1:rows:2, 0:columns:2], slices[:, 1:rows:2, 1:columns:2]
    detail = np.abs(a - b - c + d)[(a + b + c + d) > 4 * above] / 2
    if detail.size < 64:
        return 0.0
    return float(np.median(detail) / MEDIAN_OF_ABSOLUTE_NORMAL)

"""Matches the strength of a sample's finest detail across the slices to that within.

A model learns from its training scans how strong the finest detail is, noise included, and makes
samples of that strength: too strong for a smooth scan, too weak for a noisy one. A sample is its
first denoised image, nearly the posterior mean, plus detail; here the detail gets the gain that
makes the energy of the image in the finest band what `acquisition.isotropy` expects. That is a
guess: a model may ask for only as much of the gain as goes beyond some tolerance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medsr.acquisition.spectrum import (
    FinestBand,
    central,
    expected_energy,
    filtered,
    finest_band,
)
from medsr.restore.chunks import Chunk
from medsr.restore.data_consistency import NOISE_FREE, DataConsistency
from medsr.restore.upsampled import Upsampled

__all__ = ["GAINS", "match_detail_strength"]

#: Bounds of the gain: a guess of energies is not worth more.
GAINS = (0.3, 2.0)

#: About so many voxels are examined, at most.
VOXELS = 8_000_000


def match_detail_strength(
    residual: Tensor,
    first: Tensor,
    upsampled: Upsampled,
    measured: DataConsistency,
    tolerance: float,
) -> Tensor:
    """A sample whose detail is as strong as the scan's, within a tolerance.

    Args:
        residual: of the sample, [X', Y', Z'], of dtype `STATE`; changed in place.
        first: of its first denoised image, the same.
        upsampled: the scan.
        measured: says how noisy the scan is.
        tolerance: >= 1; detail that is too strong or too weak by at most this factor stays, and
            the rest is brought back to it.

    Returns:
        The residual; unchanged where no axis of the scan shows the finest band, or shows noise
        rather than the texture that a restored image should have.
    """
    band = finest_band(upsampled.acquisition)
    if band is None or measured.noise >= NOISE_FREE:
        return residual
    energy = expected_energy(upsampled.scan, upsampled.acquisition, band)
    if energy is None:
        return residual
    gain = _gain(residual, first, upsampled, band, energy)
    gain = min(gain * tolerance, 1.0) if gain < 1 else max(gain / tolerance, 1.0)
    if gain == 1:
        return residual
    for chunk in upsampled.chunks:
        residual[chunk] = torch.lerp(first[chunk].float(), residual[chunk].float(), gain)
    return residual


def _gain(
    residual: Tensor, first: Tensor, upsampled: Upsampled, band: FinestBand, energy: float
) -> float:
    """g with |F (first + g (sample - first))|^2 = energy, F the filter across the slices."""
    axis = upsampled.acquisition.coarse_axis
    taps = band.taps(upsampled.acquisition.axes[axis].fine_mm)
    chunk, middle = _planes(upsampled, band)
    image = upsampled.image(first, chunk)[middle]
    detail = upsampled.image(residual, chunk)[middle] - image
    image, detail = (filtered(x.movedim(axis, -1), taps) for x in (image, detail))
    excess = float(image.square().mean(dtype=torch.float64)) - energy
    product = float((image * detail).mean(dtype=torch.float64))
    square = float(detail.square().mean(dtype=torch.float64))
    root = math.sqrt(max(product**2 - square * excess, 0.0))
    return min(max((root - product) / max(square, 1e-30), GAINS[0]), GAINS[1])


def _planes(upsampled: Upsampled, band: FinestBand) -> tuple[Chunk, Chunk]:
    """Planes of the middle, across an axis that is not resampled; and the middle of them."""
    axes = upsampled.acquisition.axes
    shape, across = upsampled.acquisition.fine_shape, band.measured_along[0]
    middle = list(central(shape, [axis.fine_mm for axis in axes]))
    start, stop = middle[across].start, middle[across].stop
    step = math.ceil((stop - start) * math.prod(shape) / shape[across] / VOXELS)
    chunk = [slice(None)] * 3
    chunk[across], middle[across] = slice(start, stop, step), slice(None)
    return (chunk[0], chunk[1], chunk[2]), (middle[0], middle[1], middle[2])

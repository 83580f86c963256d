"""A sample's finest detail, made as strong across the slices as the scan shows it within them.

A model learns from its training scans how strong the finest detail is, noise included, and makes
samples of that strength: too strong for a smooth scan, too weak for a noisy one. A sample is its
first denoised image, nearly the posterior mean, plus detail; here the detail gets the gain that
makes the energy of the image in the finest band what `acquisition.isotropy` expects. That is a
guess: a model may ask for only as much of the gain as goes beyond some leeway.
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
from medsr.restore.chunks import Part
from medsr.restore.data_consistency import NOISE_FREE, Measured
from medsr.restore.upsampled import Lifted

__all__ = ["GAINS", "with_scans_texture"]

#: Bounds of the gain: a guess of energies is not worth more.
GAINS = (0.3, 2.0)

#: About so many voxels are looked at, at most.
VOXELS = 8_000_000


def with_scans_texture(
    residual: Tensor, first: Tensor, lifted: Lifted, measured: Measured, leeway: float
) -> Tensor:
    """A sample whose detail is as strong as the scan's, within a leeway.

    Args:
        residual: of the sample, [X', Y', Z'], of dtype `STATE`; changed in place.
        first: of its first denoised image, the same.
        lifted: the scan.
        measured: says how noisy the scan is.
        leeway: >= 1; detail that is too strong or too weak by at most this factor stays, and more
            comes back to it.

    Returns:
        The residual; unchanged where no axis of the scan shows the finest band, or shows noise
        rather than the texture that a restored image should have.
    """
    band = finest_band(lifted.acquisition)
    if band is None or measured.noise >= NOISE_FREE:
        return residual
    energy = expected_energy(lifted.scan, lifted.acquisition, band)
    if energy is None:
        return residual
    gain = _gain(residual, first, lifted, band, energy)
    gain = min(gain * leeway, 1.0) if gain < 1 else max(gain / leeway, 1.0)
    if gain == 1:
        return residual
    for part in lifted.parts:
        residual[part] = torch.lerp(first[part].float(), residual[part].float(), gain)
    return residual


def _gain(
    residual: Tensor, first: Tensor, lifted: Lifted, band: FinestBand, energy: float
) -> float:
    """g with |F (first + g (sample - first))|^2 = energy, F the filter across the slices."""
    axis = lifted.acquisition.coarse_axis
    taps = band.taps(lifted.acquisition.axes[axis].fine_mm)
    part, middle = _planes(lifted, band)
    image = lifted.image(first, part)[middle]
    detail = lifted.image(residual, part)[middle] - image
    image, detail = (filtered(x.movedim(axis, -1), taps) for x in (image, detail))
    excess = float(image.square().mean(dtype=torch.float64)) - energy
    product = float((image * detail).mean(dtype=torch.float64))
    square = float(detail.square().mean(dtype=torch.float64))
    root = math.sqrt(max(product**2 - square * excess, 0.0))
    return min(max((root - product) / max(square, 1e-30), GAINS[0]), GAINS[1])


def _planes(lifted: Lifted, band: FinestBand) -> tuple[Part, Part]:
    """Planes of the middle, across an axis that the scanner left alone; and the middle of them."""
    axes = lifted.acquisition.axes
    shape, across = lifted.acquisition.fine_shape, band.seen_along[0]
    middle = list(central(shape, [axis.fine_mm for axis in axes]))
    start, stop = middle[across].start, middle[across].stop
    step = math.ceil((stop - start) * math.prod(shape) / shape[across] / VOXELS)
    part = [slice(None)] * 3
    part[across], middle[across] = slice(start, stop, step), slice(None)
    return (part[0], part[1], part[2]), (middle[0], middle[1], middle[2])

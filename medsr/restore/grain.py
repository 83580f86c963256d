"""Puts noise back into a sample that has none, for who wants the look of a scan.

The model of a scan with noise is y = A(x + n): thick slices average the noise n of the fine scan.
So n is drawn at the level whose average is the noise that the scan y shows, less what the sample
has already, and then x + n is made consistent with y. What the scanner measured of the noise is
then the scan's own, the rest is drawn from the seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.noise import estimate_noise, filtered_backprojection_noise, rician
from medsr.acquisition.projection import LEAST_RATIO
from medsr.acquisition.resample import axis_matrices
from medsr.intensity import FOREGROUND
from medsr.restore.chunks import Chunk
from medsr.restore.data_consistency import DataConsistency
from medsr.volume.modality import Modality

__all__ = ["add_grain", "fine_noise"]

#: Grain has other random numbers than the sample of the same seed, whose seeds end below this.
SEEDS = 2**62 + 1


def add_grain(
    image: Tensor,
    measured: DataConsistency,
    chunks: Iterable[Chunk],
    modality: Modality,
    seed: int,
) -> None:
    """Add noise at the scan's own level to an image, in place.

    MR gets the noise of a magnitude image, CT that of filtered backprojection, slice by slice.
    Data consistency then holds as for a scan without noise, unless it is off.

    Args:
        image: [X', Y', Z'], in the network's range.
        measured: the scan, its noise, and how strictly the image must agree with it.
        chunks: of the volume.
        modality: of the scan.
        seed: the same seed gives the same noise.
    """
    acquisition = measured.projector.acquisition
    wanted = fine_noise(measured.noise, acquisition)
    has = estimate_noise(image.numpy(), acquisition.coarse_axis, above=FOREGROUND)
    if has >= wanted:
        return
    sigma = math.sqrt(wanted**2 - has**2)
    generator = torch.Generator().manual_seed(SEEDS + seed)
    if modality == "MR":
        for plane in image:
            plane.copy_(rician(plane, sigma, generator))
    else:
        for plane in image.movedim(acquisition.coarse_axis, 0):
            noisy = filtered_backprojection_noise(plane[..., None], sigma, 2, generator)
            plane.copy_(noisy[..., 0])
    for chunk in chunks:
        image[chunk] = measured.at(chunk).apply(image[chunk], LEAST_RATIO)


def fine_noise(noise: float, acquisition: Acquisition) -> float:
    """Noise of the fine scan whose average over the thick slices is the noise of the scan.

    Args:
        noise: standard deviation of the scan's noise.
        acquisition: independent noise of deviation 1 has, after it, the norm of its weights.

    Returns:
        A standard deviation, in the same unit.
    """
    norms = [
        float(np.median(np.linalg.norm(matrix, axis=1)))
        for matrix in axis_matrices(acquisition)
        if matrix is not None
    ]
    return noise / math.prod(norms)

"""Scans without their noise: what a model of clean targets learns to give.

A fine scan is anatomy and noise. A model that learns it as it is must draw grain to be faithful;
one that learns the denoised scan from slices that have the noise draws anatomy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from medsr.acquisition.noise import estimate_noise
from medsr.intensity import FOREGROUND, scaling_for
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["DENOISING", "denoised"]

#: Version of the denoising: raise it when the result changes.
DENOISING = 1

#: How alike two patches must be, over the noise. Chosen so that what is taken off is no stronger
#: at edges than in flat tissue (docs/development/clean-targets.md).
CUT_OFF = 0.6

#: Side of a patch, and how far patches are looked for, voxels.
PATCH, DISTANCE = 3, 3


def denoised(volume: Volume) -> NDArray[np.float32]:
    """Voxels [X, Y, Z] by non-local means, in the scan's unit.

    Buades, Coll and Morel 2005, CVPR 2:60, in three dimensions, with the noise's part taken off
    the distances of patches (scikit-image, `denoise_nl_means`). The noise level is the least of
    the estimates across the three axes, as anatomy only adds to one.
    """
    voxels = np.asarray(volume.voxels)
    scaling = scaling_for(volume.modality or Modality.MR, voxels, volume.name)
    above = scaling.offset + FOREGROUND * scaling.gain
    sigma = min(estimate_noise(voxels, axis, above=above) for axis in range(3))
    if sigma == 0:
        return voxels
    smooth = denoise_nl_means(
        voxels, patch_size=PATCH, patch_distance=DISTANCE, h=CUT_OFF * sigma, sigma=sigma
    )
    return np.asarray(smooth, dtype=np.float32)

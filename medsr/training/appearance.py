"""What a scene looks like before it is degraded: contrast, grain, softness.

Everything works on blocks [versions, A, B, W], whose versions (a scan, and it without its noise)
are changed alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling, in_plane_profile
from medsr.acquisition.noise import filtered_backprojection_noise, rician
from medsr.acquisition.resample import acquire
from medsr.config import DrawConfig
from medsr.intensity import scaling_for
from medsr.volume.modality import Modality

__all__ = ["contrast", "grain", "remapped", "smooth_field", "soften"]

#: Where a random curve of brightness is drawn anew, over the brightest tissue.
CURVE_KNOTS = (0.0, 0.35, 0.7, 1.25)

#: ln of how much the level of the grain changes over a block, at most, each way.
GRAIN_CHANGE = 0.5


def contrast(block: Tensor, draw: DrawConfig, rng: np.random.Generator) -> Tensor:
    """New contrasts from a real one: gamma, inversion of the tissue, a smooth bias field.

    All versions of the block [versions, A, B, W] get the same one.
    """
    noisy = block[0].ravel()
    top = float(np.quantile(noisy[:: max(1, len(noisy) // 100_000)].numpy(), 0.995))
    if top <= 0:
        return block
    x = block / top
    if rng.random() < draw.contrast_chance:
        x = x.clamp(min=0) ** float(np.exp(rng.uniform(-draw.log_gamma, draw.log_gamma)))
    if rng.random() < draw.invert_chance:
        tissue = (x / 0.1).clamp(0, 1)  # air stays dark
        x = tissue * (1.1 - x).clamp(min=0.02)
    if draw.remap_chance and rng.random() < draw.remap_chance:
        x = remapped(x, rng)
    if rng.random() < draw.contrast_chance:
        x = x * smooth_field(x.shape[1:], draw.bias, rng).exp()
    return x * top


def remapped(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness [..] in about [0, 1] through a random curve; air stays dark.

    Real contrasts differ by more than a gamma: from T1w to T2w the order of the tissues changes.
    """
    heights = np.concatenate([[0.0], rng.uniform(0.1, 1.0, len(CURVE_KNOTS) - 1)])
    curve = PchipInterpolator(CURVE_KNOTS, heights)
    bounded = x.clamp(0, CURVE_KNOTS[-1]).numpy()
    return torch.from_numpy(curve(bounded).astype(np.float32))


def smooth_field(shape: Sequence[int], height: float, rng: np.random.Generator) -> Tensor:
    """A smooth random field between -height and height."""
    knots = torch.from_numpy(rng.uniform(-height, height, (1, 1, 3, 3, 3))).float()
    return torch.nn.functional.interpolate(knots, size=tuple(shape), mode="trilinear")[0, 0]


def grain(block: Tensor, modality: Modality, draw: DrawConfig, rng: np.random.Generator) -> Tensor:
    """Noise of the fine scan itself, which its thick slices then average.

    So the model learns how much noise a scan of such slices had, and samples hold that much: scans
    made smooth by resampling, of which there are many, teach the opposite. Its level varies over
    the block (attenuation of shoulders and hips in CT, coil arrays in MR).
    """
    if rng.random() >= draw.grain_chance:
        return block
    sigma = float(rng.uniform(0, draw.grain)) * scaling_for(modality, block.numpy()).gain
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    if modality == "MR":
        noisy = rician(block, sigma, generator)
    else:
        noisy = filtered_backprojection_noise(block, sigma, 2, generator)
    return torch.lerp(block, noisy, smooth_field(block.shape, GRAIN_CHANGE, rng).exp())


def soften(
    block: Tensor, single: bool, modality: Modality, draw: DrawConfig, rng: np.random.Generator
) -> Tensor:
    """All versions of the block on voxels finer than its resolution, noise and all.

    Soft CT kernels and zero-filled MR store such scans; without them a model learns that fine
    detail reaches to the last frequency of every grid, and samples show it where there is none.
    """
    if rng.random() >= draw.soft_chance:
        return block
    width = float(rng.uniform(1.0, draw.soft))
    profile = in_plane_profile(modality)
    widths = [0.0 if single else width, width, width]
    axes = [
        AxisSampling(n, 1.0, n, 1.0, w, profile)
        for n, w in zip(block.shape[1:], widths, strict=True)
    ]
    softer = Acquisition((axes[0], axes[1], axes[2]))
    return torch.stack([acquire(version, softer) for version in block])

"""Guides of a training scene: other contrasts of the same block, as a user would give them.

Made of the block itself by a random map of its intensities, which turns round and varies over the
block, or of another real contrast of the person. Then each is spoilt: thick slices along a random
axis, misregistration, a lesion that the target lacks, a missing part, noise; some show something
else altogether. So the model learns what a guide is worth, and when not to follow it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.guided import GUIDE_CHANNELS, guide_channels
from medsr.acquisition.resample import acquire, upsample
from medsr.intensity import scaling_for
from medsr.training.appearance import smooth_field
from medsr.volume.modality import Modality

__all__ = ["DRAWN", "Guide", "draw_guides", "guides_of_scene", "with_lesion"]

#: Guides of a scene, at most, and the chance of a second one.
DRAWN, SECOND_CHANCE = 2, 0.25

#: Chance that a guide is made of another real contrast, where there is one.
REAL_CHANCE = 0.75

#: Chances of what spoils a guide.
CURVE_CHANCE_REAL = 0.2
SLICES_CHANCE, MOVED_CHANCE, LESION_CHANCE = 0.4, 0.7, 0.2
MISSING_CHANCE, NOISE_CHANCE, WRONG_CHANCE = 0.2, 0.5, 0.06

#: Knots of a random map of intensities in about [0, 1].
KNOTS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.25)

#: Thickest slices of a guide, voxels; misregistration (standard deviation and most of each shift,
#: voxels; standard deviation of each angle, degrees); largest noise over the range of intensities.
THICKEST = 5.0
SHIFT, MOST_SHIFT, ANGLE_DEG = 0.5, 1.5, 0.6
NOISE = 0.06

#: Radii of a made lesion, voxels.
RADII = (2.0, 8.0)

#: A guide [A, B, W], intensities over their range, and where it is.
Guide = tuple[Tensor, Tensor]


def draw_guides(
    block: Tensor,
    others: Sequence[Tensor],
    modality: Modality,
    rng: np.random.Generator,
    *,
    single: bool,
) -> list[Guide]:
    """One or two random guides of a block.

    Args:
        block: the scan before its own change of contrast, [A, B, W].
        others: real contrasts of the same block, like it.
        modality: of all of them.
        rng: the only source of randomness.
        single: whether the planes along A do not belong together.
    """
    count = 2 if rng.random() < SECOND_CHANCE else 1
    return [_guide(block, others, modality, rng, single=single) for _ in range(count)]


def guides_of_scene(
    guides: Sequence[Guide], scan: Tensor, acquisition: Acquisition, *, single: bool
) -> Tensor:
    """The channels of the guides of a scene, [DRAWN GUIDE_CHANNELS, *fine shape]."""
    a, b, w = acquisition.fine_shape
    found = torch.zeros(DRAWN * GUIDE_CHANNELS, a, b, w)
    for k, parts in enumerate(guides):
        image, valid = (part[:a, :b, :w].contiguous() for part in parts)
        channels = guide_channels(image, valid, scan, acquisition, alone=0 if single else None)
        found[k * GUIDE_CHANNELS : (k + 1) * GUIDE_CHANNELS] = channels
    return found


def with_lesion(block: Tensor, rng: np.random.Generator) -> Tensor:
    """A block [..., A, B, W] with a bright or dark blob somewhere, in all versions alike."""
    top = float(block.amax())
    places = [torch.arange(n, dtype=torch.float32) for n in block.shape[-3:]]
    radii = rng.uniform(*RADII, 3)
    squares = [
        ((at - rng.uniform(0, len(at))) / radius) ** 2
        for at, radius in zip(places, radii, strict=True)
    ]
    distance = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    share = torch.sigmoid(6 * (1 - distance.sqrt()))
    return torch.lerp(block, torch.tensor(top * float(rng.uniform(0.1, 0.9))), share)


def _guide(
    block: Tensor,
    others: Sequence[Tensor],
    modality: Modality,
    rng: np.random.Generator,
    *,
    single: bool,
) -> Guide:
    real = bool(others) and rng.random() < REAL_CHANCE
    image = others[int(rng.integers(len(others)))] if real else block
    if float(image.min()) == float(image.max()):
        return torch.zeros_like(image), torch.zeros_like(image)
    scaling = scaling_for(modality, image.numpy())
    image = (image - scaling.offset) / scaling.gain
    if not real or rng.random() < CURVE_CHANCE_REAL:
        image = _other_contrast(image, rng)
    if rng.random() < WRONG_CHANCE:
        image = image.flip(1, 2)
    if rng.random() < LESION_CHANCE:
        image = with_lesion(image, rng)
    image = image * smooth_field(image.shape, 0.3, rng).exp()
    if rng.random() < MOVED_CHANCE:
        image = _moved(image, rng, single=single)
    if rng.random() < SLICES_CHANCE:
        image = _in_slices(image, rng, single=single)
    if rng.random() < NOISE_CHANCE:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        image = image + float(rng.uniform(0, NOISE)) * torch.randn(
            image.shape, generator=generator
        )
    return _partly(image, rng)


def _other_contrast(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Intensities through two random curves that a smooth field blends; air stays dark."""
    fine, values = np.linspace(0, KNOTS[-1], 257), image.numpy()
    curves = [
        PchipInterpolator(KNOTS, np.concatenate([[0.0], rng.uniform(0.05, 1.0, len(KNOTS) - 1)]))
        for _ in range(2)
    ]
    first, second = (
        torch.from_numpy(np.interp(values, fine, curve(fine)).astype(np.float32))
        for curve in curves
    )
    return torch.lerp(first, second, smooth_field(image.shape, 0.5, rng) + 0.5)


def _moved(image: Tensor, rng: np.random.Generator, *, single: bool) -> Tensor:
    """Rigidly moved a little; a single plane within itself."""
    free = np.array([0.0 if single else 1.0, 1.0, 1.0])
    shift = np.clip(rng.normal(0, SHIFT, 3), -MOST_SHIFT, MOST_SHIFT) * free
    angles = np.radians(rng.normal(0, ANGLE_DEG, 3)) * (1.0 if not single else [1.0, 0.0, 0.0])
    turn = torch.from_numpy(Rotation.from_rotvec(angles).as_matrix())
    # `affine_grid` takes the last axis first, lengths over half of the sides.
    sides = torch.tensor([n / 2 for n in image.shape], dtype=torch.float64)
    matrix = turn * sides[None] / sides[:, None]
    theta = torch.cat([matrix, (torch.from_numpy(shift) / sides)[:, None]], dim=1)
    theta = torch.cat([theta[:, :3].flip(0, 1), theta[:, 3:].flip(0)], dim=1)[None].float()
    grid = torch.nn.functional.affine_grid(theta, [1, 1, *image.shape], align_corners=False)
    return torch.nn.functional.grid_sample(
        image[None, None], grid, padding_mode="border", align_corners=False
    )[0, 0]


def _in_slices(image: Tensor, rng: np.random.Generator, *, single: bool) -> Tensor:
    """Measured in thicker slices along a random axis, and interpolated."""
    axis = int(rng.integers(1 if single else 0, 3))
    count = image.shape[axis]
    low = max(3, round(count / float(rng.uniform(1.5, THICKEST))))
    axes = [AxisSampling(n, 1.0, n, 1.0) for n in image.shape]
    axes[axis] = AxisSampling(count, 1.0, low, count / low, count / low)
    acquisition = Acquisition((axes[0], axes[1], axes[2]))
    return upsample(acquire(image, acquisition), acquisition)


def _partly(image: Tensor, rng: np.random.Generator) -> Guide:
    """The guide, at times with a part missing beyond a plane."""
    valid = torch.ones_like(image)
    if rng.random() < MISSING_CHANCE:
        axis = int(rng.integers(3))
        edge = math.floor(image.shape[axis] * float(rng.uniform(0.2, 0.8)))
        far = rng.random() < 0.5
        gone = valid.narrow(axis, edge if far else 0, image.shape[axis] - edge if far else edge)
        gone.zero_()
    return image * valid, valid

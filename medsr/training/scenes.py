"""Training pairs: fine volume -> crop -> contrast -> acquire -> upsample -> (clean, condition).

The same `acquire` and `upsample` as in use. A *scene* is one cropped, degraded block; a batch
takes slices of several scenes. Everything follows from (seed, step, slot), so a killed training
resumes exactly, on any number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling, in_plane_profile
from medsr.acquisition.conditioning import feature_vector, phase_channels
from medsr.acquisition.noise import estimate_noise, filtered_backprojection_noise, rician
from medsr.acquisition.resample import acquire, upsample
from medsr.config import DrawConfig
from medsr.intensity import FOREGROUND, scaling_for
from medsr.training.appearance import contrast, grain, soften
from medsr.training.guides import Guide, draw_guides, guides_of_scene, with_lesion
from medsr.training.synthetic_heads import head_block
from medsr.volume.modality import Modality

__all__ = ["Fine", "Scene", "draw_scene", "draw_synthetic", "scene_from"]

#: Voxels cut from both ends of the coarse axis, where the crop's border spoils the profile.
MARGIN = 12

#: Chance of a lesion that the target of a scene with guides has and they lack.
LESION_CHANCE = 0.2


@dataclass(frozen=True)
class Fine:
    """A scan to draw from: voxels [X, Y, Z] float32 and whether all three axes are sharp.

    `clean` are the same voxels without their noise, where that is what a model shall give;
    `guides` other contrasts of the person on the same grid.
    """

    voxels: Tensor
    in_plane_only: bool
    modality: Modality
    clean: Tensor | None = None
    guides: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One degraded block, axes ordered (stack, H, W) with the coarse axis last.

    Attributes:
        residual: clean minus upsampled, in the network's range, [A, H, W].
        upsampled: in the network's range, [A, H, W].
        features: the acquisition's vector, [FEATURES].
        phase: [2, W].
        single: whether neighbours along the stack are too far away to be of use.
        guides: channels of the guides, [K, A, H, W]; None where there are none.
    """

    residual: Tensor
    upsampled: Tensor
    features: Tensor
    phase: Tensor
    single: bool
    guides: Tensor | None = None


def draw_scene(
    fine: Fine, crop: int, depth: int, draw: DrawConfig, rng: np.random.Generator
) -> Scene:
    """A random crop of a scan with a random acquisition.

    Of a scan with a clean version, the thick slices are made of the noisy one, as a scanner makes
    them, and the clean one is the target.

    Args:
        fine: the scan.
        crop: height and width of the block in voxels.
        depth: how many slices the block stacks.
        draw: ranges to draw from.
        rng: the only source of randomness.
    """
    w_axis = int(rng.integers(2 if fine.in_plane_only else 3))
    others = [k for k in (2, 1, 0) if k != w_axis]
    if not fine.in_plane_only and rng.random() < 0.5:
        others.reverse()
    versions = [v for v in (fine.voxels, fine.clean) if v is not None]
    turned = [v.permute(others[0], others[1], w_axis) for v in (*versions, *fine.guides)]
    block = _crop(turned, (depth, crop, crop + 2 * MARGIN + 8), fine, draw, rng)
    block, contrasts = block[: len(versions)], block[len(versions) :]
    return _degraded(block, contrasts, fine.in_plane_only, fine.modality, draw, rng)


def draw_synthetic(
    labels: Tensor, crop: int, depth: int, draw: DrawConfig, rng: np.random.Generator
) -> Scene:
    """A scene of a synthetic MR head; arguments as in `draw_scene`.

    Args:
        labels: one of `synthetic_heads.load_label_maps`.
    """
    block = head_block(labels, (depth, crop, crop + 2 * MARGIN + 8), rng)
    return _degraded(block[None], block[:0], False, Modality.MR, draw, rng)


def _degraded(
    block: Tensor,
    contrasts: Sequence[Tensor] | Tensor,
    single: bool,
    modality: Modality,
    draw: DrawConfig,
    rng: np.random.Generator,
) -> Scene:
    """A block [versions, A, B, W'] in a random contrast, with a random acquisition.

    `contrasts` are other real ones of the same block, for guides.
    """
    crop = block.shape[-1] - 2 * MARGIN - 8
    flips = [k for k in (1, 2, 3) if rng.random() < 0.5]
    block = torch.flip(block, flips)
    guides: list[Guide] = []
    if draw.guide_chance and rng.random() < draw.guide_chance:
        others = [torch.flip(other, [k - 1 for k in flips]) for other in contrasts]
        guides = draw_guides(block[-1], others, modality, rng, single=single)
        block = with_lesion(block, rng) if rng.random() < LESION_CHANCE else block
    block = contrast(block, draw, rng) if modality == "MR" else block
    grainy = grain(block[0], modality, draw, rng)
    block = torch.cat([grainy[None], block[1:]])
    block = soften(block, single, modality, draw, rng)
    acquisition = draw_acquisition(block.shape[1:], draw, rng, modality)
    level = float(rng.uniform(0, draw.noise)) if rng.random() < draw.noise_chance else 0.0
    trim = MARGIN + int(rng.integers(-4, 5))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    window = (trim, crop)
    return scene_from(block, acquisition, modality, level, window, single, generator, guides)


def scene_from(
    block: Tensor,
    acquisition: Acquisition,
    modality: Modality,
    noise: float,
    window: tuple[int, int],
    single: bool,
    generator: torch.Generator | None = None,
    guides: Sequence[Guide] = (),
) -> Scene:
    """Degrade a block [1 or 2, A, B, W'] and cut the window (start, length) out of its last axis.

    The first version of the block is measured, the last one is the target. `noise` is a standard
    deviation over the intensity gain.
    """
    a, b, w = acquisition.fine_shape
    block = block[:, :a, :b, :w]
    low = acquire(block[0], acquisition)
    scaling = scaling_for(modality, low.numpy())
    sigma = noise * scaling.gain
    if sigma > 0 and modality == "MR":
        low = rician(low, sigma, generator)
    elif sigma > 0:
        low = filtered_backprojection_noise(low, sigma, 2, generator)
    measured = estimate_noise(low.numpy(), 2, above=scaling.offset + FOREGROUND * scaling.gain)
    upsampled = (upsample(low, acquisition) - scaling.offset) / scaling.gain
    scan = (low - scaling.offset) / scaling.gain
    channels = guides_of_scene(guides, scan, acquisition, single=single) if guides else None
    part = slice(window[0], window[0] + window[1])
    upsampled = upsampled[..., part].contiguous()
    target = ((block[-1] - scaling.offset) / scaling.gain)[..., part]
    return Scene(
        residual=target - upsampled,
        upsampled=upsampled,
        features=feature_vector(acquisition, 1, 2, measured / scaling.gain),
        phase=phase_channels(acquisition.axes[2])[:, part],
        single=single,
        guides=None if channels is None else channels[..., part].contiguous(),
    )


def draw_acquisition(
    shape: Sequence[int], draw: DrawConfig, rng: np.random.Generator, modality: Modality
) -> Acquisition:
    """Random factors, thickness and profile for a block [A, H, W] of unit voxels."""
    factor = float(np.exp(rng.uniform(*np.log(draw.factor))))
    if rng.random() < draw.whole_factor_chance:
        factor = float(np.clip(round(factor), 2, draw.factor[1]))
    ratio = float(rng.uniform(*draw.thickness)) if rng.random() < draw.thickness_chance else 1.0
    profile = "box" if rng.random() < draw.box_chance else "gaussian"
    low_count = int(shape[2] / factor)
    w = AxisSampling(
        round(low_count * factor), 1.0, low_count, factor, max(1.0, ratio * factor), profile
    )
    in_plane = 1.0
    if rng.random() < draw.in_plane_chance:
        in_plane = float(rng.uniform(1.0, draw.in_plane))
    profile = in_plane_profile(modality)
    a, h = (_in_plane_axis(n, in_plane, profile) for n in shape[:2])
    return Acquisition((a, h, w))


def _in_plane_axis(count: int, factor: float, profile: str) -> AxisSampling:
    """An axis of unit voxels measured at about 1 / factor of its resolution."""
    low = max(4, round(count / factor))
    if low >= count:
        return AxisSampling(count, 1.0, count, 1.0)
    return AxisSampling(count, 1.0, low, count / low, count / low, profile)


def _crop(
    versions: Sequence[Tensor],
    wanted: tuple[int, int, int],
    fine: Fine,
    draw: DrawConfig,
    rng: np.random.Generator,
) -> Tensor:
    """The same block of each version of a scan, around a voxel of the body: [versions, ...].

    It has the wanted shape, perhaps on coarser voxels.
    """
    voxels = versions[0]
    if fine.in_plane_only:
        wanted = (min(wanted[0], voxels.shape[0]), *wanted[1:])
    zoom = float(rng.uniform(draw.zoom, 1.0)) if rng.random() < draw.zoom_chance else 1.0
    zooms = [zoom] * 3
    if zoom < 1.0 and draw.stretch:
        zooms = [zoom * float(rng.uniform(1 - draw.stretch, 1)) for _ in range(3)]
    if fine.in_plane_only:
        zooms[0] = 1.0
    taken = [int(np.ceil(n / z)) for n, z in zip(wanted, zooms, strict=True)]
    centre = _foreground_voxel(voxels, fine.modality, rng)
    starts = [
        int(np.clip(c - n // 2 + rng.integers(-n // 4, n // 4 + 1), 0, max(0, size - n)))
        for c, n, size in zip(centre, taken, voxels.shape, strict=True)
    ]
    parts = tuple(slice(s, s + n) for s, n in zip(starts, taken, strict=True))
    block = torch.stack([version[parts] for version in versions])
    short = [n - m for n, m in zip(taken, block.shape[1:], strict=True)]
    if any(short):
        pads = [p for n in reversed(short) for p in (n // 2, n - n // 2)]
        block = torch.nn.functional.pad(block[:, None], pads, mode="replicate")[:, 0]
    if zoom == 1.0:
        return block
    axes = [
        AxisSampling(have, 1.0, n, have / n, 0.0 if z == 1.0 else have / n)
        for have, n, z in zip(taken, wanted, zooms, strict=True)
    ]
    coarser = Acquisition((axes[0], axes[1], axes[2]))
    return torch.stack([acquire(version, coarser) for version in block])


def _foreground_voxel(
    voxels: Tensor, modality: Modality, rng: np.random.Generator
) -> tuple[int, ...]:
    """A random voxel of the body: the first of 64 random ones that is bright enough."""
    places = np.stack([rng.integers(n, size=64) for n in voxels.shape], axis=1)
    values = voxels[tuple(torch.from_numpy(p) for p in places.T)].numpy()
    bright = values > (-500.0 if modality == "CT" else 0.3 * float(values.max()))
    return tuple(int(n) for n in places[int(bright.argmax())])

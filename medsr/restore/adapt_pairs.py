"""Pairs for the adaptation of a network to one scan, from the scan itself.

The pairs are those of `own_reference`: the scan on the fine grid, degraded once more along each of
its two sharp axes. The slices that the network gets lie across the coarse axis, so that its
neighbour channels hold the scan's own anatomy.

A part of a scan is enough: the time is better spent on steps than on enhancing all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.conditioning import feature_vector, phase_channels
from medsr.acquisition.noise import estimate_noise
from medsr.acquisition.resample import upsample
from medsr.intensity import AIR, FOREGROUND, Scaling
from medsr.restore.own_reference import fewest_voxels, measured_planes, own_pair, sharp_axes
from medsr.restore.plan import Plan
from medsr.restore.slices import condition_slices

__all__ = [
    "Stack",
    "around_the_middle",
    "can_be_adapted",
    "central_part",
    "random_rows",
    "stacks_of",
]

#: One measured slice of so many is kept aside, with the fine planes that are nearest to it.
ONE_OF = 5

#: The first that is kept aside.
FIRST_KEPT = 2

#: Voxels of a slice in a window, about, and rows at least. A window is as wide as the degraded
#: axis: narrow ones teach what holds at their edges alone.
WINDOW_VOXELS, FEWEST_ROWS = 4096, 16

EVERY_ROW = slice(None)


@dataclass(frozen=True, eq=False)
class Stack:
    """One volume degraded along one sharp axis, axes ordered (stack, H, W): the degraded one last.

    Attributes:
        upsampled: the degraded scan on the fine grid, in the network's range, [S, H, W].
        residual: the sharp image minus `upsampled`, in the network's range, [S, H, W].
        features: of the acquisition, [FEATURES].
        phase: [2, W].
        train: indices of the slices to learn from, [n] int64.
        kept: indices of those that were kept aside, [m] int64.
    """

    upsampled: Tensor
    residual: Tensor
    features: Tensor
    phase: Tensor
    train: Tensor
    kept: Tensor

    def batch(
        self, index: Tensor, context: int, rows: slice = EVERY_ROW
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Residual [n, 1, h, W], condition [n, C, h, W] and features [n, F] of some slices."""
        condition = condition_slices(self.upsampled[:, rows], index, context, self.phase)
        residual = self.residual[index][:, None, rows]
        return residual, condition, self.features.expand(len(index), -1)


def can_be_adapted(acquisition: Acquisition) -> bool:
    """Whether a scan has slices to keep aside, and sharp axes that are long enough."""
    slices = acquisition.axes[acquisition.coarse_axis].low_count
    least = fewest_voxels(acquisition)
    long = all(acquisition.axes[k].low_count >= least for k in sharp_axes(acquisition))
    return long and slices >= ONE_OF


def central_part(plan: Plan, voxels: float) -> Plan:
    """The part of a scan around the middle of its anatomy, of about so many fine voxels.

    Args:
        plan: of the whole scan.
        voxels: of the part on the fine grid, about.
    """
    scan, axes = np.asarray(plan.volume.voxels), plan.acquisition.axes
    bright, parts, sampled = scan > scan.mean(), [slice(None)] * 3, list(axes)
    left = voxels
    for done, k in enumerate(sorted(range(3), key=lambda k: axes[k].fine_count)):
        side = left ** (1 / (3 - done))  # of a cube; what a short axis leaves, the others get
        count = min(
            axes[k].low_count, max(_fewest(plan.acquisition, k), round(side / axes[k].factor))
        )
        parts[k] = around_the_middle(bright, k, count)
        fine = axes[k].fine_count if count == axes[k].low_count else round(count * axes[k].factor)
        sampled[k] = replace(axes[k], low_count=count, fine_count=fine)
        left /= fine
    part = np.ascontiguousarray(scan[tuple(parts)])
    acquisition = Acquisition((sampled[0], sampled[1], sampled[2]))
    volume = replace(plan.volume, voxels=part, padding=None)
    return replace(plan, volume=volume, acquisition=acquisition)


def _fewest(acquisition: Acquisition, axis: int) -> int:
    """How many measured samples of an axis a part must have."""
    return ONE_OF if axis == acquisition.coarse_axis else fewest_voxels(acquisition)


def around_the_middle(bright: NDArray[np.bool_], axis: int, count: int) -> slice:
    """A run of samples of one axis around the middle of what is bright."""
    weight = bright.sum(axis=tuple(k for k in range(3) if k != axis))
    middle = int((weight * np.arange(len(weight))).sum() / max(1, weight.sum()))
    start = min(max(0, middle - count // 2), len(weight) - count)
    return slice(start, start + count)


def stacks_of(sharp: Tensor, acquisition: Acquisition, scaling: Scaling) -> list[Stack]:
    """The pairs of a scan: one stack for each sharp axis.

    Args:
        sharp: the scan on the grid that is fine across its slices, [X, Y, Z'] for a coarse axis
            Z, in its unit; see `own_reference.own_volume`.
        acquisition: of the scan.
        scaling: of its intensities.
    """
    own = (sharp - scaling.offset) / scaling.gain
    across = acquisition.coarse_axis
    train, kept = _split(acquisition.axes[across])
    first, second = sharp_axes(acquisition)
    stacks = []
    for axis, other in ((first, second), (second, first)):
        pair = own_pair(own, acquisition, axis)
        upsampled = upsample(pair.scan, pair.acquisition)
        noise = estimate_noise(pair.scan.numpy(), axis, above=FOREGROUND)
        order = (across, other, axis)
        stacks.append(
            Stack(
                upsampled=upsampled.permute(order).contiguous(),
                residual=(pair.reference - upsampled).permute(order).contiguous(),
                features=feature_vector(pair.acquisition, other, axis, noise),
                phase=phase_channels(pair.acquisition.axes[axis]),
                train=train,
                kept=kept,
            )
        )
    return stacks


def _split(sampling: AxisSampling) -> tuple[Tensor, Tensor]:
    """Fine planes to learn from, and the measured planes that are kept aside."""
    planes = np.array(measured_planes(sampling))
    nearest = np.abs(np.arange(sampling.fine_count)[:, None] - planes).argmin(axis=1)
    is_kept = nearest % ONE_OF == FIRST_KEPT
    return torch.from_numpy(np.flatnonzero(~is_kept)), torch.from_numpy(
        planes[np.arange(len(planes)) % ONE_OF == FIRST_KEPT]
    )


def random_rows(stack: Stack, rng: np.random.Generator) -> slice:
    """The rows of a random window; of four the first that is half full, or the fullest."""
    _, height, width = stack.upsampled.shape
    count = min(height, max(FEWEST_ROWS, WINDOW_VOXELS // width))
    found = []
    for _ in range(4):
        start = int(rng.integers(height - count + 1))
        full = float((stack.upsampled[::8, start : start + count] > AIR).float().mean())
        found.append((full, start))
        if full > 0.5:
            break
    _, start = max(found)
    return slice(start, start + count)

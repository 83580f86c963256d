"""A volume as stacks of slices that contain the coarse axis.

The network is two-dimensional. Each of the two orientations (the coarse axis W with one other
axis H, stacked along the third) is a batch of *whole* slices, so nothing is cut, nothing needs
blending, and the result cannot depend on how many slices go in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medsr.intensity import AIR, CLIP_HIGH, CLIP_LOW

__all__ = ["Box", "anatomy_boxes", "condition_slices", "evenly", "orientations", "to_slices"]

#: Slices that share one box. Fixed, so that the result cannot depend on the batch.
GROUP = 8

#: Voxels of air kept around the anatomy, so that its edge is seen with its surroundings.
MARGIN = 8

#: Boxes start and end at multiples of this, so that the network folds them as the whole slice.
ALIGN = 16


@dataclass(frozen=True)
class Box:
    """A run of slices and the part of them that holds anatomy: [stack, H, W] ranges."""

    stack: slice
    rows: slice
    columns: slice

    @property
    def voxels(self) -> int:
        """Of one slice."""
        return int((self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start))


def orientations(w_axis: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The two axis orders (stack, H, W) that keep the coarse axis last.

    >>> orientations(2)
    ((0, 1, 2), (1, 0, 2))
    """
    a, b = (k for k in range(3) if k != w_axis)
    return (a, b, w_axis), (b, a, w_axis)


def evenly(count: int, some: int) -> list[int]:
    """The numbers of some of so many things, in equal distances; of all where there are fewer.

    >>> evenly(20, 4)
    [2, 7, 12, 17]
    >>> evenly(3, 4)
    [0, 1, 2]
    """
    some = min(some, count)
    return [(2 * k + 1) * count // (2 * some) for k in range(some)]


def to_slices(volume: Tensor, order: tuple[int, int, int]) -> Tensor:
    """View [..., X, Y, Z] as [..., stack, H, W]; no copy."""
    before = volume.ndim - 3
    return volume.permute(*range(before), *(before + k for k in order))


def condition_slices(
    stack: Tensor,
    index: Tensor,
    context: int,
    phase: Tensor,
    dtype: torch.dtype = torch.float32,
    guides: Tensor | None = None,
) -> Tensor:
    """The condition of some slices: [n, 1 + 2 context + 2 + K, H, W].

    Channels: the upsampled slice, then its neighbours at -context .. -1, 1 .. context (the border
    slice repeats), then the phase map, then the guides of the slice itself.

    Args:
        stack: upsampled scan in the network's range, [stack, H, W].
        index: which slices, [n] int64.
        context: neighbours on each side.
        phase: from `acquisition.describe.phase_channels`, [2, W].
        dtype: of the result.
        guides: of `acquisition.guided.guide_channels`, one after the other, [K, stack, H, W].
    """
    offsets = [0, *range(-context, 0), *range(1, context + 1)]
    sides = (stack.shape[1], stack.shape[2])
    before, further = len(offsets) + 2, 0 if guides is None else len(guides)
    shape = (len(index), before + further, *sides)
    condition = torch.empty(shape, dtype=dtype, device=stack.device)
    for channel, k in enumerate(offsets):
        condition[:, channel] = stack[(index + k).clamp(0, len(stack) - 1)]
    condition[:, : len(offsets)].clamp_(CLIP_LOW, CLIP_HIGH)
    condition[:, len(offsets) : before] = phase[:, None, :]
    if guides is not None:
        condition[:, before:] = guides[:, index].movedim(1, 0)
    return condition


def anatomy_boxes(stack: Tensor) -> list[Box]:
    """The boxes of an upsampled scan [stack, H, W] that need the network; air needs none.

    The boxes follow from the scan alone. A noisy scan has no air in this sense and is covered
    whole.
    """
    boxes = []
    for start in range(0, len(stack), GROUP):
        bright = stack[start : start + GROUP].amax(dim=0) > AIR
        rows, columns = _range(bright.any(dim=1)), _range(bright.any(dim=0))
        if rows is not None and columns is not None:
            boxes.append(Box(slice(start, min(start + GROUP, len(stack))), rows, columns))
    return boxes


def _range(bright: Tensor) -> slice | None:
    places = bright.nonzero()
    if not len(places):
        return None
    first = max(0, int(places[0]) - MARGIN) // ALIGN * ALIGN
    last = -(-(int(places[-1]) + 1 + MARGIN) // ALIGN) * ALIGN
    return slice(first, min(last, len(bright)))

"""Several thick scans of one object at once: each with its own place, orientation and profile.

The image x lies on one grid. A stack s sees it through S_s, which moves it rigidly to the stack's
own fine grid (trilinear), and A_s, its slice profile and spacing. Of all images the one is looked
for that explains every stack and is near a first guess x0::

    min  sum_s |A_s S_s x - y_s|^2 / n_s^2  +  t |x - x0|^2

n_s is the noise of a stack over that of the least noisy one. The normal equations are solved by
conjugate gradients (Hestenes and Stiefel 1952); the model is that of super-resolution from
orthogonal stacks (Gholipour, Estroff and Warfield 2010, IEEE Trans Med Imaging 29:1739).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.resample import acquire, acquire_adjoint

__all__ = ["Stack", "explain_all", "moved_to", "predicted", "stack_of"]

#: Voxels of the own grid of a stack that are sampled at once.
AT_ONCE = 2_000_000

#: Rounds of conjugate gradients. All numbers of docs/development/stacks.md were made with so many;
#: fewer or more were not tried.
ROUNDS = 20

#: Share of a measured voxel that the grid of the result must cover, so that the voxel counts.
COVERED = 0.999

#: Rounding of a place, voxels.
EDGE = 1e-6

Index = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stack:
    """One thick scan as the grid of the result sees it.

    Attributes:
        scan: y, [X, Y, Z].
        acquisition: A, from its own fine grid.
        index: [4, 4], voxel index on its own fine grid -> voxel index of the result.
        counts: 1 where the result's grid covers what a measured voxel saw, else 0; [X, Y, Z].
        weight: 1 / n^2 above.
    """

    scan: Tensor
    acquisition: Acquisition
    index: Index
    counts: Tensor
    weight: float = 1.0


def stack_of(
    scan: Tensor,
    acquisition: Acquisition,
    index: Index,
    shape: Sequence[int],
) -> Stack:
    """A stack, with the voxels that a result of a shape (X', Y', Z') covers.

    Args:
        scan, acquisition, index: as in `Stack`.
        shape: of the result.
    """
    seen = acquire(_sampled(torch.ones(*shape), acquisition.fine_shape, index), acquisition)
    return Stack(scan, acquisition, index, (seen > COVERED).float())


def predicted(x: Tensor, stack: Stack) -> Tensor:
    """A S x: the stack [X, Y, Z] that an image x [X', Y', Z'] gives."""
    return acquire(_sampled(x, stack.acquisition.fine_shape, stack.index), stack.acquisition)


def explain_all(first: Tensor, stacks: Sequence[Stack], ratio: float) -> Tensor:
    """The image near a first guess that explains every stack.

    Args:
        first: x0, [X', Y', Z'].
        stacks: at least one.
        ratio: t above, noise variance over error variance of x0.

    Returns:
        x, [X', Y', Z'].
    """

    def normal(u: Tensor) -> Tensor:
        return sum((_back(predicted(u, s), s, u) for s in stacks), start=ratio * u)

    change = torch.zeros_like(first)
    rest = sum(
        (_back(s.scan - predicted(first, s), s, first) for s in stacks),
        start=torch.zeros_like(first),
    )
    step, square = rest.clone(), float(rest.square().sum())
    enough = 1e-10 * square
    for _ in range(ROUNDS):
        if square <= enough:
            break
        seen = normal(step)
        length = square / float((step * seen).sum())
        change.add_(step, alpha=length)
        rest.sub_(seen, alpha=length)
        before, square = square, float(rest.square().sum())
        step.mul_(square / before).add_(rest)
    return first + change


def moved_to(
    voxels: NDArray[np.float32], index: Index, shape: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """An image on another grid, by a cubic B-spline.

    Args:
        voxels: [A, B, C].
        index: [4, 4], voxel index of the other grid -> voxel index of the image.
        shape: (X', Y', Z') of the other grid.

    Returns:
        [X', Y', Z'], and how far the image reaches there: 1 inside, 0 outside.
    """
    turn, shift, size = index[:3, :3], index[:3, 3], tuple(shape)
    knots = ndimage.spline_filter(voxels, order=3, output=np.float32, mode="nearest")
    moved = ndimage.affine_transform(
        knots, turn, shift, output_shape=size, order=3, mode="nearest", prefilter=False
    )
    inside = np.ones(size, np.float32)
    for place, last in zip(index[:3], np.asarray(voxels.shape) - 1, strict=True):
        along = [place[k] * np.arange(n) for k, n in enumerate(size)]
        at = along[1][:, None] + along[2] + place[3]
        for plane, start in zip(inside, along[0], strict=True):
            plane[(at + start < -EDGE) | (at + start > last + EDGE)] = 0
    return moved, inside


def _back(y: Tensor, stack: Stack, like: Tensor) -> Tensor:
    """S^T A^T of a weighted stack [X, Y, Z]: an image on the grid of the result."""
    own = acquire_adjoint(y * stack.counts * stack.weight, stack.acquisition)
    return _sampled_adjoint(own, like.shape, stack.index)


def _sampled(x: Tensor, shape: Sequence[int], index: Index) -> Tensor:
    """S: the values [A, B, C] of an image [X', Y', Z'] at the voxels of a grid; 0 outside."""
    parts = [
        torch.nn.functional.grid_sample(
            x[None, None], places, mode="bilinear", padding_mode="zeros", align_corners=True
        )[0, 0]
        for _, places in _places(x.shape, shape, index, x.dtype)
    ]
    return torch.cat(parts)


def _sampled_adjoint(own: Tensor, shape: Sequence[int], index: Index) -> Tensor:
    """S^T: <S x, u> = <x, S^T u>."""
    image = torch.zeros(1, 1, *shape, dtype=own.dtype)
    total = torch.zeros_like(image)
    for part, places in _places(shape, own.shape, index, own.dtype):
        gradient, _ = torch.ops.aten.grid_sampler_3d_backward(
            own[part][None, None].contiguous(), image, places, 0, 0, True, (True, False)
        )
        total += gradient
    return total[0, 0]


def _places(
    shape: Sequence[int], own_shape: Sequence[int], index: Index, dtype: torch.dtype
) -> Iterator[tuple[slice, Tensor]]:
    """Where the voxels of a grid lie in an image, slab by slab, as `grid_sample` wants it.

    Each is [1, a, B, C, 3], from -1 to 1, the last axis first.
    """
    a, b, c = own_shape
    depth = max(1, AT_ONCE // (b * c))
    for start in range(0, a, depth):
        part = slice(start, min(a, start + depth))
        steps = torch.meshgrid(
            torch.arange(part.start, part.stop, dtype=dtype),
            torch.arange(b, dtype=dtype),
            torch.arange(c, dtype=dtype),
            indexing="ij",
        )
        along = []
        for k in (2, 1, 0):
            x, y, z, shift = (float(v) for v in index[k])
            place = x * steps[0] + y * steps[1] + z * steps[2] + shift
            along.append(place * (2 / max(1, shape[k] - 1)) - 1)
        yield part, torch.stack(along, dim=-1)[None]

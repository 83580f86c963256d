"""The null-space component of a result: the part that the scan did not measure.

An image x splits into A^+ A x, which the scan determines, and x - A^+ A x, which lies in the null
space of the acquisition A: no scan of this kind can confirm or contradict it (Schwab, Antholzer
and Haltmeier 2019, Inverse Problems 35:025008). Interpolation fills that part by smoothness, a
model by what it learned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from medsr.acquisition.projection import Projector

__all__ = ["LOCAL_VOXELS", "NullSpace", "local_energy", "null_space_component", "null_space_share"]

#: Side of the cube over which local energy is averaged, voxels.
LOCAL_VOXELS = 5


@dataclass(frozen=True)
class NullSpace:
    """The share of a result that lies in the null space of the acquisition.

    Attributes:
        share: energy of the null-space component over that of the result about its mean, 0 to 1.
        share_of_interpolation: the same of cubic interpolation of the scan.
    """

    share: float
    share_of_interpolation: float


def null_space_component(x: Tensor, projector: Projector) -> Tensor:
    """x - A^+ A x: [X', Y', Z'], in the unit of x."""
    return projector.project(x, torch.zeros((), dtype=x.dtype))


def null_space_share(chunks: Iterable[Tensor], projector: Projector) -> float:
    """Energy of the null-space component over the energy of an image x about its mean.

    ``|x - A^+ A x|^2 = |x|^2 - <A x, (A A^T)^-1 A x>``, which needs the small grid only.

    Args:
        chunks: of x, [X', Y', Z'] each, cut across an axis that the acquisition does not resample.
        projector: of the acquisition.
    """
    energy = total = null_space = 0.0
    count = 0
    for chunk in chunks:
        square = float(chunk.square().sum(dtype=torch.float64))
        energy, count = energy + square, count + chunk.numel()
        total += float(chunk.sum(dtype=torch.float64))
        null_space += square - projector.measured_energy(chunk)
    return max(0.0, null_space) / max(energy - total**2 / count, 1e-30)


def local_energy(component: Tensor) -> Tensor:
    """Root mean square over a cube of `LOCAL_VOXELS` around each voxel: [X, Y, Z]."""
    reach = LOCAL_VOXELS // 2
    # Zeros around it, not torch's padding: torch pools nothing that is smaller than the cube.
    around = torch.nn.functional.pad(component.square()[None, None], [reach] * 6)
    sums = torch.nn.functional.avg_pool3d(around, LOCAL_VOXELS, stride=1, divisor_override=1)[0, 0]
    places = [torch.arange(n) for n in component.shape]
    x, y, z = (
        ((at + reach).clamp(max=len(at) - 1) - (at - reach).clamp(min=0) + 1).float()
        for at in places
    )
    return (sums / (x[:, None, None] * y[:, None] * z)).sqrt()

"""The scan as its own reference: pairs of a degraded and a sharp image, from one thick scan.

A thick scan y is blurred across its slices and sharp within them. What happened to it across the
slices is done to it once more, along an axis that is sharp: by the same factor, with the same
profile. The result is a scan whose truth is known, of the same person, scanner and contrast.

A slice alone has no neighbours at the distance that the network expects. They come from the
enhanced volume; what counts as reference are the measured slices alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire, along_axis, axis_matrices

__all__ = [
    "OwnPair",
    "centres",
    "fewest_voxels",
    "measured_planes",
    "own_pair",
    "own_slices",
    "own_slices_of",
    "own_volume",
    "sharp_axes",
]

#: Slices that a degraded scan has at least; with fewer there is nothing to restore from.
FEWEST_SLICES = 4


@dataclass(frozen=True, eq=False)
class OwnPair:
    """A scan made of a sharp image, and that image; both in one unit.

    Attributes:
        scan: the degraded image, [X, Y, Z].
        acquisition: how it was made of `reference`; its coarse axis is the one that was degraded.
        reference: [X', Y', Z'].
        planes: the indices along `across` at which `reference` was measured, ascending.
        across: the coarse axis of the original scan.
    """

    scan: Tensor
    acquisition: Acquisition
    reference: Tensor
    planes: tuple[int, ...]
    across: int

    @property
    def counts(self) -> Tensor:
        """Which voxels of `reference` count: bool, [X', Y', Z']; a view of one line."""
        shape = [1, 1, 1]
        shape[self.across] = self.reference.shape[self.across]
        line = torch.zeros(shape[self.across], dtype=torch.bool)
        line[list(self.planes)] = True
        return line.reshape(shape).expand(self.reference.shape)


def sharp_axes(acquisition: Acquisition) -> tuple[int, int]:
    """The axes of a scan along which it can be degraded once more: all but the coarse one."""
    first, second = (k for k in range(3) if k != acquisition.coarse_axis)
    return first, second


def fewest_voxels(acquisition: Acquisition) -> int:
    """How many voxels a sharp axis must have, so that it can be degraded as the slices are."""
    return round(FEWEST_SLICES * acquisition.axes[acquisition.coarse_axis].factor)


def measured_planes(sampling: AxisSampling) -> tuple[int, ...]:
    """The fine plane at the centre of each measured slice; of two, the first.

    >>> measured_planes(AxisSampling(12, 1.0, 4, 3.0))
    (1, 4, 7, 10)
    >>> measured_planes(AxisSampling(8, 1.0, 2, 4.0))
    (1, 5)
    """
    return tuple(int((k + 0.5) * sampling.factor - 1e-6) for k in range(sampling.low_count))


def own_volume(enhanced: Tensor, scan: Tensor, acquisition: Acquisition) -> Tensor:
    """The sharp image of a scan: its measured slices, and between them the enhanced volume.

    Args:
        enhanced: the result, on the fine grid [X', Y', Z'], in any unit.
        scan: as measured, [X, Y, Z], in the same unit.
        acquisition: of the scan.

    Returns:
        [X, Y, Z'] for a coarse axis Z: fine across the slices, as measured within them.
    """
    axis = acquisition.coarse_axis
    own = _as_within_slices(enhanced, acquisition).clone()
    planes = torch.tensor(measured_planes(acquisition.axes[axis]))
    return own.index_copy_(axis, planes, scan.to(own.dtype))


def own_slices(
    enhanced: Tensor,
    scan: Tensor,
    acquisition: Acquisition,
    slices: Sequence[int],
    context: int,
) -> Tensor:
    """Some measured slices, each between its neighbours in `own_volume`: as much as they need.

    Args:
        enhanced, scan, acquisition: as in `own_volume`.
        slices: which measured slices, n of them.
        context: neighbours on each side; at the border the last plane repeats.

    Returns:
        [X, Y, n (2 context + 1)] for a coarse axis Z. The measured slices are the planes
        `centres(n, context)`.
    """
    axis = acquisition.coarse_axis
    own = _own_planes(enhanced, acquisition, slices, context).to(scan.dtype)
    measured = scan.index_select(axis, torch.tensor(list(slices)))
    return own.index_copy(axis, torch.tensor(centres(len(slices), context)), measured)


def _own_planes(
    fine: Tensor, acquisition: Acquisition, slices: Sequence[int], context: int
) -> Tensor:
    """What `own_slices` takes of a fine volume [X', Y', Z'], without the measured slices."""
    axis = acquisition.coarse_axis
    count = acquisition.axes[axis].fine_count
    planes = torch.tensor(measured_planes(acquisition.axes[axis]))[list(slices)]
    near = torch.arange(-context, context + 1)
    index = (planes[:, None] + near).clamp(0, count - 1).flatten()
    return _as_within_slices(fine.index_select(axis, index).float(), acquisition)


def own_slices_of(
    fine: Tensor, acquisition: Acquisition, slices: Sequence[int], context: int
) -> Tensor:
    """`own_slices` of another fine volume, with its slices as this scanner measures them."""
    axis, matrix = acquisition.coarse_axis, axis_matrices(acquisition)[acquisition.coarse_axis]
    own = _own_planes(fine, acquisition, slices, context)
    if matrix is None:
        return own
    rows = matrix[list(slices)]
    seen = torch.from_numpy(np.flatnonzero(rows.any(axis=0)))
    thick = along_axis(fine.index_select(axis, seen).float(), rows[:, seen], axis)
    index = torch.tensor(centres(len(slices), context))
    return own.index_copy(axis, index, _as_within_slices(thick, acquisition))


def centres(count: int, context: int) -> tuple[int, ...]:
    """The planes of `own_slices` that were measured.

    >>> centres(3, 2)
    (2, 7, 12)
    """
    return tuple(range(context, count * (2 * context + 1), 2 * context + 1))


def _as_within_slices(planes: Tensor, acquisition: Acquisition) -> Tensor:
    """Fine planes [X', Y', n] as sharp as the scanner measures within its slices: [X, Y, n]."""
    axes, axis = list(acquisition.axes), acquisition.coarse_axis
    axes[axis] = _untouched(planes.shape[axis], axes[axis].fine_mm)
    return acquire(planes, Acquisition((axes[0], axes[1], axes[2])))


def own_pair(
    own: Tensor,
    acquisition: Acquisition,
    axis: int,
    *,
    planes: Sequence[int] | None = None,
    noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> OwnPair:
    """Degrade the sharp image of a scan along one of its sharp axes, as its slices are degraded.

    Factor and profile are those of the slices, in voxels: 4 times coarser along an axis of
    0.5 mm gives slices every 2 mm. What the last whole slice does not cover is cut off.

    Args:
        own: from `own_volume` or `own_slices`, or a part of it that is cut along the sharp axes.
        acquisition: of the scan.
        axis: one of `sharp_axes`, with at least `fewest_voxels`.
        planes: of `own` that were measured; by default those of `own_volume`.
        noise: standard deviation of Gaussian noise to add to the degraded scan, in the unit of
            `own`. Averaging over a slice takes noise away that a measured slice has.
        generator: of the noise.
    """
    coarse = acquisition.axes[acquisition.coarse_axis]
    spacing = [sampling.low_mm for sampling in acquisition.axes]
    spacing[acquisition.coarse_axis] = coarse.fine_mm
    low_count = int(own.shape[axis] / coarse.factor + 1e-6)
    fine_count = min(own.shape[axis], round(low_count * coarse.factor))
    reference = own.narrow(axis, 0, fine_count)
    axes = [_untouched(n, mm) for n, mm in zip(reference.shape, spacing, strict=True)]
    axes[axis] = AxisSampling(
        fine_count=fine_count,
        fine_mm=spacing[axis],
        low_count=low_count,
        low_mm=coarse.factor * spacing[axis],
        width_mm=coarse.kernel_mm / coarse.fine_mm * spacing[axis],
        profile=coarse.profile,
    )
    degraded = Acquisition((axes[0], axes[1], axes[2]))
    scan = acquire(reference.float(), degraded)
    if noise > 0:
        scan = scan + noise * torch.randn(scan.shape, generator=generator)
    measured = measured_planes(coarse) if planes is None else tuple(planes)
    return OwnPair(scan, degraded, reference, measured, acquisition.coarse_axis)


def _untouched(count: int, mm: float) -> AxisSampling:
    return AxisSampling(count, mm, count, mm)

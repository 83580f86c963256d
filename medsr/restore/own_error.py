"""From the error against a thick slice to that against a thin one.

A measured slice is an average over its thickness. Detail that is fine across the slices is
missing from it, and so is some of the noise: against a thin slice the error would be larger. How
much larger is estimated within the slice. The same average, along the axis that is neither the
slices' nor the degraded one, takes a share away from the error; the average over the thickness is
taken to have removed as much. With e the mean squared error and e' that of the averaged error, the
error against thin slices is e * e / e'. For white noise that is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire

__all__ = ["OwnError", "own_error"]


@dataclass(frozen=True)
class OwnError:
    """Squared error of an image against measured slices; errors of several add up.

    Attributes:
        square: sum of squares.
        averaged: sum of squares of the error, averaged by the slice profile along the third axis.
    """

    square: float = 0.0
    averaged: float = 0.0

    def __add__(self, other: OwnError) -> OwnError:
        return OwnError(self.square + other.square, self.averaged + other.averaged)

    @property
    def thin_over_thick(self) -> float:
        """Squared error against slices as thin as the fine grid, over that against thick ones."""
        return self.square / self.averaged if self.averaged > 0 else 1.0

    @property
    def of_thin_slices(self) -> float:
        """What `square` would be against slices as thin as the fine grid.

        >>> OwnError(square=8.0, averaged=4.0).of_thin_slices
        16.0
        """
        return self.square * self.thin_over_thick


def own_error(
    error: Tensor, counts: Tensor, acquisition: Acquisition, slice_axis: int
) -> OwnError:
    """The error of an image of a degraded scan.

    Args:
        error: image minus measured slices, [X', Y', Z'].
        counts: bool, likewise: voxels that count.
        acquisition: of the degraded scan; its coarse axis is the degraded one.
        slice_axis: across the measured slices.
    """
    coarse = acquisition.coarse_axis
    third, degraded = 3 - coarse - slice_axis, acquisition.axes[coarse]
    axes = [
        AxisSampling(axis.fine_count, axis.fine_mm, axis.fine_count, axis.fine_mm)
        for axis in acquisition.axes
    ]
    width_mm = degraded.kernel_mm / degraded.fine_mm * axes[third].fine_mm
    axes[third] = replace(axes[third], width_mm=width_mm, profile=degraded.profile)
    averaged = acquire(error, Acquisition((axes[0], axes[1], axes[2])))
    square, rest = (float(e[counts].double().square().sum()) for e in (error, averaged))
    return OwnError(square, rest)

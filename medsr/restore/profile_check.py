"""Checks the assumed slice profile against the posterior mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.acquisition.shapes import Profile
from medsr.restore.chunks import chunks_of
from medsr.restore.upsampled import Upsampled

__all__ = ["better_profile", "check_profile"]

#: One of so many planes is used.
EVERY = 4


def check_profile(residual: Tensor, upsampled: Upsampled) -> AxisSampling | None:
    """A coarse axis that explains the scan far better than the assumed one; None where none does.

    Args:
        residual: the posterior mean [X', Y', Z'], before data consistency.
        upsampled: the scan.
    """

    def misfit(acquisition: Acquisition) -> float:
        """Root mean square of A x - y, over the intensity gain."""
        square, count = 0.0, 0
        for chunk in chunks_of(upsampled.acquisition, step=EVERY):
            acquired = acquire(upsampled.image(residual, chunk), acquisition)
            square += float((acquired - upsampled.scan[chunk]).square().sum())
            count += acquired.numel()
        return math.sqrt(square / count)

    return better_profile(misfit, upsampled.acquisition)


#: Profiles and widths over the slice spacing that are tried.
CANDIDATES = tuple(
    (Profile(profile), width)
    for profile in ("gaussian", "box")
    for width in (0.25, 0.5, 0.75, 1.0, 1.25)
)


#: A residual below this (root mean square over the intensity gain) needs no other explanation:
#: 0.003 to 0.005 with the true profile, 0.011 and more with a wrong one, on three heads.
EXPLAINED = 0.005


#: Another profile must leave this share of the assumed one's residual, and no more than `GOOD`:
#: where the model itself restores badly, none explains the scan and the assumed one is kept.
#: Given the true profile, the best other one left 0.85 and more, once 0.69 with twice `GOOD`.
FAR_BETTER, GOOD = 0.7, 0.0066


def better_profile(
    misfit: Callable[[Acquisition], float], acquisition: Acquisition
) -> AxisSampling | None:
    """A coarse axis that explains the scan far better than the assumed one; None where none does.

    There is no advice where it could not be trusted: on targets coarser than the pixels of the
    slices, for which the posterior mean is itself too uncertain (given the true profile, another
    one left 0.72 of its residual there), and where the best profile adds less than one fine voxel,
    so that its width cannot be measured.

    Args:
        misfit: root mean square of A x - y of an acquisition A, for the posterior mean x (before
            data consistency) and the scan y, over the intensity gain.
        acquisition: assumed.
    """
    coarse = acquisition.axes[acquisition.coarse_axis]
    if coarse.is_wider_than_pixels:
        return None
    assumed = misfit(acquisition)
    if assumed < EXPLAINED:
        return None
    tried = {}
    for profile, width in CANDIDATES:
        axis = replace(coarse, profile=profile, width_mm=width * coarse.low_mm)
        axes = list(acquisition.axes)
        axes[acquisition.coarse_axis] = axis
        tried[axis] = misfit(Acquisition((axes[0], axes[1], axes[2])))
    best = min(tried, key=lambda axis: tried[axis])
    if best.kernel_mm < best.fine_mm:
        return None
    return best if tried[best] < min(FAR_BETTER * assumed, GOOD) else None

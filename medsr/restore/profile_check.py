"""The first result of a sampler, held against the slice profile that was assumed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.diffusion.samplers import Denoise
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.restore.chunks import chunks_of
from medsr.restore.data_consistency import Measured
from medsr.restore.upsampled import Upsampled

__all__ = ["FirstLook", "better_profile"]

#: Of so many planes one is looked at.
EVERY = 4


class FirstLook:
    """A denoiser whose first result, the posterior mean, is held against the assumed profile.

    Attributes:
        first: a copy of the first result of the present walk, on the CPU, where it is kept.
        measured: the scan; after the first call it says whether its profile is explained.
        better: a coarse axis that explains the scan far better than the assumed one, if any.
    """

    def __init__(
        self, denoise: Denoise, upsampled: Upsampled, measured: Measured, *, keep: bool = False
    ) -> None:
        self.denoise, self.upsampled, self.measured, self.keep = denoise, upsampled, measured, keep
        self.first: Tensor | None = None
        self.better: AxisSampling | None = None
        self.looked = False

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """The denoised residual, where `denoise` left it; the first time, the look as well."""
        denoised = self.denoise(x, sigma)
        if self.keep and sigma >= SIGMA_MAX:
            self.first = denoised.to("cpu", copy=True)
        if not self.looked:
            self.looked = True
            residual = denoised.cpu() if self.first is None else self.first
            self.better = better_profile(
                lambda acquisition: self._misfit(residual, acquisition), self.upsampled.acquisition
            )
            self.measured = replace(self.measured, explained=self.better is None)
        return denoised

    def _misfit(self, residual: Tensor, acquisition: Acquisition) -> float:
        """Root mean square of A x - y, over the intensity gain."""
        square, count = 0.0, 0
        for chunk in chunks_of(self.upsampled.acquisition, step=EVERY):
            seen = acquire(self.upsampled.image(residual, chunk), acquisition)
            square += float((seen - self.upsampled.scan[chunk]).square().sum())
            count += seen.numel()
        return math.sqrt(square / count)


#: Profiles and widths over the slice spacing that are tried.
CANDIDATES = tuple(
    (profile, width) for profile in ("gaussian", "box") for width in (0.25, 0.5, 0.75, 1.0, 1.25)
)


#: A residual below this (root mean square over the intensity gain) needs no other explanation:
#: 0.003 with the true profile, 0.011 and more with a wrong one, on two heads.
EXPLAINED = 0.005


#: Another profile must leave this share of the assumed one's residual, and no more than `GOOD`:
#: where the model itself restores badly, none explains the scan and the assumed one is kept.
FAR_BETTER, GOOD = 0.7, 0.0066


def better_profile(
    misfit: Callable[[Acquisition], float], acquisition: Acquisition
) -> AxisSampling | None:
    """A coarse axis that explains the scan far better than the assumed one; None where none does.

    Args:
        misfit: root mean square of A x - y of an acquisition A, for the posterior mean x (not yet
            held) and the scan y, over the intensity gain.
        acquisition: assumed.
    """
    assumed = misfit(acquisition)
    if assumed < EXPLAINED:
        return None
    coarse = acquisition.axes[acquisition.coarse_axis]
    tried = {}
    for profile, width in CANDIDATES:
        axis = replace(coarse, profile=profile, width_mm=width * coarse.low_mm)
        axes = list(acquisition.axes)
        axes[acquisition.coarse_axis] = axis
        tried[axis] = misfit(Acquisition((axes[0], axes[1], axes[2])))
    best = min(tried, key=lambda axis: tried[axis])
    return best if tried[best] < min(FAR_BETTER * assumed, GOOD) else None

"""The first result of a sampler, held against the slice profile that was assumed."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.profile_fit import better_profile
from medsr.acquisition.resample import acquire
from medsr.diffusion.samplers import Denoise
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.restore.lifted import Lifted
from medsr.restore.measured import Measured
from medsr.restore.parts import parts_of

__all__ = ["FirstLook"]

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
        self, denoise: Denoise, lifted: Lifted, measured: Measured, *, keep: bool = False
    ) -> None:
        self.denoise, self.lifted, self.measured, self.keep = denoise, lifted, measured, keep
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
                lambda acquisition: self._misfit(residual, acquisition), self.lifted.acquisition
            )
            self.measured = replace(self.measured, explained=self.better is None)
        return denoised

    def _misfit(self, residual: Tensor, acquisition: Acquisition) -> float:
        """Root mean square of A x - y, over the intensity gain."""
        square, count = 0.0, 0
        for part in parts_of(self.lifted.acquisition, step=EVERY):
            seen = acquire(self.lifted.image(residual, part), acquisition)
            square += float((seen - self.lifted.scan[part]).square().sum())
            count += seen.numel()
        return math.sqrt(square / count)

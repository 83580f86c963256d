"""The first result of a sampler, held against the slice profile that was assumed."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from medsr.acquisition.acquisition import AxisSampling
from medsr.acquisition.profile_fit import better_profile
from medsr.diffusion.samplers import Denoise
from medsr.restore.measured import Measured

__all__ = ["FirstLook"]


class FirstLook:
    """A denoiser whose first result, the posterior mean, is held against the assumed profile.

    Attributes:
        measured: the scan; after the first call it says whether its profile is explained.
        better: a coarse axis that explains the scan far better than the assumed one, if any.
    """

    def __init__(
        self,
        denoise: Denoise,
        lifted: Tensor,
        residual_std: float,
        measured: Measured,
    ) -> None:
        self.denoise, self.lifted, self.residual_std = denoise, lifted, residual_std
        self.measured = measured
        self.better: AxisSampling | None = None
        self.looked = False

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """The denoised image; the first time, the look as well."""
        denoised = self.denoise(x, sigma)
        if not self.looked:
            self.looked = True
            mean = self.lifted + denoised * self.residual_std
            acquisition = self.measured.projector.acquisition
            self.better = better_profile(mean, self.measured.scan, acquisition)
            self.measured = replace(self.measured, explained=self.better is None)
        return denoised

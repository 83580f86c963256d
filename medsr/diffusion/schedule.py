"""The noise levels of a sampler.

Variance-exploding notation of Karras et al. 2022 (arXiv:2206.00364): noisy = clean + sigma n with
n ~ N(0, 1). In medsr `clean` is the residual over the upsampled scan, divided by its standard
deviation over the training data, so sigma_data = 1 everywhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medsr.errors import UsageError

__all__ = ["SIGMA_MAX", "sampling_sigmas", "training_sigmas"]

#: At SIGMA_MAX the noisy image says nothing (signal to noise 1 : 400), so that a denoiser
#: evaluated there returns the posterior mean given the condition alone.
SIGMA_MAX = 20.0

#: The levels after the first lie between these, evenly in the logarithm: above FIRST little is
#: decided, below LAST next to nothing is left to denoise. Chosen together with the first and last
#: step of `samplers.multistep`, so that a sample is as sharp as a scan
#: (docs/development/experiments.md, Few steps).
FIRST, LAST = 2.0, 0.05


def sampling_sigmas(steps: int) -> Tensor:
    """The `steps` + 1 levels from SIGMA_MAX down to 0: [steps + 1].

    Raises:
        UsageError: fewer than one step.

    >>> sampling_sigmas(1)
    tensor([20.,  0.])
    >>> sampling_sigmas(4)
    tensor([20.0000,  2.0000,  0.3162,  0.0500,  0.0000])
    """
    if steps < 1:
        raise UsageError(f"A sampler needs at least 1 step, not {steps}.")
    inner = torch.logspace(math.log10(FIRST), math.log10(LAST), steps - 1, dtype=torch.float64)
    return torch.cat([torch.tensor([SIGMA_MAX]), inner, torch.zeros(1)]).float()


def training_sigmas(
    count: int,
    *,
    log_mean: float,
    log_std: float,
    mean_fraction: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Noise levels to train on: log-normal (Karras et al. 2022, table 1), and SIGMA_MAX: [count].

    Args:
        count: how many.
        log_mean, log_std: of ln(sigma).
        mean_fraction: share of the levels put at SIGMA_MAX, where the posterior mean is learned.
        generator: source of randomness.
    """
    levels = torch.exp(log_mean + log_std * torch.randn(count, generator=generator))
    at_top = torch.rand(count, generator=generator) < mean_fraction
    return torch.where(at_top, torch.full_like(levels, SIGMA_MAX), levels).clamp(max=SIGMA_MAX)

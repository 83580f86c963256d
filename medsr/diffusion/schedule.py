"""Which noise levels are visited.

Variance-exploding notation of Karras et al. 2022 (arXiv:2206.00364): noisy = clean + sigma n with
n ~ N(0, 1). In medsr `clean` is the residual over the lifted scan, divided by its standard
deviation over the training data, so sigma_data = 1 everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medsr.errors import UsageError

__all__ = ["SIGMA_MAX", "SIGMA_MIN", "karras_sigmas", "training_sigmas"]

#: At SIGMA_MAX the noisy image says nothing (signal to noise 1 : 400), so that a denoiser
#: evaluated there returns the posterior mean given the condition alone.
SIGMA_MAX = 20.0
SIGMA_MIN = 0.1


def karras_sigmas(
    steps: int,
    *,
    sigma_min: float = SIGMA_MIN,
    sigma_max: float = SIGMA_MAX,
    rho: float = 7.0,
) -> Tensor:
    """The `steps` + 1 levels from sigma_max down to 0; Karras et al. 2022, eq. 5: [steps + 1].

    Raises:
        UsageError: fewer than one step.

    >>> karras_sigmas(1)
    tensor([20.,  0.])
    """
    if steps < 1:
        raise UsageError(f"A sampler needs at least 1 step, not {steps}.")
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    levels = (high + ramp * (low - high)) ** rho
    levels[0] = sigma_max
    return torch.cat([levels, levels.new_zeros(1)]).float()


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

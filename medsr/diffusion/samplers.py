"""Walking the probability-flow ODE from noise to an image.

    dx / dsigma = (x - D(x; sigma)) / sigma            (Karras et al. 2022, eq. 1 and 3)

A sampler is a pure function of (denoise, noise, sigmas): the noise comes in, nothing is drawn.
`denoise(x, sigma)` returns E[clean | x]; x may have any shape. With one step each returns
denoise(noise * sigma_max, sigma_max), the posterior mean.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
Sampler = Callable[[Denoise, Tensor, Tensor], Tensor]

__all__ = ["SAMPLERS", "Denoise", "Sampler", "euler", "heun", "multistep"]


def euler(denoise: Denoise, noise: Tensor, sigmas: Tensor) -> Tensor:
    """First order; the same as deterministic DDIM (Song et al. 2021, arXiv:2010.02502, eq. 12).

    Args:
        denoise: the model.
        noise: standard normal, any shape.
        sigmas: [steps + 1], falling, ending at 0.
    """
    x = noise * sigmas[0]
    for sigma, following in _pairs(sigmas):
        denoised = denoise(x, sigma)
        x = denoised + following / sigma * (x - denoised)
    return x


def heun(denoise: Denoise, noise: Tensor, sigmas: Tensor) -> Tensor:
    """Second order, two evaluations a step but the last (Karras et al. 2022, algorithm 1)."""
    x = noise * sigmas[0]
    for sigma, following in _pairs(sigmas):
        denoised = denoise(x, sigma)
        guess = denoised + following / sigma * (x - denoised)
        if following > 0:
            slope = (x - denoised) / sigma
            corrected = (guess - denoise(guess, following)) / following
            guess = x + (following - sigma) * (slope + corrected) / 2
        x = guess
    return x


def multistep(denoise: Denoise, noise: Tensor, sigmas: Tensor) -> Tensor:
    """Second order, one evaluation a step: DPM-Solver++(2M), Lu et al. 2022, arXiv:2211.01095.

    Their algorithm 2 in t = -ln(sigma): the denoised image is extrapolated from the last two.
    """
    x = noise * sigmas[0]
    before: Tensor | None = None
    last_step = 0.0
    for sigma, following in _pairs(sigmas):
        denoised = denoise(x, sigma)
        if following == 0:
            return denoised
        step = float(torch.log(torch.tensor(sigma / following)))
        blend = denoised
        if before is not None:  # (1 + c) denoised - c before, in the memory of the latter
            c = step / (2 * last_step)
            blend = before.mul_(-c).add_(denoised, alpha=1 + c)
        x = x.mul_(following / sigma).add_(blend, alpha=1 - following / sigma)
        before, last_step = denoised, step
    return x


#: The samplers that a user can name.
SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "multistep": multistep}


def _pairs(sigmas: Tensor) -> list[tuple[float, float]]:
    levels = [float(s) for s in sigmas]
    return list(pairwise(levels))

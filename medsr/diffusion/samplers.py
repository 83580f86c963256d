"""Samplers: integrate the probability-flow ODE from noise to an image.

    dx / dsigma = (x - D(x; sigma)) / sigma            (Karras et al. 2022, eq. 1 and 3)

A sampler is a pure function of (denoise, first, noise, sigmas): the noise comes in, nothing is
drawn, and no argument is changed. `denoise(x, sigma, k)` returns E[clean | x] for the k-th
evaluation, counted from 0; x may have any shape. `first` is evaluation 0, at sigma_max, where the
noise does not matter: the posterior mean. It is computed once for all samples. With one step each
sampler returns it.

A few steps of a deterministic sampler lose spread, so that its samples are blurred. For Gaussian
data of standard deviation S the share of the energy that is left can be computed: three steps of
DPM-Solver++(2M) on the levels of Karras et al., eq. 5, leave 0.26 of it (S = 0.5). `multistep`
leaves 0.78 to 1.28 from five steps on, for every S of 0.1 to 1.7, by its levels
(`schedule.sampling_sigmas`), its first and its last step; a test says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

Denoise = Callable[[Tensor, float, int], Tensor]
Sampler = Callable[[Denoise, Tensor, Tensor, Tensor], Tensor]

__all__ = ["SAMPLERS", "Denoise", "Sampler", "euler", "heun", "multistep"]


def euler(denoise: Denoise, first: Tensor, noise: Tensor, sigmas: Tensor) -> Tensor:
    """First order; the same as deterministic DDIM (Song et al. 2021, arXiv:2010.02502, eq. 12).

    Args:
        denoise: the model.
        first: its evaluation 0, at sigmas[0].
        noise: standard normal, any shape.
        sigmas: [steps + 1], falling, ending at 0.
    """
    x = noise * sigmas[0]
    for k, (sigma, following) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma, k) if k else first
        x = denoised + following / sigma * (x - denoised)
    return x


def heun(denoise: Denoise, first: Tensor, noise: Tensor, sigmas: Tensor) -> Tensor:
    """Second order, two evaluations a step but the last (Karras et al. 2022, algorithm 1)."""
    x = noise * sigmas[0]
    for k, (sigma, following) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma, 2 * k) if k else first
        guess = denoised + following / sigma * (x - denoised)
        if following > 0:
            slope = (x - denoised) / sigma
            corrected = (guess - denoise(guess, following, 2 * k + 1)) / following
            guess = x + (following - sigma) * (slope + corrected) / 2
        x = guess
    return x


#: The last step of `multistep` goes on along the line through its last two denoised images, by
#: this share of their distance: what the denoiser would still change below the last level. (Their
#: algorithm ends at the last denoised image: 0.) Chosen with the levels of `sampling_sigmas`.
BEYOND = 0.3


def multistep(
    denoise: Denoise, first: Tensor, noise: Tensor, sigmas: Tensor, *, sigma_data: float = 1.0
) -> Tensor:
    """Second order, one evaluation a step: DPM-Solver++(2M), Lu et al. 2022, arXiv:2211.01095.

    Their algorithm 2 in t = -ln(sigma): the denoised image is extrapolated from the last two. The
    first step, which has no image before it, is the exact one for Gaussian data around the
    denoised image; the last step, to sigma = 0, where t is infinite, extrapolates by `BEYOND`.

    Args:
        denoise, first, noise, sigmas: as in `euler`.
        sigma_data: standard deviation that the first step takes for the data's.
    """
    x = noise * sigmas[0]
    before: Tensor | None = None
    last_step = 0.0
    for k, (sigma, following) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma, k) if k else first
        step = math.log(sigma / following) if following else math.inf
        if before is None:
            variances = sigma_data**2 + following**2, sigma_data**2 + sigma**2
            blend, keep = denoised, math.sqrt(variances[0] / variances[1])
        else:
            c = step / (2 * last_step) if following else BEYOND
            blend, keep = (before * -c).add_(denoised, alpha=1 + c), following / sigma
        if following == 0:
            return blend
        x = x.mul_(keep).add_(blend, alpha=1 - keep)
        before, last_step = denoised, step
    return x


#: By name, for comparisons; medsr itself uses `multistep`.
SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "multistep": multistep}


def _pairs(sigmas: Tensor) -> list[tuple[float, float]]:
    levels = [float(s) for s in sigmas]
    return list(pairwise(levels))

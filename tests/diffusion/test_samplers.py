"""Gaussian data have an exact denoiser: D(x; s) = x S^2 / (S^2 + s^2), and an exact ODE solution:
x(0) = x(s_max) S / sqrt(S^2 + s_max^2). Errors must fall with the order of the method."""

import math

import pytest
import torch

from medsr.diffusion.samplers import SAMPLERS
from medsr.diffusion.schedule import SIGMA_MAX, sampling_sigmas, training_sigmas
from medsr.errors import UsageError

SPREAD = 0.5


def oracle(x, sigma, k=0):
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def error(name, steps):
    noise = torch.tensor([1.0], dtype=torch.float64)
    levels = torch.logspace(math.log10(SIGMA_MAX), -4, steps, dtype=torch.float64)
    sigmas = torch.cat([levels, torch.zeros(1)])
    exact = SIGMA_MAX * SPREAD / (SPREAD**2 + SIGMA_MAX**2) ** 0.5
    return abs(float(drawn(name, oracle, noise, sigmas)) - exact)


def drawn(name, denoise, noise, sigmas):
    """A sample, its first evaluation made beforehand; no argument is changed."""
    first = denoise(noise * sigmas[0], float(sigmas[0]), 0)
    before = first.clone(), noise.clone()
    result = SAMPLERS[name](denoise, first, noise, sigmas)
    assert torch.equal(first, before[0])
    assert torch.equal(noise, before[1])
    return result


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("multistep", 2)])
def test_order_of_accuracy(name, order):
    ratio = error(name, 64) / error(name, 128)
    assert 2**order * 0.8 < ratio < 2**order * 1.5


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_step_is_the_posterior_mean(name):
    noise = torch.tensor([1.0])
    got = drawn(name, oracle, noise, sampling_sigmas(1))
    assert float(got) == pytest.approx(float(oracle(noise * SIGMA_MAX, SIGMA_MAX)), rel=1e-5)


@pytest.mark.parametrize("steps", [5, 6, 8, 16])
@pytest.mark.parametrize("spread", [0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.7])
def test_few_steps_keep_the_spread(steps, spread):
    """Of Gaussian data: a sample has 0.78 to 1.28 of the energy that it should have."""

    def exact(x, sigma, k):
        return x * spread**2 / (spread**2 + sigma**2)

    got = drawn("multistep", exact, torch.tensor([1.0]), sampling_sigmas(steps))
    assert 0.78 < (float(got) / spread) ** 2 < 1.28


def test_levels_fall_to_zero():
    sigmas = sampling_sigmas(7)
    assert len(sigmas) == 8
    assert (sigmas[1:] < sigmas[:-1]).all()
    assert sigmas[-1] == 0
    with pytest.raises(UsageError):
        sampling_sigmas(0)


def test_training_levels_put_their_share_at_the_top():
    generator = torch.Generator().manual_seed(0)
    levels = training_sigmas(
        10_000, log_mean=-0.5, log_std=1.0, mean_fraction=0.5, generator=generator
    )
    assert float((levels == SIGMA_MAX).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(levels[levels < SIGMA_MAX].log().mean()) == pytest.approx(-0.5, abs=0.05)

"""Learning from other models' results."""

import torch

from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.training.teacher import Teachers
from tests.network.test_unet_and_checkpoint import small_denoiser


def mirrored_mean(denoiser: Denoiser, noisy, sigma, cond, features):
    plain = denoiser(noisy, sigma, cond, features)
    return (plain + denoiser(noisy.flip(2), sigma, cond.flip(2), features).flip(2)) / 2


def test_the_second_teacher_teaches_the_mean_only():
    every, mean = small_denoiser(0), small_denoiser(1)
    sigma = torch.tensor([SIGMA_MAX, 0.5])
    inputs = torch.randn(2, 1, 16, 16), sigma, torch.rand(2, 5, 16, 16), torch.rand(2, 4)
    taught = Teachers(every, mean, mean_unit=2.0)(*inputs)
    with torch.no_grad():
        first, second = mirrored_mean(every, *inputs), mirrored_mean(mean, *inputs)
    torch.testing.assert_close(taught[0], (first[0] + 2 * second[0]) / 2)
    torch.testing.assert_close(taught[1], first[1])
    assert not taught.requires_grad

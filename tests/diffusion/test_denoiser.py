"""The preconditioning, and what the posterior mean may depend on."""

import torch

from medsr.diffusion.schedule import SIGMA_MAX
from tests.network.test_unet import small_denoiser


def test_the_posterior_mean_depends_on_no_noise_field():
    denoiser, cond, features = small_denoiser(), torch.rand(1, 5, 16, 16), torch.rand(1, 4)
    noise = torch.randn(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for sigma, same in ((SIGMA_MAX, True), (2.0, False)):
        level = torch.tensor([sigma])
        first, second = (denoiser(sigma * n, level, cond, features) for n in noise)
        assert torch.equal(first, second) is same

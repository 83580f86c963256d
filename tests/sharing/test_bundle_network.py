"""The network of a bundle is the posterior mean that medsr computes."""

import torch

from medsr.diffusion.schedule import SIGMA_MAX
from medsr.sharing.bundle_network import PosteriorMean
from tests.network.test_unet_and_checkpoint import SMALL, small_denoiser


def test_it_is_the_denoiser_at_the_highest_noise_level():
    denoiser = small_denoiser()
    network = PosteriorMean(SMALL, 4)
    network.denoiser.load_state_dict(denoiser.state_dict())
    condition, features = torch.rand(2, 5, 16, 24), torch.randn(2, 4)
    channels = features[:, :, None, None].expand(-1, -1, 16, 24)
    noise = torch.randn(2, 1, 16, 24)  # without influence at this level
    with torch.no_grad():
        found = network(torch.cat([condition, channels], dim=1))
        wanted = denoiser(noise, torch.full((2,), SIGMA_MAX), condition, features)
    assert torch.allclose(found, wanted, atol=1e-6)
    assert wanted.std() > 0.01

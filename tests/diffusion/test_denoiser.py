"""The preconditioning, and what the posterior mean may depend on."""

import torch

from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.schedule import SIGMA_MAX
from tests.network.test_unet_and_checkpoint import small_denoiser


def test_the_posterior_mean_depends_on_no_noise_field():
    denoiser, cond, features = small_denoiser(), torch.rand(1, 5, 16, 16), torch.rand(1, 4)
    noise = torch.randn(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for sigma, same in ((SIGMA_MAX, True), (2.0, False)):
        level = torch.tensor([sigma])
        first, second = (denoiser(sigma * n, level, cond, features) for n in noise)
        assert torch.equal(first, second) is same


def test_a_network_of_its_own_makes_the_posterior_mean_alone():
    one, other = small_denoiser(0), small_denoiser(1)
    both = Denoiser(one.network, other.network)
    sigma = torch.tensor([SIGMA_MAX, 0.5, SIGMA_MAX])
    inputs = torch.randn(3, 1, 16, 16), sigma, torch.rand(3, 5, 16, 16), torch.rand(3, 4)
    with torch.no_grad():
        found, first, second = (denoiser(*inputs) for denoiser in (both, one, other))
    torch.testing.assert_close(found[1], first[1])
    torch.testing.assert_close(found[[0, 2]], second[[0, 2]])
    assert not torch.allclose(first, second)


def test_one_noise_level_goes_to_the_same_network_as_many():
    both = Denoiser(small_denoiser(0).network, small_denoiser(1).network).requires_grad_(False)
    noisy, cond = torch.randn(2, 1, 16, 16), torch.rand(2, 5, 16, 16)
    features = torch.rand(4)
    for level in (SIGMA_MAX, 0.5):
        found = both.at(level, features, torch.float32)(noisy, cond)
        wanted = both(noisy, torch.full((2,), level), cond, features.expand(2, -1))
        torch.testing.assert_close(found, wanted)


def test_no_scale_of_an_error_goes_beyond_all_numbers():
    # A bundled model that met pure noise gave ln 300: infinite, and so was the interval.
    def network(image, c_noise, features):
        return torch.cat(
            [torch.zeros_like(image[:, :1]), 300 * features[:, :1, None, None] + image[:, :1]], 1
        )

    denoiser = Denoiser(network)
    features = torch.tensor([[1.0, 0], [-1.0, 0], [0.0, 0]])
    _, scale = denoiser.mean_and_scale(torch.rand(3, 5, 4, 4), features)
    assert bool(scale.isfinite().all())
    assert bool((scale > 0).all())
    assert float(scale[0].min()) > 50 * float(scale[2].mean()) > 50 * float(scale[1].max())

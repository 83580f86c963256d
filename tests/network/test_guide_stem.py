"""Guides in the network: a new stem changes nothing, zeros are no guide, order does not matter."""

import pytest
import torch

from medsr.acquisition.guided import GUIDE_CHANNELS
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.errors import InputError, UsageError
from medsr.network.build import build_denoiser, build_network
from medsr.network.checkpoint import load_model, save_model
from medsr.training.initialise import blend
from tests.network.test_unet_and_checkpoint import SMALL, card, small_denoiser

GUIDED = {**SMALL, "guides": True, "mean_network": True}


def guided_denoiser(seed=0, zero=False):
    torch.manual_seed(seed)
    denoiser = build_denoiser(GUIDED, 4)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    if zero:
        torch.nn.init.zeros_(denoiser.mean_network.guide_stem.second.weight)
    return denoiser.eval()


def inputs(guides, count=2):
    generator = torch.Generator().manual_seed(3)
    condition = torch.randn(count, 5, 12, 18, generator=generator)
    channels = torch.rand(count, guides * GUIDE_CHANNELS, 12, 18, generator=generator)
    return condition, channels, torch.randn(count, 4, generator=generator)


def mean_of(denoiser, condition, features):
    nothing, sigma = torch.zeros_like(condition[:, :1]), torch.full((2,), SIGMA_MAX)
    with torch.no_grad():
        return denoiser(nothing, sigma, condition, features)


def test_a_new_stem_and_a_guide_of_zeros_change_no_bit():
    condition, channels, features = inputs(2)
    for denoiser, guides in ((guided_denoiser(zero=True), channels), (guided_denoiser(), 0)):
        without = mean_of(denoiser, condition, features)
        both = torch.cat([condition, channels * 0 + guides], dim=1)
        assert torch.equal(mean_of(denoiser, both, features), without)


def test_the_order_of_guides_does_not_matter_and_a_guide_counts():
    condition, channels, features = inputs(2)
    denoiser = guided_denoiser()
    swapped = torch.cat([channels[:, GUIDE_CHANNELS:], channels[:, :GUIDE_CHANNELS]], dim=1)
    one, two = (
        mean_of(denoiser, torch.cat([condition, guides], dim=1), features)
        for guides in (channels, swapped)
    )
    assert torch.allclose(one, two, atol=1e-5)
    assert not torch.allclose(one, mean_of(denoiser, condition, features), atol=1e-3)


def test_an_absent_guide_beside_another_changes_nothing():
    condition, channels, features = inputs(1)
    denoiser = guided_denoiser()
    alone = mean_of(denoiser, torch.cat([condition, channels], dim=1), features)
    padded = torch.cat([condition, channels, torch.zeros_like(channels)], dim=1)
    assert torch.allclose(mean_of(denoiser, padded, features), alone, atol=1e-6)


def test_the_network_of_samples_does_not_look_at_guides():
    condition, channels, features = inputs(1)
    denoiser, sigma = guided_denoiser(), torch.ones(2)
    noisy = torch.zeros_like(condition[:, :1])
    with torch.no_grad():
        with_guide = denoiser(noisy, sigma, torch.cat([condition, channels], dim=1), features)
        assert torch.equal(with_guide, denoiser(noisy, sigma, condition, features))


def test_a_fixed_level_gives_the_same():
    condition, channels, features = inputs(1)
    features = features[:1].expand(2, -1)
    both = torch.cat([condition, channels], dim=1)
    denoiser = guided_denoiser()
    fixed = denoiser.at(SIGMA_MAX, features[0], torch.float32)
    with torch.no_grad():
        found = fixed(torch.zeros_like(both[:, :1]), both)
    assert torch.allclose(found, mean_of(denoiser, both, features), atol=1e-4)


def test_a_blend_keeps_the_new_stem(tmp_path):
    torch.manual_seed(1)
    plain = build_denoiser({**GUIDED, "guides": False}, 4)
    path = tmp_path / "plain.safetensors"
    save_model(plain, card(network={**GUIDED, "guides": False}), path)
    guided = guided_denoiser()
    before = {name: value.clone() for name, value in guided.state_dict().items()}
    blend(guided, path, 0.25)
    for name, value in guided.state_dict().items():
        start = plain.state_dict().get(name, before[name])
        assert torch.allclose(value, 0.75 * before[name] + 0.25 * start, atol=1e-6)


def test_models_with_and_without_a_stem_are_kept_apart(tmp_path):
    path = tmp_path / "guided.safetensors"
    save_model(guided_denoiser(), card(network=GUIDED), path)
    loaded, _ = load_model(path)
    assert loaded.mean_network.guide_stem is not None
    assert loaded.network.guide_stem is None
    save_model(small_denoiser(), card(network={**SMALL, "guides": True}), path)
    with pytest.raises(InputError, match="do not fit"):
        load_model(path)
    with pytest.raises(UsageError, match="no guides"):
        build_network({**SMALL, "kind": "monai"}, 4, guided=True)

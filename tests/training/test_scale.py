"""The scale head learns a quantile of the error; nothing else of the model changes."""

import dataclasses

import pytest
import torch

from medsr.acquisition.conditioning import FEATURES
from medsr.config import load_config
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.errors import UsageError
from medsr.network.build import build_denoiser
from medsr.network.checkpoint import load_model, save_model, weights_digest
from medsr.training import scale as room
from medsr.training.initialise import begin_with
from medsr.training.scale import LEAST_ERROR, laplace, learn_scale
from medsr.training.stages import State, load_stages, run_stages, state_of
from tests.network.test_unet_and_checkpoint import card
from tests.training.pages import SMALL_NETWORK, small_page, write_page, write_scans

NETWORK = {**SMALL_NETWORK, "mean_network": True}


@pytest.fixture
def folder(tmp_path):
    """One stage, of a model with random weights."""
    write_scans(tmp_path)
    write_page(tmp_path / "base.yaml", small_page(tmp_path))
    torch.manual_seed(0)
    denoiser = build_denoiser(NETWORK, FEATURES)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    start = tmp_path / "start.safetensors"
    save_model(denoiser, dataclasses.replace(card(), network=NETWORK, features=FEATURES), start)
    page = {"extends": "../base.yaml", "kind": "scale", "weights": str(start)}
    page["optimizer"] = {"learning_rate": 0.01}
    write_page(tmp_path / "tiny" / "01-scale.yaml", page)
    return tmp_path / "tiny"


def test_the_loss_is_least_at_the_mean_absolute_error():
    error = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    grid = torch.linspace(-2, 2, 401)
    losses = torch.stack([laplace(level.expand(error.shape), error) for level in grid])
    best = float(grid[losses.argmin()].exp())
    assert best == pytest.approx(float(error.abs().mean()) + LEAST_ERROR, rel=0.01)


def test_only_the_scale_is_new(folder):
    start, before = load_model(folder.parent / "start.safetensors")
    lines = []
    model, after = load_model(run_stages(load_stages(folder), lines.append))
    assert after.network == {**NETWORK, "scale_head": True}
    assert after.training["scale_head"]["steps"] == 7
    assert after.residual_std == before.residual_std
    weights = model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in start.state_dict().items())
    cond, features = torch.rand(2, 7, 16, 16), torch.rand(2, FEATURES)
    mean, scale = model.mean_and_scale(cond, features)
    sigma = torch.full((2,), SIGMA_MAX)
    assert torch.equal(mean, start(torch.zeros(2, 1, 16, 16), sigma, cond, features))
    assert mean.shape == scale.shape
    assert scale.min() > 0
    assert float(scale.std()) > 0  # it has learned something of the place


def test_it_goes_on_from_its_checkpoint_as_if_not_stopped(folder, monkeypatch):
    whole = load_stages(folder, [f"out={folder.parent}/whole"])
    expected = weights_digest(run_stages(whole, print))
    loss, calls = room._loss, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return loss(*given)

    (stage,) = load_stages(folder)
    with monkeypatch.context() as patch:
        patch.setattr(room, "_loss", dies)
        with pytest.raises(KeyboardInterrupt):
            run_stages([stage], print)
    assert state_of(stage) is State.STARTED
    assert weights_digest(run_stages([stage], print)) == expected
    assert state_of(stage) is State.DONE


def test_a_model_with_a_scale_head_gets_no_second_one(folder):
    weights = run_stages(load_stages(folder), print)
    config = load_config(folder.parent / "base.yaml")
    with pytest.raises(UsageError, match="has a scale head already"):
        learn_scale(config, weights, weights.with_name("again.safetensors"), print)


def test_a_training_can_start_from_a_model_with_a_scale_head(folder):
    weights = run_stages(load_stages(folder), print)
    config = load_config(folder.parent / "base.yaml", ["network.mean_network=true"])
    fresh = build_denoiser(NETWORK, FEATURES)
    begin_with(fresh, weights, config, [])
    start, _ = load_model(weights)
    assert torch.equal(fresh.mean_network.stem.weight, start.mean_network.stem.weight)

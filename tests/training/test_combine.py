"""The samples of one model and the posterior mean of another in one file."""

import pytest
import torch

from medsr.errors import UsageError
from medsr.network.build import build_denoiser
from medsr.network.checkpoint import load_model, save_model
from medsr.training.combine import combine
from tests.network.test_unet_and_checkpoint import SMALL, card

RANGES = {"factor": [2, 6]}
PLAIN = {**SMALL, "mean_network": True}


def saved(folder, name, network, seed, people=("anna",)):
    torch.manual_seed(seed)
    denoiser = build_denoiser(network, 4)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    path = folder / f"{name}.safetensors"
    data = {"train": [{"scan": f"{person}.nii", "person": person} for person in people]}
    made = card(name=name, network=network, ranges=RANGES, data=data, people=len(people))
    save_model(denoiser, made, path)
    return path


def test_guides_and_scale_of_the_mean_are_kept_beside_plain_samples(tmp_path):
    samples = saved(tmp_path, "samples", PLAIN, 1)
    mean = saved(tmp_path, "mean", {**PLAIN, "guides": True, "scale_head": True}, 2)
    combine(samples, mean, tmp_path / "both.safetensors")
    both, made = load_model(tmp_path / "both.safetensors")
    assert made.network["guides"]
    assert made.network["scale_head"]
    found = both.state_dict()
    for path, prefix in ((samples, "network."), (mean, "mean_network.")):
        wanted = {
            k: v for k, v in load_model(path)[0].state_dict().items() if k.startswith(prefix)
        }
        assert wanted
        assert all(torch.equal(found[key], value) for key, value in wanted.items())


def test_the_card_names_everybody_that_either_network_learned_from(tmp_path):
    samples = saved(tmp_path, "samples", PLAIN, 1, people=("anna", "ben"))
    mean = saved(tmp_path, "mean", PLAIN, 2, people=("ben", "carl", "dora"))
    combine(samples, mean, tmp_path / "both.safetensors")
    made = load_model(tmp_path / "both.safetensors")[1]
    assert made.people == 4
    assert [scan["person"] for scan in made.data["train"]] == ["ben", "carl", "dora", "anna"]


def test_networks_of_other_widths_are_refused(tmp_path):
    samples = saved(tmp_path, "samples", PLAIN, 1)
    wide = saved(tmp_path, "wide", {**PLAIN, "widths": [8, 24]}, 2)
    with pytest.raises(UsageError, match="cannot be combined"):
        combine(samples, wide, tmp_path / "both.safetensors")


def test_a_mean_without_a_network_of_its_own_is_refused(tmp_path):
    samples = saved(tmp_path, "samples", PLAIN, 1)
    alone = saved(tmp_path, "alone", dict(SMALL), 2)
    with pytest.raises(UsageError, match="no separate posterior-mean network"):
        combine(samples, alone, tmp_path / "both.safetensors")

"""The adaptation of a network to one scan, with a tiny model."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.resample import acquire
from medsr.intensity import scaling_for
from medsr.network.build import build_denoiser
from medsr.network.checkpoint import load_model
from medsr.restore import adapt as module
from medsr.restore.adapt import Budget, adapt, pairs_of, tune
from medsr.restore.adapt_pairs import ONE_OF, can_be_adapted, central_part, stacks_of
from medsr.restore.adaptation import adaptation_of
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.own_reference import measured_planes
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.volume.volume import Volume
from tests.conftest import smooth_head
from tests.network.test_unet_and_checkpoint import SMALL, card, small_denoiser

RUNNING = Running(dtype=torch.float32)
CPU = torch.device("cpu")


@pytest.fixture
def scan():
    """40 x 44 voxels of 1 mm, 10 slices of 4 mm, with something to learn from."""
    fine = torch.from_numpy(smooth_head((40, 44, 40)))
    thick = Volume(np.zeros((40, 44, 10), np.float32), np.diag([1.0, 1.0, 4.0, 1.0]), "MR")
    thick = replace(thick, slice_axis=2, slice_thickness_mm=4.0, name="scan")
    return replace(thick, voxels=acquire(fine, for_scan(thick, (1.0, 1.0, 1.0))).numpy())


def plan_of(scan, **options):
    return Plan(scan, for_scan(scan, (1.0, 1.0, 1.0)), Options(**options))


def model():
    """A model that does harm at first: there is something to gain."""
    return small_denoiser(), replace(card(), residual_std=0.05)


def cubic():
    """A model that leaves the upsampled scan as it is."""
    denoiser, page = model()
    for weight in denoiser.network.head.parameters():
        torch.nn.init.zeros_(weight)
    return denoiser, page


@pytest.fixture
def twelve_steps(monkeypatch):
    """Steps instead of seconds: a busy machine must not change what is tested."""
    monkeypatch.setattr("medsr.restore.enhancer.Budget", lambda seconds: Budget(600.0, steps=12))


def weights_of(denoiser):
    return {name: value.clone() for name, value in denoiser.state_dict().items()}


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_what_is_kept_aside_is_measured_and_no_slice_near_it_is_learned_from(scan):
    plan = plan_of(scan)
    fine = torch.from_numpy(smooth_head((40, 44, 40)))
    stacks = stacks_of(fine, plan.acquisition, scaling_for("MR", scan.voxels))
    planes = measured_planes(plan.acquisition.axes[2])
    assert [stack.upsampled.shape for stack in stacks] == [(40, 44, 40), (40, 40, 44)]
    for stack in stacks:
        kept = stack.kept.tolist()
        assert kept == [planes[2], planes[7]]
        apart = min(abs(k - t) for k in kept for t in stack.train.tolist())
        assert apart >= 2
        assert len(stack.train) == 40 * (ONE_OF - 1) // ONE_OF


def test_the_residual_leads_from_the_degraded_scan_to_the_sharp_one(scan):
    fine = torch.from_numpy(smooth_head((40, 44, 40)))
    scaling = scaling_for("MR", scan.voxels)
    stack = stacks_of(fine, plan_of(scan).acquisition, scaling)[0]
    restored = (stack.upsampled + stack.residual) * scaling.gain
    assert torch.allclose(restored, fine.permute(2, 1, 0), atol=1e-3)
    assert float(stack.residual.square().mean()) > 0


def test_a_part_lies_around_the_anatomy_and_is_no_larger_than_asked(scan):
    voxels = np.zeros((200, 180, 30), np.float32)
    voxels[120:190, 20:90, 5:25] = 100.0
    large = replace(scan, voxels=voxels)
    part = central_part(plan_of(large), 64_000)
    assert np.prod(part.acquisition.fine_shape) == pytest.approx(64_000, rel=0.15)
    assert part.volume.shape == tuple(axis.low_count for axis in part.acquisition.axes)
    assert np.asarray(part.volume.voxels).mean() > 80
    whole = central_part(plan_of(scan), 1e9)
    assert whole.acquisition == plan_of(scan).acquisition


@pytest.mark.parametrize("shape", [(40, 44, 4), (12, 44, 10)])
def test_a_scan_with_nothing_to_keep_aside_is_not_adapted(scan, shape):
    small = replace(scan, voxels=np.asarray(scan.voxels)[tuple(slice(n) for n in shape)].copy())
    denoiser, page = model()
    assert not can_be_adapted(plan_of(small).acquisition)
    tuned = adapt([plan_of(small)], denoiser, page, RUNNING, Budget(5.0, steps=1))
    assert tuned.denoiser is denoiser
    assert (tuned.steps, tuned.kept) == (0, False)


def test_an_adaptation_helps_on_what_was_kept_aside_and_leaves_the_model_alone(scan):
    denoiser, page = model()
    before = weights_of(denoiser)
    tuned = adapt([plan_of(scan)], denoiser, page, RUNNING, Budget(600.0, steps=15))
    assert (tuned.steps, tuned.kept) == (15, True)
    assert tuned.gain_db > module.LEAST_GAIN_DB
    assert same(before, weights_of(denoiser))
    assert not same(before, weights_of(tuned.denoiser))
    assert not any(weight.requires_grad for weight in tuned.denoiser.parameters())


def test_only_the_network_of_the_posterior_mean_moves(scan):
    denoiser, page = model()
    both = copy.deepcopy(denoiser)
    both.mean_network = copy.deepcopy(denoiser.network)
    tuned = adapt([plan_of(scan)], both, page, RUNNING, Budget(600.0, steps=10))
    assert same(weights_of(both.network), weights_of(tuned.denoiser.network))
    assert not same(weights_of(both.mean_network), weights_of(tuned.denoiser.mean_network))


def test_a_scale_head_stays_as_it_is(scan):
    settings = {**SMALL, "scale_head": True}
    torch.manual_seed(0)
    denoiser = build_denoiser(settings, 4).eval().requires_grad_(False)
    page = replace(card(network=settings), residual_std=0.05)
    tuned = adapt([plan_of(scan)], denoiser, page, RUNNING, Budget(600.0, steps=3))
    assert tuned.steps == 3
    heads = (model.network.scale_head.state_dict() for model in (denoiser, tuned.denoiser))
    assert same(*heads)
    assert not same(weights_of(denoiser), weights_of(tuned.denoiser))


def test_a_harmful_adaptation_is_discarded(scan):
    denoiser, page = cubic()
    stacks = pairs_of(plan_of(scan), denoiser, page, RUNNING, Budget(60.0), 1)
    wrong = [replace(stack, residual=stack.residual.clone()) for stack in stacks]
    for stack in wrong:  # what it learns from is the contrary of what it is checked on
        stack.residual[stack.train] *= -5
    tuned = tune(wrong, denoiser, page, RUNNING, Budget(600.0, steps=30))
    assert tuned.steps == 30
    assert tuned.gain_db < 0
    assert not tuned.kept


@pytest.fixture
def clock(monkeypatch):
    """A clock that the work alone moves on: by a second for each call of the network."""
    found = SimpleNamespace(now=0.0)
    plain, enhance = module._loss, module.restore

    def slow_loss(*words):
        found.now += 1.0
        return plain(*words)

    def slow_restore(plan, denoiser, page, running):
        for share in (0.25, 0.5, 0.75, 1.0):
            found.now += 1.0
            running.progress(share)
        return enhance(plan, denoiser, page, running)

    monkeypatch.setattr(module, "_loss", slow_loss)
    monkeypatch.setattr(module, "restore", slow_restore)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [
        (2.0, 0),  # ends while the scan is enhanced
        (5.5, 0),  # ends in the first check
        (12.0, 0),  # ends in the first step: the check after it is reserved
        (15.0, 1),  # 4 s to enhance, 2 s to check, 6 s a step, 2 s to check
        (60.0, 8),
    ],
)
def test_the_time_is_kept(scan, clock, seconds, steps):
    denoiser, page = model()
    tuned = adapt([plan_of(scan)], denoiser, page, RUNNING, Budget(seconds, began=0.0))
    assert clock.now <= seconds + 0.5  # what is under way is ended
    assert tuned.steps == steps
    assert (tuned.gain_db != 0) == (steps > 0)


def test_the_rate_falls_to_nothing_over_the_steps():
    budget = Budget(1000.0, steps=4)
    shares = [budget.share(step, 0.0) for step in range(5)]
    assert shares == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.01)


def test_an_enhancement_says_how_its_model_was_adapted(scan, twelve_steps):
    denoiser, page = model()
    enhancer = Enhancer(denoiser, page, CPU, "0" * 64)
    shares = []
    plan = plan_of(scan, adapt_s=3.0)
    enhanced = enhancer.run(plan, shares.append)
    facts = enhanced.record.to_json()
    assert facts["AdaptationSteps"] == 12
    assert facts["AdaptationKept"] is True
    assert facts["BaseModelSHA256"] == "0" * 64
    assert facts["ModelSHA256"] != "0" * 64
    assert facts["ModelSettingsSHA256"] == page.settings_digest
    assert any("kept aside gained" in remark.text for remark in enhanced.remarks)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    plain = enhancer.run(replace(plan, options=Options()))
    assert "AdaptationKept" not in plain.record.to_json()
    assert not np.array_equal(plain.volume.voxels, enhanced.volume.voxels)


def test_without_time_the_result_is_that_of_the_model(scan):
    denoiser, page = model()
    enhancer = Enhancer(denoiser, page, CPU, "0" * 64)
    enhanced = enhancer.run(plan_of(scan, adapt_s=0.001))
    plain = enhancer.run(plan_of(scan))
    assert np.array_equal(plain.volume.voxels, enhanced.volume.voxels)
    facts = enhanced.record.to_json()
    assert (facts["AdaptationKept"], facts["AdaptationSteps"]) == (False, 0)
    assert facts["ModelSHA256"] == "0" * 64
    assert any("too short" in remark.text for remark in enhanced.remarks)


def test_what_did_not_help_is_not_used(scan, twelve_steps, monkeypatch):
    denoiser, page = model()
    monkeypatch.setattr(module, "LEAST_GAIN_DB", 100.0)
    enhancer = Enhancer(denoiser, page, CPU, "0" * 64)
    adapted = enhancer.adapted([plan_of(scan)], 2.0)
    assert adapted.adaptation.steps > 0
    assert not adapted.adaptation.kept
    assert (adapted.denoiser, adapted.digest, adapted.card) == (denoiser, "0" * 64, page)
    assert "gained too little" in adapted.adaptation.remark.text


def test_a_saved_model_gives_the_same_voxels_and_says_what_it_is(scan, twelve_steps, tmp_path):
    denoiser, page = model()
    plan = plan_of(scan)
    adapted = Enhancer(denoiser, page, CPU, "0" * 64).adapted([plan], 3.0)
    path = tmp_path / "knee.safetensors"
    adapted.save(path)
    again = Enhancer.from_pretrained(path, device="cpu")
    assert again.digest == adapted.digest
    assert again.card.name == "knee"
    found = adaptation_of(load_model(path)[1])
    assert found == adapted.adaptation
    assert found.base == "small"
    assert np.array_equal(again.run(plan).volume.voxels, adapted.run(plan).volume.voxels)

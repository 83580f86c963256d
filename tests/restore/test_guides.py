"""Guides of one scan: registered, checked on the scan's own slices, used or dropped."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.guided import DETAIL_UNIT, GUIDE_CHANNELS
from medsr.acquisition.resample import acquire
from medsr.errors import Refused, UsageError
from medsr.remarks import Meaning
from medsr.restore import guide_channels
from medsr.restore import guides as module
from medsr.restore.guide_channels import with_guides
from medsr.restore.guides import plan_with, remarks_on_guides
from medsr.restore.options import Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.restore.upsampled import Upsampled
from medsr.volume.volume import Volume
from tests.conftest import smooth_head
from tests.network.test_unet_and_checkpoint import SMALL, card

pytest.importorskip("SimpleITK")

SIDE, UNIT = 48, 0.05
CARD = card(network={**SMALL, "guides": True}, residual_std=UNIT)
FLOAT = Running(dtype=torch.float32)


class Follower:
    """Stands for a network: the residual is the detail that the guide explains."""

    def at(self, sigma, features, dtype):
        return lambda noisy, condition: (
            condition[:, 7:8].float() * DETAIL_UNIT / UNIT
            if condition.shape[1] == 5 + GUIDE_CHANNELS
            else torch.zeros_like(condition[:, :1]).float()
        )


@pytest.fixture(scope="module")
def head():
    voxels = smooth_head((SIDE,) * 3, 3)
    return voxels / voxels.max()


def thick(voxels):
    """Another contrast of a head in 4 mm slices, and its plan."""
    still = AxisSampling(SIDE, 1.0, SIDE, 1.0)
    acquisition = Acquisition((still, still, AxisSampling(SIDE, 1.0, SIDE // 4, 4.0, 4.0)))
    other = (400 * voxels * (1 - voxels)).astype(np.float32)
    low = acquire(torch.from_numpy(other), acquisition).numpy()
    affine = np.diag([1.0, 1.0, 4.0, 1.0])
    affine[2, 3] = 1.5
    scan = Volume(low, affine, modality="MR", name="thick", slice_axis=2)
    return Plan(replace(scan, slice_thickness_mm=4.0), acquisition, Options()), other


def fine(voxels, affine=None):
    return Volume(voxels.astype(np.float32), np.eye(4) if affine is None else affine, name="guide")


def turned(degrees, shift):
    """A rigid motion about the middle of the head."""
    angle, middle = np.radians(degrees), (SIDE - 1) / 2
    motion = np.eye(4)
    motion[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    motion[:3, 3] = np.full(3, middle) - motion[:3, :3] @ np.full(3, middle) + shift
    return motion


def run(plan, guides, **words):
    return restore(plan_with(plan, guides, CARD, **words), Follower(), CARD, FLOAT)


def error(found, truth):
    inner = (slice(6, -6),) * 3
    return float(np.square(np.asarray(found.volume.voxels) - truth)[inner].mean())


def test_a_guide_helps_and_is_used(head):
    plan, truth = thick(head)
    alone, guided = run(plan, []), run(plan, [fine(head)], registered=True)
    assert alone.guides == ()
    (used,) = guided.guides
    assert used.used
    assert used.gain_db > 0.3
    assert error(guided, truth) < 0.7 * error(alone, truth)
    (remark,) = remarks_on_guides(guided.guides)
    assert remark.meaning is Meaning.NOTE
    assert "as it lies by its header" in remark.text


def test_a_guide_that_had_moved_is_registered(head):
    plan, truth = thick(head)
    moved = fine(head, turned(4, [2.0, -1.0, 0.5]))
    found, believed = run(plan, [moved]), run(plan, [moved], registered=True)
    (used,) = found.guides
    assert used.registered
    assert abs(used.angle_deg - 4) < 0.7
    assert used.shift_mm == pytest.approx(np.sqrt(5.25), abs=0.5)
    assert used.after > used.before
    assert error(found, truth) < error(believed, truth)


def test_a_guide_that_does_not_help_is_dropped(head, monkeypatch):
    monkeypatch.setattr(module, "REFUSED", 0)
    plan, _ = thick(head)
    noise = np.random.default_rng(0).uniform(0, 1, head.shape)
    wrong = fine(1 + ndimage.gaussian_filter(noise, 2))
    alone, found = run(plan, []), run(plan, [wrong], registered=True)
    (used,) = found.guides
    assert not used.used
    assert np.array_equal(found.volume.voxels, alone.volume.voxels)
    (remark,) = remarks_on_guides(found.guides)
    assert "was not used" in remark.text


def test_what_has_nothing_in_common_is_refused(head):
    plan, _ = thick(head)
    noise = np.random.default_rng(0).uniform(1, 2, head.shape)
    with pytest.raises(Refused, match="could not be registered"):
        run(plan, [fine(noise)])
    far = np.eye(4)
    far[:3, 3] = 500
    with pytest.raises(Refused, match="lies beside"):
        run(plan, [fine(head, far)])
    aside = np.eye(4)
    aside[0, 3] = 40
    with pytest.raises(Refused, match="covers"):
        run(plan, [fine(head, aside)], registered=True)


def test_what_does_not_go_with_guides_is_said_before():
    plan, _ = thick(np.random.default_rng(0).uniform(0, 1, (SIDE,) * 3))
    guide = fine(np.ones((4, 4, 4)))
    with pytest.raises(UsageError, match="takes no guides"):
        plan_with(plan, [guide], card())
    with pytest.raises(UsageError, match="at most 3"):
        plan_with(plan, [guide] * 4, CARD)
    with pytest.raises(UsageError, match="leave out --sample"):
        plan_with(replace(plan, options=Options(sample=True)), [guide], CARD)
    with pytest.raises(UsageError, match="leave out --adapt"):
        plan_with(replace(plan, options=Options(adapt_s=5)), [guide], CARD)


def test_channels_do_not_depend_on_chunks(head, monkeypatch):
    plan, _ = thick(head)
    scan = torch.from_numpy(np.array(plan.volume.voxels)) / 100
    guide = torch.from_numpy(head), torch.ones(head.shape)
    upsampled = Upsampled.of(scan, plan.acquisition, UNIT)
    whole = with_guides(upsampled, [guide])
    monkeypatch.setattr(guide_channels, "VOXELS", 12 * SIDE**2)
    parts = with_guides(upsampled, [guide])
    assert whole.guides.shape == (GUIDE_CHANNELS, SIDE, SIDE, SIDE)
    assert torch.allclose(whole.guides, parts.guides, atol=2e-3)
    ((image, _),) = whole.images
    assert torch.equal(image, guide[0].half())

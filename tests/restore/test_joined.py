"""Two thick scans of one head, enhanced, become one image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.acquisition.stacks import moved_to
from medsr.errors import Refused, UsageError
from medsr.remarks import Meaning
from medsr.restore.enhancer import Enhancer
from medsr.restore.joined import check_can_join, joined, run_joined
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

pytest.importorskip("SimpleITK")

SIDE = 40


def thick(voxels, axis, gain=1.0):
    """A scan of touching 4 mm slices across one axis, and its plan."""
    axes = [AxisSampling(SIDE, 1.0, SIDE, 1.0) for _ in range(3)]
    axes[axis] = AxisSampling(SIDE, 1.0, SIDE // 4, 4.0, 4.0)
    acquisition = Acquisition((axes[0], axes[1], axes[2]))
    low = acquire(torch.from_numpy(voxels), acquisition).numpy() * np.float32(gain)
    affine = np.eye(4)
    affine[axis, axis], affine[axis, 3] = 4.0, 1.5
    scan = Volume(low, affine, modality="MR", name=f"axis {axis}", slice_axis=axis)
    return Plan(replace(scan, slice_thickness_mm=4.0), acquisition, Options())


@pytest.fixture(scope="module")
def head():
    return smooth_head((SIDE,) * 3, 3)


@pytest.fixture(scope="module")
def enhancer():
    return Enhancer.from_pretrained("mr-head")


def error(enhanced, head):
    inner = (slice(5, -5),) * 3
    return float(np.square(np.asarray(enhanced.volume.voxels) - head)[inner].mean())


def test_joined_is_nearer_to_the_truth_and_explains_both_scans(head, enhancer):
    alone = [enhancer.run(thick(head, axis)) for axis in (2, 0)]
    both = joined(alone, registered=True)
    assert error(both, head) < 0.7 * min(error(scan, head) for scan in alone)
    stacks = both.record.stacks
    assert [part.to_json()["InputSpacing"] for part in stacks] == [[1, 1, 4], [4, 1, 1]]
    assert max(part.residual for part in stacks) < 0.02
    assert both.volume.voxels.min() >= 0
    assert both.half_width is None
    findings = both.record.to_json()
    assert findings["RootMeanSquareResidual"] == stacks[0].to_json()["RootMeanSquareResidual"]


def test_intensities_of_another_scale_are_matched(head, enhancer):
    plans = [thick(head, 2), thick(head, 0, gain=3.0)]
    both = run_joined(enhancer, plans, registered=True)
    assert both.record.stacks[1].scale == pytest.approx(1 / 3, rel=0.02)
    same = run_joined(enhancer, [thick(head, 2), thick(head, 0)], registered=True)
    assert error(both, head) < 1.1 * error(same, head)


def test_a_motion_that_no_header_tells_is_found(head, enhancer):
    angle = np.radians(3)
    index = np.eye(4)
    index[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = np.full(3, (SIDE - 1) / 2)
    index[:3, 3] = middle - index[:3, :3] @ middle + (1.5, 0, 0)
    moved, _ = moved_to(head, index, head.shape)
    plans = [thick(head, 2), thick(moved, 0)]
    found = run_joined(enhancer, plans)
    still = run_joined(enhancer, plans, registered=True)
    part = found.record.stacks[1]
    assert part.angle_deg > 1  # hard to see on a head that is nearly a ball
    assert part.shift_mm == pytest.approx(1.5, abs=0.5)
    assert part.after > part.before
    assert error(found, head) < 0.8 * error(still, head)
    assert any("2 scans were joined" in r.text for r in found.remarks)


def test_what_does_not_look_alike_is_refused(head, enhancer):
    other = np.random.default_rng(0).random((SIDE,) * 3).astype(np.float32) * head.max()
    with pytest.raises(Refused, match="does not look like axis 2"):
        run_joined(enhancer, [thick(head, 2), thick(other, 0)], registered=True)


def test_what_lies_beside_is_refused(head, enhancer):
    plan = thick(head, 0)
    affine = plan.volume.affine.copy()
    affine[0, 3] += 500
    away = replace(plan, volume=replace(plan.volume, affine=affine))
    with pytest.raises(Refused, match="lies beside axis 2"):
        run_joined(enhancer, [thick(head, 2), away])


def test_doubt_is_said_of_scans_that_look_only_somewhat_alike(head, enhancer, monkeypatch):
    monkeypatch.setattr("medsr.restore.joined.DOUBTED", 0.9999)
    both = run_joined(enhancer, [thick(head, 2), thick(head, 0)], registered=True)
    assert [r.meaning for r in both.remarks if "Scan 2" in r.text] == [Meaning.DOUBT]


def test_a_joined_result_in_doubt_is_refused_where_asked(head, enhancer, monkeypatch):
    monkeypatch.setattr("medsr.restore.joined.DOUBTED", 1.1)
    options = Options(strict=True, no_self_check=True)
    plans = [replace(thick(head, axis), options=options) for axis in (2, 0)]
    with pytest.raises(Refused, match="Scan 2 looks only somewhat like the first"):
        run_joined(enhancer, plans, registered=True)


@pytest.mark.parametrize(
    ("options", "further", "words"),
    [
        (Options(steps=6), 1, "--sample"),
        (Options(interval=True), 1, "--interval"),
        (Options(null_space_map=True), 1, "--null-space-map"),
        (Options(), 6, "At most 6 scans"),
    ],
)
def test_what_joined_scans_cannot_have_is_said_first(options, further, words):
    check_can_join(options, 0)
    with pytest.raises(UsageError, match=words):
        check_can_join(options, further)

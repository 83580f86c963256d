"""On a case made by hand, every number moves the right way: blur, noise, shift, gain, a lesion."""

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from medsr.evaluation.compare import Measured, evaluate_pair
from medsr.metrics.shift import find_shift
from medsr.volume.volume import Volume

SHAPE = (60, 64, 56)
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])
FACTOR = 4


@cache
def truth():
    """A head of two tissues with folds and small structures, [X, Y, Z] float64."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    inside = (grid**2).sum(axis=0) < 0.75
    folds = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 2.0)
    x = inside * (400.0 + 250.0 * (folds > 0))
    return ndimage.gaussian_filter(x, 0.5) + inside * 8 * rng.standard_normal(SHAPE)


def lesion():
    x = truth().copy()
    places = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"))
    ball = ((places - np.reshape((34, 30, 26), (3, 1, 1, 1))) ** 2).sum(axis=0) <= 3.5**2
    x[ball] += 300.0
    return x


ESTIMATES = {
    "same": lambda: truth(),
    "noise": lambda: truth() + 40 * np.random.default_rng(1).standard_normal(SHAPE),
    "more noise": lambda: truth() + 80 * np.random.default_rng(1).standard_normal(SHAPE),
    "blur": lambda: ndimage.gaussian_filter(truth(), (0, 0, 1.5)),
    "more blur": lambda: ndimage.gaussian_filter(truth(), (0, 0, 2.5)),
    "half": lambda: ndimage.shift(truth(), (0, 0, 0.5), order=3, mode="nearest"),
    "bright": lambda: 1.08 * truth(),
    "lesion": lesion,
}


def volume(voxels, name="v"):
    return Volume(voxels.astype(np.float32), AFFINE, modality="MR", slice_axis=2, name=name)


def thick(voxels):
    return voxels.reshape(*SHAPE[:2], -1, FACTOR).mean(axis=-1)


@pytest.fixture(scope="module")
def found():
    low = Volume(thick(truth()).astype(np.float32), np.diag([1.0, 1, FACTOR, 1]), modality="MR")
    measured = Measured(low, 2, lambda v: thick(v.voxels))
    volumes = {label: volume(make(), label) for label, make in ESTIMATES.items()}
    return evaluate_pair(volumes["same"], volumes, measured=measured)


def test_the_reference_itself_is_perfect(found):
    perfect = {
        "psnr": np.inf,
        "ssim_3d": 1,
        "ms_ssim": 1,
        "gmsd": 0,
        "hfen": 0,
        "hf_ratio_2": 1,
        "bias": 0,
        "half_limits": 0,
        "proportional_bias": 0,
        "shift_mm": 0,
        "consistency": 0,
        "consistency_worst": 0,
    }
    for name, value in perfect.items():
        assert found.value("same", name) == pytest.approx(value, abs=1e-6), name
    own = {s.metric: s.value for s in found.reference_scores}
    assert found.value("same", "rise_slices") == own["rise_slices"]
    assert not found.rows[0].warnings


@pytest.mark.parametrize(
    ("less", "more"), [("noise", "more noise"), ("blur", "more blur"), ("same", "half")]
)
def test_more_harm_scores_worse_in_every_similarity(found, less, more):
    for name in ("psnr", "ssim_3d", "ssim_slice_mean", "ms_ssim"):
        assert found.value(less, name) > found.value(more, name), name
    for name in ("nrmse", "mae", "gmsd", "hfen", "half_limits"):
        assert found.value(less, name) < found.value(more, name), name


def test_blur_loses_detail_and_widens_edges_along_its_axis_alone(found):
    assert found.value("blur", "hf_ratio_2") < 0.2
    assert found.value("blur", "hf_ratio_0") > 3 * found.value("blur", "hf_ratio_2")
    own = {s.metric: s.value for s in found.reference_scores}
    assert found.value("blur", "rise_slices") > 1.5 * own["rise_slices"]
    assert found.value("more blur", "rise_slices") > found.value("blur", "rise_slices")
    grown = {n: found.value("blur", n) / own[n] for n in ("rise_slices", "rise_in_plane")}
    assert grown["rise_in_plane"] < 0.8 * grown["rise_slices"]
    assert found.value("blur", "proportional_bias") < -0.03
    assert found.value("blur", "consistency") > 0.01


def test_noise_adds_energy_along_every_axis_and_is_warned_of(found):
    for axis in range(3):
        assert found.value("more noise", f"hf_ratio_{axis}") > 1.25
    assert abs(found.value("noise", "bias")) < 1
    row = next(r for r in found.rows if r.label == "more noise")
    assert any("high-frequency energy" in w for w in row.warnings)


def test_a_shift_is_measured_and_warned_of_not_forgiven(found):
    row = next(r for r in found.rows if r.label == "half")
    assert row.shift_voxels == pytest.approx((0, 0, 0.5), abs=0.03)
    assert found.value("half", "shift_mm") == pytest.approx(0.5, abs=0.03)
    assert any("0.50 mm away" in w for w in row.warnings)
    assert found.value("half", "psnr") < 30
    assert found.value("half", "hf_ratio_0") > found.value("half", "hf_ratio_2")


def test_no_other_harm_is_taken_for_a_shift(found):
    for row in found.rows:
        if row.label != "half":
            assert max(map(abs, row.shift_voxels)) < 0.05, row.label


def test_a_gain_is_a_bias_and_a_slope_and_keeps_edges(found):
    inside = found.value("bright", "bias")
    assert inside == pytest.approx(0.08 * 500, rel=0.15)
    assert found.value("bright", "proportional_bias") == pytest.approx(2 * 0.08 / 2.08, rel=1e-3)
    assert found.value("bright", "hf_ratio_2") == pytest.approx(1.08**2, rel=1e-6)
    assert found.value("bright", "gmsd") < found.value("blur", "gmsd")
    assert found.value("bright", "consistency") == pytest.approx(0.08, rel=1e-3)
    row = next(r for r in found.rows if r.label == "bright")
    assert any("shifted or scaled" in w for w in row.warnings)


def test_a_false_lesion_hides_from_the_mean_but_not_from_the_worst_slice(found):
    assert found.value("lesion", "psnr") > 30  # the mean over the head hardly sees it
    assert found.value("lesion", "ssim_3d") > 0.98
    overall = found.value("lesion", "consistency")
    worst = found.value("lesion", "consistency_worst")
    assert overall > 0.005
    assert worst > 2 * overall


class TestShift:
    @pytest.mark.parametrize("shift", [(0.5, 0, 0), (0.25, -0.4, 0.7), (3, -2, 1.5)])
    def test_is_found_whatever_else_is_wrong(self, shift):
        rng = np.random.default_rng(2)
        y = ndimage.shift(truth(), shift, order=3, mode="nearest")
        y = 30 + 1.3 * ndimage.gaussian_filter(y, 1.0) + 10 * rng.standard_normal(SHAPE)
        found = find_shift(truth(), y, spacing_mm=(1, 1, 2))
        assert found.voxels == pytest.approx(shift, abs=0.05)
        assert found.mm == pytest.approx(np.linalg.norm(np.asarray(shift) * (1, 1, 2)), abs=0.1)
        assert found.matters

    def test_empty_images_have_none(self):
        flat = np.zeros((12, 12, 12))
        assert find_shift(flat, flat, spacing_mm=(1, 1, 1)).voxels == (0, 0, 0)

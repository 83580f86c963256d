"""Metrics against hand-computed numbers and laws; other programs are in test_oracles.py."""

import math
import warnings

import numpy as np
import pytest

from medsr.errors import Refused, UsageError
from medsr.metrics.fidelity import (
    SLAB,
    SSIM_RADIUS,
    mae,
    nrmse,
    psnr,
    ssim_3d,
    ssim_slice_mean,
    ssim_voxels,
)
from medsr.metrics.registry import METRICS

RANGE = 900.0
INSIDE = (slice(SSIM_RADIUS, -SSIM_RADIUS),) * 3


def pair(shape=(2 * SLAB + 15, 23, 19), noise=30.0, seed=0):
    """A smooth reference in 0..RANGE and a noisy estimate of it, float64."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    waves = [np.sin(a / (3 + i)) for i, a in enumerate(axes)]
    x = RANGE * (0.5 + sum(waves) / 6)
    return x, x + noise * rng.standard_normal(shape)


def blob(shape):
    return np.random.default_rng(7).random(shape) > 0.6


def measure(name, x, y, mask=None):
    known = {"data_range": RANGE, "axis": 1}
    metric = METRICS[name]
    return metric.function(x, y, mask=mask, **{key: known[key] for key in metric.needs})


FIDELITY = ("psnr", "ssim_3d", "ssim_slice_mean", "nrmse", "mae")
every_metric = pytest.mark.parametrize("name", FIDELITY)


class TestByHand:
    x = np.zeros((2, 2, 2))
    y = np.array([[[0.0, 3.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, -1.0]]])  # MSE = 10 / 8

    def test_psnr(self):
        expected = 10 * math.log10(100 / 1.25)  # 19.03 dB
        assert psnr(self.x, self.y, data_range=10) == pytest.approx(expected, abs=1e-12)
        assert expected == pytest.approx(19.0309, abs=1e-4)

    def test_nrmse(self):
        assert nrmse(self.x, self.y, data_range=10) == pytest.approx(math.sqrt(1.25) / 10)

    def test_mae(self):
        assert mae(self.x, self.y) == 0.5

    def test_mask_leaves_out_the_rest(self):
        mask = self.y != 0
        assert mae(self.x, self.y, mask=mask) == 2.0
        assert psnr(self.x, self.y, data_range=10, mask=mask) == pytest.approx(
            10 * math.log10(100 / 5)
        )

    @pytest.mark.parametrize("axis", [None, 0, 1, 2])
    def test_ssim_of_two_constants_is_the_luminance_term(self, axis):
        x, y = np.full((12, 13, 14), 60.0), np.full((12, 13, 14), 40.0)
        c1 = (0.01 * 100) ** 2
        expected = (2 * 60 * 40 + c1) / (60**2 + 40**2 + c1)  # 4801 / 5201
        found = (
            ssim_3d(x, y, data_range=100)
            if axis is None
            else ssim_slice_mean(x, y, data_range=100, axis=axis)
        )
        assert found == pytest.approx(expected, abs=1e-12)

    def test_ssim_of_a_negated_wave_is_about_minus_one(self):
        wave = np.resize([1.0, -1.0], (13, 13, 13))  # alternates along axis 2, mean about 0
        assert ssim_3d(wave, -wave, data_range=1e-3) < -0.99


class TestLaws:
    def test_psnr_falls_with_noise(self):
        found = [psnr(*pair(noise=n), data_range=RANGE) for n in (1, 5, 25, 125)]
        assert found == sorted(found, reverse=True)

    def test_five_times_the_error_costs_14_db(self):
        x, y = pair()
        loss = psnr(x, y, data_range=RANGE) - psnr(x, x + 5 * (y - x), data_range=RANGE)
        assert loss == pytest.approx(20 * math.log10(5), abs=1e-9)

    def test_psnr_and_nrmse_say_the_same(self):
        x, y = pair()
        assert psnr(x, y, data_range=RANGE) == pytest.approx(
            -20 * math.log10(nrmse(x, y, data_range=RANGE))
        )

    def test_ssim_falls_with_noise(self):
        found = [ssim_3d(*pair(noise=n), data_range=RANGE) for n in (1, 5, 25, 125)]
        assert found == sorted(found, reverse=True)

    @every_metric
    def test_symmetric(self, name):
        x, y = pair()
        assert measure(name, x, y) == pytest.approx(measure(name, y, x), rel=1e-12)

    @every_metric
    def test_a_mask_of_all_voxels_is_no_mask(self, name):
        x, y = pair()
        whole = np.ones(x.shape, dtype=bool)
        assert measure(name, x, y, whole) == pytest.approx(measure(name, x, y), rel=1e-12)

    @every_metric
    def test_integers_and_float32_are_summed_as_float64(self, name):
        x, y = (np.rint(v).astype(np.int16) for v in pair())
        expected = measure(name, x.astype(np.float64), y.astype(np.float64))
        assert measure(name, x, y) == pytest.approx(expected, rel=1e-12)
        found = measure(name, x.astype(np.float32), y.astype(np.float32))
        assert found == pytest.approx(expected, rel=1e-12)

    @every_metric
    def test_only_masked_voxels_count_where_no_window_reaches_out(self, name):
        x, y = pair()
        mask = np.zeros(x.shape, dtype=bool)
        mask[6:9, 6:9, 6:9] = True
        far = y.copy()
        far[20:] += 500.0  # more than 5 voxels away
        assert measure(name, x, far, mask) == measure(name, x, y, mask)
        assert measure(name, x, far) != measure(name, x, y)

    @every_metric
    def test_flipping_and_turning_both_changes_nothing(self, name):
        x, y = pair()
        turned = measure(name, x[::-1].transpose(2, 1, 0), y[::-1].transpose(2, 1, 0))
        assert turned == pytest.approx(measure(name, x, y), rel=1e-9)

    @pytest.mark.parametrize("name", ["psnr", "ssim_3d", "nrmse"])
    def test_scale_of_images_and_range_together_changes_nothing(self, name):
        x, y = pair()
        function = METRICS[name].function
        assert function(7 * x, 7 * y, data_range=7 * RANGE) == pytest.approx(
            function(x, y, data_range=RANGE), rel=1e-9
        )

    def test_ssim_alone_moves_with_a_constant_added_to_both(self):
        x, y = pair()
        y = y + 60  # too bright
        assert psnr(x - 450, y - 450, data_range=RANGE) == pytest.approx(
            psnr(x, y, data_range=RANGE), rel=1e-12
        )
        moved = ssim_3d(x - 450, y - 450, data_range=RANGE)
        assert abs(moved - ssim_3d(x, y, data_range=RANGE)) > 0.05

    def test_identical_volumes(self):
        x, _ = pair()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert psnr(x, x.copy(), data_range=RANGE) == math.inf
        assert nrmse(x, x.copy(), data_range=RANGE) == 0
        assert mae(x, x.copy()) == 0
        assert ssim_3d(x, x.copy(), data_range=RANGE) == pytest.approx(1, abs=1e-12)


class TestFaults:
    @pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf])
    @pytest.mark.parametrize("name", [n for n in FIDELITY if "data_range" in METRICS[n].needs])
    def test_range_must_be_positive(self, name, bad):
        x, y = pair((12, 12, 12))
        more = {"axis": 0} if "axis" in METRICS[name].needs else {}
        with pytest.raises(UsageError, match="data_range is"):
            METRICS[name].function(x, y, data_range=bad, **more)

    @pytest.mark.parametrize("name", [n for n in FIDELITY if "data_range" in METRICS[n].needs])
    def test_range_must_be_given(self, name):
        x, y = pair((12, 12, 12))
        with pytest.raises(TypeError, match="data_range"):
            METRICS[name].function(x, y)

    @every_metric
    def test_shapes_must_agree(self, name):
        x, y = pair((12, 12, 12))
        with pytest.raises(UsageError, match=r"shape \(12, 12, 12\), the estimate \(12, 12, 11\)"):
            measure(name, x, y[..., :-1])

    @every_metric
    def test_voxels_must_be_finite(self, name):
        x, y = pair((12, 12, 12))
        y[0, 0, 0] = np.nan
        with pytest.raises(UsageError, match="not a finite number"):
            measure(name, x, y)

    @every_metric
    def test_masks_must_be_bool_of_the_shape_and_not_empty(self, name):
        x, y = pair((12, 12, 12))
        for bad in (np.ones(x.shape), np.ones((12, 12, 11), dtype=bool)):
            with pytest.raises(UsageError, match="it must be bool of shape"):
                measure(name, x, y, bad)
        with pytest.raises(UsageError, match="empty"):
            measure(name, x, y, np.zeros(x.shape, dtype=bool))

    def test_a_thin_volume_has_slices_but_no_3d_window(self):
        x, y = pair((24, 23, 10))
        with pytest.raises(Refused, match="at least 11 voxels"):
            ssim_3d(x, y, data_range=RANGE)
        assert 0 < ssim_slice_mean(x, y, data_range=RANGE, axis=2) < 1
        with pytest.raises(Refused, match="at least 11 voxels"):
            ssim_slice_mean(x, y, data_range=RANGE, axis=0)

    def test_a_mask_at_the_border_alone_has_no_window(self):
        x, y = pair((24, 23, 19))
        mask = np.zeros(x.shape, dtype=bool)
        mask[:3] = True
        with pytest.raises(Refused, match="No voxel of the mask lies 5 voxels inside"):
            ssim_3d(x, y, data_range=RANGE, mask=mask)
        assert ssim_voxels(x.shape, mask) == 0

    def test_no_fourth_axis(self):
        x, y = pair((24, 23, 19))
        with pytest.raises(UsageError, match="axis is 3"):
            ssim_slice_mean(x, y, data_range=RANGE, axis=3)


def test_ssim_voxels_counts_what_is_averaged():
    mask = blob((30, 23, 19))
    assert ssim_voxels(mask.shape, mask) == int(mask[INSIDE].sum())
    assert ssim_voxels(mask.shape, mask, axis=1) == int(mask[5:-5, :, 5:-5].sum())
    assert ssim_voxels(mask.shape) == 20 * 13 * 9

"""Structure, detail, edges and agreement: other programs, closed forms, refusals."""

import warnings

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import linregress

from medsr.errors import Refused
from medsr.metrics import agreement, consistency, detail, sharpness, structure
from tests.metrics.test_fidelity import RANGE, blob, pair


def block(shape=(48, 52, 56)):
    """A bright box in the dark: edges along every axis."""
    x = np.full(shape, 100.0)
    x[12:36, 14:38, 16:40] = 800.0
    return x


class TestMsSsim:
    def test_is_that_of_monai(self):
        torch = pytest.importorskip("torch")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside third-party imports
            metrics = pytest.importorskip("monai.metrics")
        x, y = pair((46, 47, 50), noise=60.0)
        weights = tuple(w / sum(structure.MS_SSIM_WEIGHTS) for w in structure.MS_SSIM_WEIGHTS)
        metric = metrics.MultiScaleSSIMMetric(
            spatial_dims=3, data_range=RANGE, kernel_size=11, weights=weights
        )
        expected = float(metric(*(torch.from_numpy(v)[None, None] for v in (y, x))))
        assert structure.ms_ssim(x, y, data_range=RANGE) == pytest.approx(expected, abs=1e-5)

    def test_a_mask_of_all_voxels_is_no_mask(self):
        x, y = pair((46, 47, 50), noise=60.0)
        whole = np.ones(x.shape, dtype=bool)
        assert structure.ms_ssim(x, y, data_range=RANGE, mask=whole) == pytest.approx(
            structure.ms_ssim(x, y, data_range=RANGE), rel=1e-12
        )

    def test_a_thin_volume_is_refused(self):
        with pytest.raises(Refused, match="at least 44 voxels"):
            structure.ms_ssim(*pair((46, 47, 43)), data_range=RANGE)


class TestGmsd:
    def test_is_that_of_piq(self):
        """piq 0.8.0: gmsd(x, y, reduction="none", data_range=900.0) of six slices, their mean."""
        x, y = (v.clip(0, RANGE) for v in pair((40, 24, 6)))
        found = structure.gmsd(x, y, data_range=RANGE, axis=2)
        assert found == pytest.approx(0.009833257693147456, rel=1e-9)

    def test_slices_can_be_stacked_along_any_axis(self):
        x, y = pair((20, 24, 22))
        turned = structure.gmsd(x.T, y.T, data_range=RANGE, axis=0)
        assert turned == pytest.approx(structure.gmsd(x, y, data_range=RANGE, axis=2), rel=1e-9)

    def test_only_masked_slices_count(self):
        x, y = pair((20, 24, 22))
        mask = np.zeros(x.shape, dtype=bool)
        mask[..., :11] = True
        far = y.copy()
        far[..., 12:] += 500
        masked = structure.gmsd(x, far, data_range=RANGE, axis=2, mask=mask)
        assert masked == structure.gmsd(x, y, data_range=RANGE, axis=2, mask=mask)

    def test_a_mask_of_single_voxels_is_refused(self):
        x, y = pair((20, 24, 22))
        mask = np.zeros(x.shape, dtype=bool)
        mask[10, 10, 10] = True
        with pytest.raises(Refused, match="too thin for GMSD"):
            structure.gmsd(x, y, data_range=RANGE, axis=2, mask=mask)


class TestDetail:
    def test_hfen_is_the_relative_norm_under_the_filter(self):
        x, y = pair()
        mask = blob(x.shape)
        steps = np.arange(-7, 8)
        g = np.exp(-0.5 * (steps / 1.5) ** 2)
        g /= g.sum()
        g2 = g * (steps**2 / 1.5**4 - 1 / 1.5**2)

        def log(v):
            total = np.zeros_like(v)
            for axis in range(3):
                part = v
                for a in range(3):
                    part = ndimage.correlate1d(part, g2 if a == axis else g, axis=a)
                total += part
            return total[mask]

        expected = np.linalg.norm(log(x) - log(y)) / np.linalg.norm(log(x))
        assert detail.hfen(x, y, mask=mask) == pytest.approx(expected, rel=1e-9)

    def test_hfen_of_nothing_at_all_is_one(self):
        x, _ = pair()
        assert detail.hfen(x, np.zeros_like(x)) == pytest.approx(1.0)

    def test_the_ratio_is_the_square_of_an_amplitude(self):
        n = np.arange(64)
        fine = np.cos(2 * np.pi * 0.375 * n)  # above half of Nyquist
        coarse = np.cos(2 * np.pi * 0.125 * n)
        x = np.broadcast_to(coarse + fine, (5, 6, 64))
        y = np.broadcast_to(coarse + 0.5 * fine, (5, 6, 64))
        assert detail.high_frequency_ratio(x, y, axis=2) == pytest.approx(0.25, rel=1e-3)
        lost = np.broadcast_to(coarse, (5, 6, 64))
        assert detail.high_frequency_ratio(x, lost, axis=2) < 1e-6

    def test_parseval(self):
        x, _ = pair((8, 9, 32))
        frequencies, power = detail.line_power(x, axis=2)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)
        lines = (x - x.mean(axis=2, keepdims=True)) * window
        twice = power.copy()
        twice[1:-1] *= 2
        assert twice.sum() / 32 == pytest.approx((lines**2).sum(axis=2).mean())
        assert frequencies[-1] == 0.5

    def test_no_detail_in_the_reference_is_refused(self):
        flat = np.zeros((12, 12, 12))
        with pytest.raises(Refused, match="no detail above half of Nyquist"):
            detail.high_frequency_ratio(flat, flat, axis=0)
        with pytest.raises(Refused, match="constant"):
            detail.hfen(flat, flat)


class TestRise:
    @pytest.mark.parametrize("sigma_mm", [2.0, 3.0])
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_of_a_gaussian_edge_is_2_563_sigma(self, sigma_mm, axis):
        spacing = (0.9, 1.0, 1.2)
        x = block()
        sigma = [sigma_mm / spacing[a] if a == axis else 0 for a in range(3)]
        y = ndimage.gaussian_filter(x, sigma)
        found = sharpness.rise_mm(x, y, spacing_mm=spacing, axes=(axis,))
        # The profile ends 10 voxels away, and linear interpolation widens it a little.
        assert found == pytest.approx(2.563 * sigma_mm, rel=0.06)

    def test_of_a_step_is_0_8_voxels(self):
        x = block()
        assert sharpness.rise_mm(x, x, spacing_mm=(1, 1, 2), axes=(2,)) == pytest.approx(1.6)

    def test_across_slices_and_in_plane_look_at_different_axes(self):
        x = block()
        y = ndimage.gaussian_filter(x, (0, 0, 2))
        known = {"spacing_mm": (1.0, 1.0, 1.0), "axis": 2}
        assert sharpness.rise_in_plane(x, y, **known) == pytest.approx(0.8)
        assert sharpness.rise_across_slices(x, y, **known) == pytest.approx(5.126, rel=0.06)

    def test_an_estimate_without_edges_is_refused(self):
        x = block()
        with pytest.raises(Refused, match="Only 0 of the reference's"):
            sharpness.rise_mm(x, np.zeros_like(x), spacing_mm=(1, 1, 1), axes=(0,))


class TestAgreement:
    def test_bias_and_limits_of_gaussian_differences(self):
        x, y = pair(noise=30.0)
        y = y + 12.0
        d = (y - x).ravel()
        assert agreement.bias(x, y) == pytest.approx(d.mean())
        assert agreement.half_limits(x, y) == pytest.approx(1.96 * d.std())
        assert np.mean(np.abs(d - d.mean()) < agreement.half_limits(x, y)) == pytest.approx(
            0.95, abs=0.01
        )

    def test_the_slope_is_that_of_a_regression(self):
        x, y = pair(noise=30.0)
        mask = blob(x.shape)
        d, a = (y - x)[mask], 0.5 * (x + y)[mask]
        expected = linregress(a, d).slope
        assert agreement.proportional_bias(x, y, mask=mask) == pytest.approx(expected)

    def test_a_gain_of_g_has_the_slope_2_g_1_over_g_1(self):
        x, _ = pair()
        assert agreement.proportional_bias(x, 1.2 * x + 7) == pytest.approx(2 * 0.2 / 2.2)

    def test_two_constants_are_refused(self):
        flat = np.ones((4, 4, 4))
        with pytest.raises(Refused, match="no slope"):
            agreement.proportional_bias(flat, flat)


class TestConsistency:
    def test_one_bad_slice_is_found(self):
        y = np.ones((4, 5, 10))
        predicted = y.copy()
        predicted[..., 7] += 0.2
        assert consistency.residual(y, predicted) == pytest.approx(0.2 / np.sqrt(10))
        worst, index = consistency.worst_slice(y, predicted, axis=2)
        assert worst == pytest.approx(0.2)
        assert index == 7

    def test_an_even_error_is_the_same_in_every_slice(self):
        y = np.ones((4, 5, 10))
        worst, _ = consistency.worst_slice(y, 1.1 * y, axis=2)
        assert worst == pytest.approx(consistency.residual(y, 1.1 * y))

    def test_an_empty_scan_is_refused(self):
        with pytest.raises(Refused, match="zero everywhere"):
            consistency.residual(np.zeros((2, 2, 2)), np.ones((2, 2, 2)))

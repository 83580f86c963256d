"""Metrics against scikit-image, MONAI and torchmetrics, where they define the same thing."""

import doctest
import warnings
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import (
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from medsr.metrics.fidelity import (
    SLAB,
    SSIM_SIGMA,
    SSIM_WINDOW,
    nrmse,
    psnr,
    ssim_3d,
    ssim_slice_mean,
)
from tests.metrics.test_fidelity import INSIDE, RANGE, blob, pair

WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


class TestAgainstScikitImage:
    def test_psnr(self):
        x, y = pair()
        expected = peak_signal_noise_ratio(x, y, data_range=RANGE)
        assert psnr(x, y, data_range=RANGE) == pytest.approx(expected, abs=1e-10)

    def test_nrmse_up_to_its_own_normalisation(self):
        x, y = pair()
        expected = normalized_root_mse(x, y, normalization="min-max")
        assert nrmse(x, y, data_range=float(np.ptp(x))) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("shape", [(SLAB + 10, 12, 11), (SLAB + 11, 12, 11), (47, 23, 19)])
    def test_ssim_3d(self, shape):
        x, y = pair(shape)
        expected = structural_similarity(x, y, data_range=RANGE, **WANG)
        assert ssim_3d(x, y, data_range=RANGE) == pytest.approx(expected, abs=1e-12)

    def test_masked_ssim_3d_is_the_mean_of_its_map(self):
        x, y = pair()
        mask = blob(x.shape)
        _, whole = structural_similarity(x, y, data_range=RANGE, full=True, **WANG)
        expected = whole[INSIDE][mask[INSIDE]].mean()
        assert ssim_3d(x, y, data_range=RANGE, mask=mask) == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_ssim_slice_mean(self, axis):
        x, y = pair((40, 23, 19))
        expected = np.mean(
            [
                structural_similarity(a, b, data_range=RANGE, **WANG)
                for a, b in zip(np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0), strict=True)
            ]
        )
        found = ssim_slice_mean(x, y, data_range=RANGE, axis=axis)
        assert found == pytest.approx(expected, abs=1e-12)


class TestAgainstTorch:
    """MONAI's windows and torchmetrics' range are float32: agreement to 1e-5 there."""

    def tensors(self):
        torch = pytest.importorskip("torch")
        x, y = pair((24, 23, 19))
        return x, y, torch.from_numpy(x)[None, None], torch.from_numpy(y)[None, None]

    @pytest.fixture
    def monai_metrics(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside third-party imports
            return pytest.importorskip("monai.metrics")

    @pytest.fixture
    def torchmetrics_image(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside third-party imports
            return pytest.importorskip("torchmetrics.functional.image")

    def test_monai_psnr(self, monai_metrics):
        x, y, tx, ty = self.tensors()
        expected = float(monai_metrics.PSNRMetric(max_val=RANGE)(y_pred=ty, y=tx))
        assert psnr(x, y, data_range=RANGE) == pytest.approx(expected, abs=1e-9)

    def test_monai_ssim_3d(self, monai_metrics):
        x, y, tx, ty = self.tensors()
        metric = monai_metrics.SSIMMetric(
            spatial_dims=3, data_range=RANGE, win_size=SSIM_WINDOW, kernel_sigma=SSIM_SIGMA
        )
        expected = float(metric(y_pred=ty, y=tx))
        assert ssim_3d(x, y, data_range=RANGE) == pytest.approx(expected, abs=1e-5)

    def test_monai_ssim_of_slices(self, monai_metrics):
        x, y, tx, ty = self.tensors()
        metric = monai_metrics.SSIMMetric(spatial_dims=2, data_range=RANGE)
        slices = [t[0].permute(3, 0, 1, 2) for t in (ty, tx)]
        expected = float(metric(y_pred=slices[0], y=slices[1]).mean())
        found = ssim_slice_mean(x, y, data_range=RANGE, axis=2)
        assert found == pytest.approx(expected, abs=1e-5)

    def test_torchmetrics_psnr(self, torchmetrics_image):
        x, y, tx, ty = self.tensors()
        expected = float(torchmetrics_image.peak_signal_noise_ratio(ty, tx, data_range=RANGE))
        assert psnr(x, y, data_range=RANGE) == pytest.approx(expected, abs=1e-5)

    def test_torchmetrics_ssim_3d_agrees_inside_and_adds_mirrored_borders(
        self, torchmetrics_image
    ):
        x, y, tx, ty = self.tensors()
        mean, whole = torchmetrics_image.structural_similarity_index_measure(
            ty,
            tx,
            sigma=SSIM_SIGMA,
            kernel_size=SSIM_WINDOW,
            data_range=RANGE,
            return_full_image=True,
        )
        found = ssim_3d(x, y, data_range=RANGE)
        assert found == pytest.approx(float(whole[0, 0][INSIDE].mean()), abs=1e-12)
        assert found != pytest.approx(float(mean), abs=5e-4)


def test_the_examples_of_the_documentation_are_true():
    page = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 10
    assert found.failed == 0

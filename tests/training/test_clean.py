"""Scans without their noise."""

import numpy as np

from medsr.acquisition.noise import estimate_noise
from medsr.training.cases import load_clean
from medsr.training.clean import denoised
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head
from tests.training.test_cases import config  # noqa: F401


def noisy_head(sigma, shape=(60, 56, 58)):
    truth = smooth_head(shape, 1)
    noise = np.random.default_rng(1).normal(0, sigma, (2, *shape))
    return truth, np.hypot(truth + noise[0], noise[1]).astype(np.float32)


def test_noise_goes_and_edges_stay():
    truth, noisy = noisy_head(4)
    found = denoised(Volume(voxels=noisy, affine=np.eye(4), modality="MR"))
    body = truth > 0.3 * truth.max()
    before, after = ((v - truth)[body].std() for v in (noisy, found))
    assert after < 0.6 * before
    removed = (noisy - found)[body]
    slope = np.sqrt(sum(np.square(g) for g in np.gradient(truth)))[body]
    edges, flat = slope > np.quantile(slope, 0.9), slope < np.quantile(slope, 0.3)
    assert removed[edges].std() < 1.2 * removed[flat].std()


def test_a_scan_without_noise_stays():
    truth = np.zeros((40, 40, 40), np.float32)
    truth[8:32, 8:32, 8:32] = 100
    found = denoised(Volume(voxels=truth, affine=np.eye(4), modality="MR"))
    np.testing.assert_array_equal(found, truth)


def test_the_clean_scan_is_made_once(config, tmp_path, monkeypatch):  # noqa: F811
    case = config.data.train[1]
    volume = Volume(voxels=noisy_head(4, (40, 36, 38))[1], affine=np.eye(4))
    write_nifti(volume, tmp_path / "head.nii")
    first = load_clean(case, config.data, "MR")
    assert estimate_noise(first.voxels, 2, above=10) < 0.7 * estimate_noise(
        volume.voxels, 2, above=10
    )
    monkeypatch.setattr("medsr.training.cases.denoised", None)
    np.testing.assert_array_equal(load_clean(case, config.data, "MR").voxels, first.voxels)

"""The width of the slice profile is seen in the scan itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.acquisition.width_estimate import GAUSSIAN_PER_BOX, estimate_width
from medsr.volume.volume import Volume

SIDE = 120


@pytest.fixture(scope="module")
def texture() -> Volume:
    """Isotropic texture with the spectrum of anatomy, in a ball, above a bright ground."""
    noise = np.random.default_rng(0).standard_normal((SIDE, SIDE, SIDE))
    k = np.sqrt(sum(np.square(f) for f in np.meshgrid(*[np.fft.fftfreq(SIDE)] * 3)))
    shaped = np.fft.ifftn(np.fft.fftn(noise) / np.maximum(k, 1 / SIDE) ** 1.5).real
    voxels = 300 + 60 * shaped / shaped.std()
    grid = np.indices((SIDE, SIDE, SIDE)) - (SIDE - 1) / 2
    ball = 1 / (1 + np.exp((np.sqrt((grid**2).sum(0)) - 52) / 1.5))
    background = 5 + np.abs(np.random.default_rng(1).standard_normal(voxels.shape))
    image = np.maximum(voxels, 20) * ball + background
    right_left_last = np.eye(4)[[2, 1, 0, 3]]  # heads have no preference along it
    return Volume(image.astype(np.float32), right_left_last, modality="MR", name="texture")


def thick(fine: Volume, factor: float, width: float, profile: str = "gaussian", noise: float = 0):
    plan = plan_degradation(
        fine.shape,
        fine.spacing_mm,
        slice_axis=2,
        slice_spacing_mm=factor,
        slice_thickness_mm=width * factor,
        profile=profile,
    )
    return degrade(fine, plan, slice_axis=2, noise=noise)


@pytest.mark.parametrize("factor", [3, 5])
@pytest.mark.parametrize(
    ("profile", "width"), [("gaussian", 0.7), ("gaussian", 1.2), ("box", 1.0)]
)
def test_the_estimate_holds_the_true_width(texture, factor, profile, width):
    found = estimate_width(thick(texture, factor, width, profile), 2)
    seen_as = width * (GAUSSIAN_PER_BOX if profile == "box" else 1.0)
    low, high = found.range
    assert low <= seen_as <= high
    assert high - low < 0.7


def test_wider_slices_give_wider_estimates(texture):
    found = [estimate_width(thick(texture, 4, w), 2).square for w in (0.5, 0.8, 1.1, 1.4)]
    assert np.allclose(np.diff(found), np.diff(np.square([0.5, 0.8, 1.1, 1.4])), atol=0.12)


def test_noise_does_not_make_slices_look_thin(texture):
    quiet, noisy = (estimate_width(thick(texture, 4, 1.0, noise=n), 2) for n in (0, 12))
    assert noisy.square == pytest.approx(quiet.square, abs=0.15)


def test_too_little_detail_gives_no_estimate(texture):
    few = thick(texture, 4, 1.0)
    assert estimate_width(replace(few, voxels=few.voxels[:, :, :8].copy()), 2) is None
    assert estimate_width(thick(texture, 1.5, 1.0), 2) is None
    assert estimate_width(thick(texture, 4, 1.0, noise=400), 2) is None

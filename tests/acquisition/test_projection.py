"""The projection on what was measured: exact, nearest, and gentle with noise."""

from __future__ import annotations

import math

import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.projection import LEAST_RATIO, Projector, wiener_ratio
from medsr.acquisition.resample import acquire, upsample

SAME = AxisSampling(20, 1.0, 20, 1.0)
CASES = {
    "gap": Acquisition((SAME, SAME, AxisSampling(33, 0.9, 8, 3.7, 2.5, "gaussian"))),
    "touching box": Acquisition((SAME, SAME, AxisSampling(32, 1.0, 8, 4.0, 4.0, "box"))),
    "overlap": Acquisition((SAME, SAME, AxisSampling(32, 1.0, 8, 4.0, 6.0, "gaussian"))),
    "in-plane too": Acquisition(
        (
            AxisSampling(20, 1.0, 10, 2.0, 2.0, "kspace"),
            AxisSampling(20, 1.0, 13, 20 / 13, 20 / 13, "kspace"),
            AxisSampling(30, 1.0, 6, 5.0, 5.0, "gaussian"),
        )
    ),
}


def images(acquisition: Acquisition) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A fine image, its scan, and another guess of the image."""
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(acquisition.fine_shape, generator=generator, dtype=torch.float64)
    y = acquire(x, acquisition)
    return x, y, upsample(y, acquisition) + 0.1 * torch.rand(x.shape, generator=generator)


@pytest.mark.parametrize("name", CASES)
def test_the_scanner_sees_the_scan_again(name: str) -> None:
    _, y, guess = images(CASES[name])
    projector = Projector.of(CASES[name])
    held = projector.project(guess, y)
    assert float(projector.residual(guess, y).abs().max()) > 1e-2
    assert float(projector.residual(held, y).abs().max()) < 1e-6
    loose = projector.project(guess, y, LEAST_RATIO)
    assert float(projector.residual(loose, y).abs().max()) < 5e-3


@pytest.mark.parametrize("name", CASES)
def test_the_projection_comes_nearer_to_the_truth(name: str) -> None:
    x, y, guess = images(CASES[name])
    held = Projector.of(CASES[name]).project(guess, y)
    assert float((held - x).norm()) < float((guess - x).norm())


def test_projecting_twice_changes_nothing() -> None:
    acquisition = CASES["gap"]
    _, y, guess = images(acquisition)
    projector = Projector.of(acquisition)
    once = projector.project(guess, y)
    assert torch.allclose(projector.project(once, y), once, atol=1e-9)


def test_noise_that_explains_the_residual_leaves_the_image_alone() -> None:
    acquisition = CASES["touching box"]
    x, y, _ = images(acquisition)
    noisy = y + 0.05 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    projector = Projector.of(acquisition)
    square = float(projector.residual(x, noisy).square().mean())
    assert math.isinf(wiener_ratio(square, 0.06, projector))
    assert LEAST_RATIO < wiener_ratio(square, 0.03, projector) < math.inf
    assert wiener_ratio(square, 0.0, projector) == LEAST_RATIO

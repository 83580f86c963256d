"""Data consistency uses the width of the slice profile that explains the posterior mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.restore.profile_check import is_far_better, refitted
from tests.conftest import smooth_head

SAME = AxisSampling(40, 1.0, 40, 1.0)
COARSE = AxisSampling(48, 1.0, 12, 4.0, 4.0, "gaussian")
ASSUMED = Acquisition((SAME, SAME, COARSE))


def head() -> torch.Tensor:
    return torch.from_numpy(smooth_head((40, 40, 48))) / 130


def width_for(x: torch.Tensor, y: torch.Tensor) -> float:
    def misfits(tried: Sequence[Acquisition]) -> list[float]:
        return [float((acquire(x, one) - y).square().mean()) for one in tried]

    return refitted(misfits, ASSUMED).axes[2].width_mm


@pytest.mark.parametrize("ratio", [1.0, 0.8, 0.5])
def test_the_width_that_was_used_is_found(ratio: float) -> None:
    used = replace(COARSE, width_mm=ratio * COARSE.width_mm)
    scan = acquire(head(), Acquisition((SAME, SAME, used)))
    assert width_for(head(), scan) == pytest.approx(ratio * COARSE.width_mm)


def test_a_wider_profile_than_assumed_is_never_used() -> None:
    wide = replace(COARSE, width_mm=6.0)
    scan = acquire(head(), Acquisition((SAME, SAME, wide)))
    assert width_for(head(), scan) == COARSE.width_mm


def test_of_widths_that_explain_alike_the_narrowest_is_used() -> None:
    left = [9e-6, 4e-6, 2.1e-6, 2.0e-6, 2.05e-6, 2.1e-6, 2.2e-6, 3e-6, 5e-6]
    used = refitted(lambda tried: left, ASSUMED)
    assert used.axes[2].width_mm == pytest.approx(0.6 * COARSE.width_mm)


def test_noise_does_not_hide_the_width() -> None:
    noise = 0.02 * torch.randn(40, 40, 12, generator=torch.Generator().manual_seed(0))
    scan = acquire(head(), ASSUMED) + noise
    assert width_for(head(), scan) >= 0.8 * COARSE.width_mm


@pytest.mark.parametrize(("width", "far"), [(4.0, False), (3.0, False), (2.4, True)])
def test_only_a_much_narrower_profile_is_worth_a_remark(width: float, far: bool) -> None:
    assert is_far_better(replace(COARSE, width_mm=width), COARSE) is far

"""A scan that was sharper than claimed is noticed; one that was as claimed is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.restore.profile_check import better_profile
from tests.conftest import smooth_head

SAME = AxisSampling(40, 1.0, 40, 1.0)
COARSE = AxisSampling(48, 1.0, 12, 4.0, 4.0, "gaussian")
ASSUMED = Acquisition((SAME, SAME, COARSE))


def head() -> torch.Tensor:
    return torch.from_numpy(smooth_head((40, 40, 48))) / 130


def found(x: torch.Tensor, y: torch.Tensor) -> AxisSampling | None:
    def misfit(acquisition: Acquisition) -> float:
        return float((acquire(x, acquisition) - y).square().mean().sqrt())

    return better_profile(misfit, ASSUMED)


def test_the_true_profile_needs_no_better_one() -> None:
    assert found(head(), acquire(head(), ASSUMED)) is None


@pytest.mark.parametrize(("profile", "width"), [("box", 4.0), ("gaussian", 2.0)])
def test_the_profile_that_was_used_is_found(profile: str, width: float) -> None:
    used = replace(COARSE, profile=profile, width_mm=width)
    scan = acquire(head(), Acquisition((SAME, SAME, used)))
    assert found(head(), scan) == used


def test_a_bad_restoration_is_no_reason_to_doubt_the_profile() -> None:
    noise = torch.randn(40, 40, 48, generator=torch.Generator().manual_seed(0))
    assert found(head() + noise, acquire(head(), ASSUMED)) is None


def test_no_advice_on_targets_coarser_than_the_pixels_of_the_slices() -> None:
    used = replace(COARSE, width_mm=2.0)
    scan = acquire(head(), Acquisition((SAME, SAME, used)))
    fine = replace(COARSE, added_to_mm=1.0)
    coarse_target = replace(COARSE, added_to_mm=0.5)

    def misfit(acquisition: Acquisition) -> float:
        plain = replace(acquisition.axes[2], added_to_mm=None)
        again = acquire(head(), Acquisition((SAME, SAME, plain)))
        return float((again - scan).square().mean().sqrt())

    assert better_profile(misfit, Acquisition((SAME, SAME, fine))) is not None
    assert better_profile(misfit, Acquisition((SAME, SAME, coarse_target))) is None


def test_no_advice_where_the_width_cannot_be_measured() -> None:
    """A slice that adds less than a fine voxel is as good as any other that does."""

    def misfit(acquisition: Acquisition) -> float:
        return 0.006 * acquisition.axes[2].width_mm / 1.0

    narrow = replace(COARSE, fine_mm=2.0, fine_count=24)
    assert better_profile(misfit, Acquisition((SAME, SAME, narrow))) is None
    assert better_profile(misfit, ASSUMED) is not None

"""A x of an estimate: what `degrade` would give, whatever way its axes are stored."""

from dataclasses import replace

import numpy as np
import pytest

from medsr.acquisition.simulate import (
    degrade,
    degraded_to,
    interpolated,
    plan_degradation,
    predicted_scan,
)
from medsr.errors import Refused
from medsr.volume.padding import Padding
from medsr.volume.volume import Volume
from tests.conftest import smooth_head


def fine_and_low():
    fine = Volume(smooth_head((20, 24, 32)), np.diag([1.0, 1.0, 1.0, 1.0]), modality="MR")
    plan = plan_degradation(
        fine.shape, (1, 1, 1), slice_axis=2, slice_spacing_mm=4, slice_thickness_mm=3
    )
    return fine, degrade(fine, plan, slice_axis=2)


def test_the_truth_predicts_the_scan_that_was_made_of_it():
    fine, low = fine_and_low()
    np.testing.assert_allclose(predicted_scan(low, fine), low.voxels, atol=1e-3)


def test_axes_in_another_order_are_undone():
    fine, low = fine_and_low()
    turned = np.flip(fine.voxels.transpose(2, 0, 1), 1)
    affine = fine.affine[:, [2, 0, 1, 3]].copy()
    affine[:3, 3] += 19 * affine[:3, 1]
    affine[:3, 1] *= -1
    estimate = Volume(turned, affine)
    np.testing.assert_allclose(predicted_scan(low, estimate), low.voxels, atol=1e-3)


def test_other_grids_and_parts_are_refused():
    fine, low = fine_and_low()
    moved = fine.affine.copy()
    moved[2, 3] += 0.5
    with pytest.raises(Refused, match="not on a fine grid of the measured scan"):
        predicted_scan(low, replace(fine, affine=moved))
    with pytest.raises(Refused, match="does not cover all of the measured scan"):
        predicted_scan(low, replace(fine, voxels=fine.voxels[:-2]))


def test_padding_stays_with_the_grid_that_it_was_found_on():
    # The page of a padded scan ended in a traceback: its mask went along to another grid.
    voxels = np.random.default_rng(0).random((8, 9, 12)).astype(np.float32)
    mask = np.zeros(voxels.shape, bool)
    mask[:2] = True
    scan = Volume(voxels, np.eye(4), modality="MR", slice_axis=2, padding=Padding(-32768.0, mask))
    fine, low, _ = degraded_to(scan, 4.0)
    assert low.padding is None
    assert fine.padding is None
    thick = Volume(
        voxels, np.diag([1, 1, 4, 1.0]), modality="MR", slice_axis=2, padding=scan.padding
    )
    like = Volume(np.zeros((8, 9, 48), np.float32), np.eye(4), modality="MR")
    assert interpolated(thick, like, 3).shape == like.shape

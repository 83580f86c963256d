"""Padding is no intensity: found, replaced, carried to another grid, put back."""

import numpy as np
import pytest

from medsr.errors import Refused
from medsr.volume.geometry import refined_grid
from medsr.volume.modality import CT_AIR_HU
from medsr.volume.padding import Padding, in_range, with_padding, without_padding
from medsr.volume.volume import Volume


def test_a_range_has_either_end_first():
    stored = np.array([-3024, -2500, -2000, -1999, 0])
    expected = [True, True, True, False, False]
    assert in_range(stored, -3024, -2000).tolist() == expected
    assert in_range(stored, -2000, -3024).tolist() == expected
    assert in_range(stored, 7) is None


@pytest.mark.parametrize(
    ("modality", "real", "background"),
    [("CT", [5, 9], CT_AIR_HU), ("MR", [-3, 9], 0), ("MR", [4, 9], 4), ("MR", [-9, -2], -2)],
)
def test_padding_becomes_background(modality, real, background):
    voxels = np.array([-32768, *real], dtype=np.float32)
    without_padding(voxels, voxels == -32768, modality, "scan")
    assert voxels.tolist() == [background, *real]


def test_a_scan_of_nothing_but_padding_is_refused():
    with pytest.raises(Refused, match="scan: every voxel is padding"):
        without_padding(np.zeros(3, np.float32), np.ones(3, bool), "MR", "scan")


def test_a_fine_grid_has_the_padding_of_the_nearest_measured_voxel():
    mask = np.random.default_rng(0).random((4, 3, 5)) < 0.5
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    fine, shape = refined_grid(affine, mask.shape, (0.5, 1.0, 1.0))
    padding = Padding(-7, mask).on_grid(affine, fine, shape)
    np.testing.assert_array_equal(padding.mask, mask.repeat(2, 0).repeat(3, 2))
    shown = with_padding(np.ones(shape, np.float32), padding)
    np.testing.assert_array_equal(shown == -7, padding.mask)


def test_a_mask_of_another_shape_makes_no_volume():
    padding = Padding(0, np.zeros((2, 2, 3), bool))
    with pytest.raises(ValueError, match="differ in shape"):
        Volume(np.zeros((2, 2, 2)), np.eye(4), padding=padding)

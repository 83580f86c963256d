"""What is known of how a scan was made, and what cannot be true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling, for_scan
from medsr.acquisition.conditioning import feature_vector
from medsr.acquisition.resample import acquire
from medsr.errors import Refused, UsageError
from medsr.volume.volume import Volume

FINE = (1.0, 1.0, 1.0)


@pytest.mark.parametrize("thickness", [0.1, 12.5, 4000.0])
def test_a_thickness_that_the_spacing_contradicts_is_refused(
    phantom: Volume, thickness: float
) -> None:
    with pytest.raises(Refused, match=r"thickness of .* mm for slices 4 mm apart.*--slice-thick"):
        for_scan(replace(phantom, slice_thickness_mm=thickness), FINE)
    with pytest.raises(UsageError, match="slices 4 mm apart"):
        for_scan(phantom, FINE, slice_thickness_mm=thickness)


@pytest.mark.parametrize("thickness", [0.3, 4.0, 11.9])
def test_gaps_and_overlaps_are_taken(phantom: Volume, thickness: float) -> None:
    scan = replace(phantom, slice_thickness_mm=thickness)
    assert for_scan(scan, FINE).axes[2].width_mm == thickness


def test_a_given_thickness_mends_a_wrong_header(phantom: Volume) -> None:
    scan = replace(phantom, slice_thickness_mm=4000.0)
    assert for_scan(scan, FINE, slice_thickness_mm=4.0).axes[2].width_mm == 4.0


def test_a_misspelt_profile_is_answered_with_the_choices(phantom: Volume) -> None:
    with pytest.raises(UsageError, match="gaussian or box, not 'gausian'"):
        for_scan(phantom, FINE, profile="gausian")
    with pytest.raises(UsageError, match="gaussian or box"):
        AxisSampling(8, 1.0, 2, 4.0, 4.0, "kspce")


def test_pixels_as_fine_as_the_slices_have_no_width_of_their_own(phantom: Volume) -> None:
    axis = for_scan(phantom, FINE).axes[2]
    assert axis.kernel_mm == axis.width_mm == 4.0


def test_a_coarse_voxel_is_blurred_by_itself_already(phantom: Volume) -> None:
    """A scan of a fine image is the scan of its coarser version, by what the slices still add."""
    rough = np.random.default_rng(0).random(140)
    smooth = np.convolve(rough, np.hanning(15)[1:-1], mode="valid")
    x = torch.from_numpy(smooth).float()[None, None]
    one = AxisSampling(1, 1.0, 1, 1.0)
    scan = acquire(x, Acquisition((one, one, AxisSampling(128, 1.0, 32, 4.0, 4.0))))
    coarser = AxisSampling(128, 1.0, 64, 2.0, 3**0.5)  # so that its voxels have 2 mm
    voxels = acquire(x, Acquisition((one, one, coarser)))

    def misfit(axis: AxisSampling) -> float:
        again = acquire(voxels, Acquisition((one, one, axis)))
        return float((again - scan)[..., 2:-2].square().mean().sqrt())

    axis = AxisSampling(64, 2.0, 32, 4.0, 4.0, added_to_mm=1.0)
    assert misfit(axis) < 0.5 * misfit(replace(axis, added_to_mm=None))
    assert for_scan(phantom, (1.0, 1.0, 2.0)).axes[2].kernel_mm == pytest.approx(13**0.5)


def test_a_network_knows_what_the_slices_add(phantom: Volume) -> None:
    plain, coarse = (for_scan(phantom, (1.0, 1.0, mm)) for mm in (1.0, 2.0))
    assert float(feature_vector(plain, 0, 2, 0.0)[1]) == pytest.approx(2.0)
    assert float(feature_vector(coarse, 0, 2, 0.0)[1]) == pytest.approx(np.log2(13**0.5 / 2))

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.conditioning import feature_vector
from medsr.acquisition.resample import acquire
from medsr.restore.own_reference import (
    fewest_voxels,
    measured_planes,
    own_pair,
    own_volume,
    sharp_axes,
)
from tests.conftest import smooth_head


def made_of(phantom, **changes):
    """The phantom's acquisition, a fine head, and the scan of it."""
    acquisition = for_scan(replace(phantom, **changes), (1.0, 1.0, 1.0))
    enhanced = torch.from_numpy(smooth_head(acquisition.fine_shape))
    return acquisition, enhanced, acquire(enhanced, acquisition)


def test_the_measured_slices_are_kept_and_the_enhanced_volume_lies_between(phantom):
    acquisition, enhanced, scan = made_of(phantom)
    own = own_volume(enhanced, scan, acquisition)
    planes = measured_planes(acquisition.axes[2])
    assert planes == (1, 5, 9, 13, 17, 21, 25, 29)
    assert torch.equal(own[..., list(planes)], scan)
    others = [k for k in range(32) if k not in planes]
    assert torch.equal(own[..., others], enhanced[..., others])


def test_a_result_that_is_finer_within_the_slices_comes_back_to_their_grid(phantom):
    acquisition = for_scan(phantom, (0.5, 0.5, 0.5))
    enhanced = torch.from_numpy(smooth_head(acquisition.fine_shape))
    scan = acquire(enhanced, acquisition)
    own = own_volume(enhanced, scan, acquisition)
    assert own.shape == (24, 28, 64)
    assert torch.equal(own[..., list(measured_planes(acquisition.axes[2]))], scan)
    assert own_pair(own, acquisition, 0).acquisition.axes[0].factor == 8


@pytest.mark.parametrize("axis", [0, 1])
def test_a_pair_is_degraded_as_the_slices_are(phantom, axis):
    acquisition, enhanced, scan = made_of(phantom, slice_thickness_mm=3.0, slice_profile="box")
    pair = own_pair(own_volume(enhanced, scan, acquisition), acquisition, axis)
    assert torch.allclose(acquire(pair.reference, pair.acquisition), pair.scan)
    assert pair.acquisition.coarse_axis == axis
    assert pair.acquisition.axes[axis].profile == "box"
    assert [a.is_identity for a in pair.acquisition.axes] == [k != axis for k in range(3)]
    # The network is told the same of it as of the scan.
    told, before = (
        feature_vector(pair.acquisition, 2, axis, 0.0),
        feature_vector(acquisition, axis, 2, 0.0),
    )
    assert torch.allclose(told, before)


def test_voxels_beside_the_millimetre_do_not_change_what_the_network_is_told(phantom):
    phantom = replace(phantom, affine=np.diag([0.5, 0.8, 4.0, 1.0]))
    acquisition = for_scan(phantom, (0.5, 0.8, 1.0))
    pair = own_pair(torch.zeros(acquisition.fine_shape), acquisition, 1)
    assert pair.acquisition.axes[1].low_mm == pytest.approx(3.2)
    assert pair.acquisition.axes[1].fine_mm == pytest.approx(0.8)
    before, told = acquisition.axes[2], pair.acquisition.axes[1]
    assert told.kernel_mm / told.fine_mm == pytest.approx(before.kernel_mm / before.fine_mm)


def test_only_measured_planes_count(phantom):
    acquisition, enhanced, scan = made_of(phantom)
    pair = own_pair(own_volume(enhanced, scan, acquisition), acquisition, 1)
    assert pair.counts.shape == pair.reference.shape
    assert pair.counts.any(dim=0).any(dim=0).nonzero().flatten().tolist() == list(pair.planes)
    assert pair.counts.float().mean() == pytest.approx(1 / 4)


def test_what_the_last_slice_does_not_cover_is_cut_off(phantom):
    acquisition = for_scan(phantom, (1.0, 1.0, 1.0))
    pair = own_pair(torch.rand(23, 28, 32), acquisition, 0)
    assert (pair.scan.shape, pair.reference.shape) == ((5, 28, 32), (20, 28, 32))


def test_noise_is_added_as_asked_for_and_repeats(phantom):
    acquisition, own = for_scan(phantom, (1.0, 1.0, 1.0)), torch.zeros(24, 28, 32)
    noisy = [
        own_pair(
            own, acquisition, 0, noise=0.5, generator=torch.Generator().manual_seed(seed)
        ).scan
        for seed in (1, 1, 2)
    ]
    assert float(noisy[0].std()) == pytest.approx(0.5, rel=0.05)
    assert torch.equal(noisy[0], noisy[1])
    assert not torch.equal(noisy[0], noisy[2])


def test_the_sharp_axes_are_those_across_which_slices_are_not_stacked(phantom):
    acquisition = for_scan(phantom, (1.0, 1.0, 1.0))
    assert sharp_axes(acquisition) == (0, 1)
    assert fewest_voxels(acquisition) == 16

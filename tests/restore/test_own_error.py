import pytest
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.restore.own_error import OwnError, own_error
from medsr.restore.own_reference import own_pair


@pytest.mark.parametrize("axis", [0, 1])
def test_white_noise_of_thin_slices_is_found_from_thick_ones(phantom, axis):
    """Noise of a thin slice, averaged over the thickness, is what a thick slice has."""
    acquisition = for_scan(phantom, (1.0, 1.0, 1.0))
    pair = own_pair(torch.zeros(24, 28, 32), acquisition, axis)
    weights = torch.linspace(-6, 6, 13).div(4 / 2.3548).square().mul(-0.5).exp()
    generator = torch.Generator().manual_seed(0)
    thin = torch.randn((400, *pair.reference.shape), generator=generator)[..., :13]
    thick = (thin * (weights / weights.sum())).sum(dim=-1).movedim(0, -1).contiguous()
    error = own_error(thick, torch.ones_like(thick) > 0, pair.acquisition, 2)
    assert error.square / thick.numel() < 0.2
    # At the border of the volume the average has fewer voxels to take.
    assert error.of_thin_slices / thick.numel() == pytest.approx(1.0, abs=0.12)


def test_an_error_that_is_smooth_along_the_third_axis_is_no_larger_in_thin_slices(phantom):
    acquisition = own_pair(
        torch.zeros(24, 28, 32), for_scan(phantom, (1.0, 1.0, 1.0)), 0
    ).acquisition
    error = torch.randn(24, 1, 5).expand(24, 28, 5).contiguous()
    found = own_error(error, error > -9, acquisition, 2)
    assert found.thin_over_thick == pytest.approx(1.0, abs=1e-5)


def test_errors_add_up_and_none_is_none():
    total = OwnError(1.0, 0.5) + OwnError(2.0, 1.0)
    assert total == OwnError(3.0, 1.5)
    assert OwnError().of_thin_slices == 0.0

import numpy as np
import pytest
import torch
from scipy import ndimage

from medsr.acquisition.acquisition import Acquisition, AxisSampling, for_scan
from medsr.acquisition.noise import estimate_noise, filtered_backprojection_noise, rician
from medsr.acquisition.profiles import PROFILES, spline_matrix
from medsr.acquisition.resample import acquire, acquire_adjoint, upsample
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.errors import UsageError
from medsr.volume.geometry import corner_mm


def acquisition(profile, factor=2.7, width=1.3):
    n = 27
    low = int(n / factor)
    thick = AxisSampling(n, 1.0, low, factor, factor * width, profile)
    return Acquisition((AxisSampling(6, 1.0, 6, 1.0), AxisSampling(8, 1.0, 4, 2.0, 2.0), thick))


@pytest.mark.parametrize("profile", PROFILES)
def test_adjoint_agrees_with_operator(profile):
    a = acquisition(profile)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 8, 27, generator=generator, dtype=torch.float64)
    y = torch.randn(6, 4, 10, generator=generator, dtype=torch.float64)
    left, right = (acquire(x, a) * y).sum(), (x * acquire_adjoint(y, a)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-10)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("factor", [1.5, 2.7, 4.0, 8.0])
def test_constants_are_kept(profile, factor):
    a = acquisition(profile, factor)
    x = torch.full((6, 8, 27), 7.0, dtype=torch.float64)
    low = acquire(x, a)
    assert torch.allclose(low, torch.full_like(low, 7.0))
    assert torch.allclose(upsample(low, a), x)


def test_box_of_whole_voxels_is_their_mean():
    axis = AxisSampling(12, 1.0, 3, 4.0, 4.0, "box")
    one = AxisSampling(1, 1.0, 1, 1.0)
    x = torch.arange(12.0).reshape(1, 1, 12)
    low = acquire(x, Acquisition((one, one, axis)))
    assert low.ravel().tolist() == pytest.approx([1.5, 5.5, 9.5])


def test_a_gap_sees_less_and_an_overlap_more_of_the_neighbours():
    one = AxisSampling(1, 1.0, 1, 1.0)
    x = torch.zeros(1, 1, 40)
    x[..., 16:19] = 1
    peaks = [
        float(acquire(x, Acquisition((one, one, AxisSampling(40, 1.0, 8, 5.0, w, "box")))).max())
        for w in (2.0, 5.0, 9.0)
    ]
    assert peaks[0] > peaks[1] > peaks[2]


def test_kspace_truncation_keeps_low_and_removes_high_frequencies():
    axis = AxisSampling(32, 1.0, 16, 2.0, 2.0, "kspace")
    matrix = PROFILES["kspace"](32, 1.0, 16, 2.0, 2.0)
    fine = (np.arange(32) + 0.5) / 32
    low = (np.arange(16) + 0.5) / 16
    for waves, kept in ((3, 1.0), (7, 1.0), (9, 0.0), (13, 0.0)):
        wave = np.cos(2 * np.pi * waves * fine)
        assert matrix @ wave == pytest.approx(kept * np.cos(2 * np.pi * waves * low), abs=1e-9)
    assert axis.factor == 2.0


@pytest.mark.parametrize("order", [1, 3])
def test_lift_is_the_textbook_spline(order):
    values = np.random.default_rng(1).random(9)
    places = (np.arange(36) + 0.5) / 4 - 0.5
    expected = ndimage.map_coordinates(values, [places], order=order, mode="grid-mirror")
    assert spline_matrix(9, 4.0, 36, 1.0, order) @ values == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("factor", [1.5, 3.3, 4.0, 6.0])
def test_a_ramp_lifts_without_shift(factor):
    one = AxisSampling(1, 1.0, 1, 1.0)
    axis = AxisSampling(120, 1.0, int(120 / factor), factor, factor, "gaussian")
    ramp = torch.arange(120.0, dtype=torch.float64).reshape(1, 1, -1)
    back = upsample(acquire(ramp, Acquisition((one, one, axis))), Acquisition((one, one, axis)))
    assert (back - ramp)[0, 0, 40:80].abs().max() < 2e-3


def test_grids_share_their_corner(phantom):
    plan = plan_degradation(
        phantom.shape, phantom.spacing_mm, slice_axis=2, slice_spacing_mm=7.3, in_plane=1.4
    )
    low = degrade(phantom, plan, slice_axis=2)
    assert corner_mm(low.affine) == pytest.approx(corner_mm(phantom.affine), abs=1e-6)
    assert low.spacing_mm == pytest.approx((1.4, 1.4, 7.3))
    assert low.slice_thickness_mm == 7.3


def test_thickness_comes_from_the_header_and_can_be_overridden(phantom):
    assert for_scan(phantom, (1, 1, 1)).axes[2].width_mm == 4.0
    assert for_scan(phantom, (1, 1, 1), slice_thickness_mm=3.0).axes[2].width_mm == 3.0


def test_degrading_to_finer_slices_is_refused(phantom):
    with pytest.raises(UsageError, match="not coarser than"):
        plan_degradation(phantom.shape, phantom.spacing_mm, slice_axis=2, slice_spacing_mm=1.0)


def test_rician_noise_has_its_known_moments():
    generator = torch.Generator().manual_seed(0)
    air = rician(torch.zeros(200_000), 2.0, generator)
    assert float(air.mean()) == pytest.approx(2.0 * (np.pi / 2) ** 0.5, rel=0.01)
    bright = rician(torch.full((200_000,), 100.0), 2.0, generator)
    assert float(bright.std()) == pytest.approx(2.0, rel=0.01)


def test_ct_noise_has_its_level_and_little_power_at_low_frequency():
    noise = filtered_backprojection_noise(torch.zeros(64, 64, 6), 20.0, 2)
    assert float(noise.std()) == pytest.approx(20.0, rel=0.02)
    power = torch.fft.fft2(noise, dim=(0, 1)).abs().square().mean(dim=2)
    assert float(power[:3, :3].mean()) < 0.7 * float(power.mean())
    assert float(power[0, 0]) < 1e-6 * float(power.mean())


def test_noise_is_measured():
    image = np.full((64, 64, 8), 100, np.float32)
    image += np.random.default_rng(0).normal(0, 5, image.shape).astype(np.float32)
    assert estimate_noise(image, 2, above=50) == pytest.approx(5, rel=0.05)

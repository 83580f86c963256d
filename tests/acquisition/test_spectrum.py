"""What the finest detail across the slices should be, from detail within them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.acquisition.spectrum import POWER, band_energy, central, expected_energy, finest_band

SIDE = 72


def power_law(power, seed):
    """A random image with the spectrum |k|^-power, alike in all directions: [X, Y, Z]."""
    k = np.meshgrid(*[np.fft.fftfreq(SIDE)] * 3, indexing="ij")
    length = np.sqrt(sum(np.square(f) for f in k))
    length[0, 0, 0] = np.inf
    noise = np.fft.fftn(np.random.default_rng(seed).standard_normal([SIDE] * 3))
    image = np.fft.ifftn(noise * length ** (-power / 2)).real
    return torch.from_numpy((1 + 0.1 * image / image.std()).astype(np.float32))


def thick(factor, width, profile="gaussian"):
    left = AxisSampling(SIDE, 1.0, SIDE, 1.0)
    return Acquisition(
        (left, left, AxisSampling(SIDE, 1.0, SIDE // factor, float(factor), width, profile))
    )


@pytest.mark.parametrize(
    ("factor", "width", "profile"),
    [(2, 2.0, "gaussian"), (4, 4.0, "gaussian"), (4, 3.0, "box"), (6, 6.0, "gaussian")],
)
def test_the_energy_of_an_isotropic_image_follows_from_its_thick_slices(factor, width, profile):
    acquisition = thick(factor, width, profile)
    band = finest_band(acquisition)
    assert band.measured_along == (0, 1)
    ratios = []
    for seed in range(3):
        fine = power_law(POWER, seed)
        true = band_energy(fine, band.taps(1.0))
        ratios.append(expected_energy(acquire(fine, acquisition), acquisition, band) / true)
    # The outermost slices average less than the others: up to a quarter too much.
    assert 0.9 < np.mean(ratios) < 1.3
    assert band_energy(acquire(fine, acquisition).movedim(0, -1), band.taps(1.0)) < 0.6 * true


def test_a_smoother_scan_expects_less():
    acquisition = thick(4, 4.0)
    band = finest_band(acquisition)
    rough, smooth = power_law(POWER, 1), power_law(POWER + 2, 1)
    energies = [
        expected_energy(acquire(x, acquisition), acquisition, band) for x in (rough, smooth)
    ]
    assert energies[1] < 0.2 * energies[0]


def test_the_band_is_the_same_in_millimetres_along_finer_axes():
    fine, coarse = thick(4, 4.0).axes[0], thick(4, 4.0).axes[2]
    half = AxisSampling(2 * SIDE, 0.5, 2 * SIDE, 0.5)
    band = finest_band(Acquisition((half, fine, coarse)))
    assert (band.low, band.high) == (0.25, 0.5)
    taps = band.taps(0.5)
    for frequency, response in ((0.1, 0), (0.375, 1), (0.75, 0)):  # cycles / mm
        phase = np.exp(-2j * np.pi * frequency * 0.5 * np.arange(len(taps)))
        assert abs(phase @ taps) == pytest.approx(response, abs=0.05)


def test_axes_that_cannot_show_it_are_not_asked():
    left, _, coarse = thick(4, 4.0).axes
    far_apart = AxisSampling(SIDE, 2.0, SIDE, 2.0)
    changed = AxisSampling(SIDE, 1.0, SIDE // 2, 2.0, 2.0, "kspace")
    short = replace(left, fine_count=12, low_count=12)
    assert finest_band(Acquisition((left, far_apart, coarse))).measured_along == (0,)
    assert finest_band(Acquisition((changed, left, coarse))).measured_along == (1,)
    assert finest_band(Acquisition((changed, short, coarse))) is None
    assert (
        finest_band(Acquisition((left, left, replace(coarse, fine_count=16, low_count=4)))) is None
    )


def test_thick_neighbours_are_no_obstacle():
    """In-plane detail of a scan whose slices are too far apart to show any."""
    left, _, coarse = thick(4, 4.0).axes
    far_apart = AxisSampling(SIDE, 5.0, SIDE, 5.0)
    acquisition = Acquisition((far_apart, left, coarse))
    band = finest_band(acquisition)
    assert band.measured_along == (1,)
    fine = power_law(POWER, 0)
    scan = acquire(fine, acquisition)
    assert expected_energy(scan, acquisition, band) > band_energy(
        scan.movedim(1, -1), band.taps(1)
    )


def test_air_in_the_middle_tells_nothing():
    acquisition = thick(4, 4.0)
    scan = acquire(power_law(POWER, 0), acquisition)
    scan[5:-5, 5:-5] = 0
    assert expected_energy(scan, acquisition, finest_band(acquisition)) is None


def test_the_middle_is_a_hundred_millimetres():
    parts = central((512, 80, 30), (0.5, 1.0, 5.0))
    assert parts == (slice(156, 356), slice(0, 80), slice(5, 25))

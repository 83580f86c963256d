"""A sample's finest detail is as strong as the scan's, within a tolerance."""

import pytest
import torch

from medsr.acquisition.projection import Projector
from medsr.acquisition.resample import acquire
from medsr.acquisition.spectrum import POWER, band_energy, expected_energy, finest_band
from medsr.restore.data_consistency import NOISE_FREE, DataConsistency
from medsr.restore.detail_strength import GAINS, match_detail_strength
from medsr.restore.options import Consistency
from medsr.restore.upsampled import STATE, Upsampled
from tests.acquisition.test_spectrum import power_law, thick

ACQUISITION = thick(4, 4.0)
BAND = finest_band(ACQUISITION)


def scan_of(noise=0.0):
    scan = acquire(power_law(POWER, 3), ACQUISITION)
    projector = Projector.of(ACQUISITION)
    measured = DataConsistency(scan, noise, 0.0, projector, Consistency.NOISE)
    return Upsampled.of(scan, ACQUISITION, 0.05), measured


def sampled(upsampled, measured, strength, tolerance=1.0):
    """A residual with the scan's texture, and as it was: white noise of a strength."""
    noise = torch.randn(ACQUISITION.fine_shape, generator=torch.Generator().manual_seed(0))
    first = torch.zeros(ACQUISITION.fine_shape, dtype=STATE)
    residual = (strength * noise).to(STATE)
    return match_detail_strength(residual.clone(), first, upsampled, measured, tolerance), residual


def energy(upsampled, residual):
    whole = (slice(None),) * 3
    return band_energy(upsampled.image(residual, whole), BAND.taps(1.0))


@pytest.mark.parametrize("strength", [0.6, 1.0, 2.0])
def test_detail_gets_the_strength_that_the_scan_expects(strength):
    upsampled, measured = scan_of()
    expected = expected_energy(upsampled.scan, ACQUISITION, BAND)
    result, before = sampled(upsampled, measured, 0.25 * strength)
    assert energy(upsampled, result) == pytest.approx(expected, rel=0.03)
    assert abs(energy(upsampled, before) / expected - 1) > 0.1


def test_a_leeway_leaves_what_lies_within_it():
    upsampled, measured = scan_of()
    expected = expected_energy(upsampled.scan, ACQUISITION, BAND)

    def strength(times):
        result, before = sampled(upsampled, measured, 0.25 * times, tolerance=1.4)
        return (energy(upsampled, result) / expected) ** 0.5, torch.equal(result, before)

    right = (expected / energy(upsampled, sampled(upsampled, measured, 0.25, 1e9)[0])) ** 0.5
    for within in (1.3, 1 / 1.3):
        assert strength(right * within)[1]
    assert strength(right * 2.0) == (pytest.approx(1.4, rel=0.03), False)
    assert strength(right / 1.9) == (pytest.approx(1 / 1.4, rel=0.03), False)


def test_the_gain_has_bounds():
    upsampled, measured = scan_of()
    for strength, bound in ((100.0, GAINS[0]), (0.001, GAINS[1])):
        result, before = sampled(upsampled, measured, strength)
        gain = (result.float().std() / before.float().std()).item()
        assert gain == pytest.approx(bound, rel=0.02)


def test_a_noisy_scan_and_one_that_shows_nothing_leave_the_sample():
    upsampled, measured = scan_of(noise=NOISE_FREE)
    result, before = sampled(upsampled, measured, 1.0)
    assert torch.equal(result, before)
    upsampled, measured = scan_of()
    upsampled.scan[5:-5, 5:-5] = 0  # air in the middle
    result, before = sampled(upsampled, measured, 1.0)
    assert torch.equal(result, before)

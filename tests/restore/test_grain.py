"""Noise that is put back into a sample."""

from dataclasses import replace

import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.noise import estimate_noise
from medsr.acquisition.resample import acquire
from medsr.errors import UsageError
from medsr.restore.choices import Consistency
from medsr.restore.chunks import chunks_of
from medsr.restore.data_consistency import DataConsistency
from medsr.restore.grain import add_grain, fine_noise
from medsr.restore.options import Options, options_from
from tests.conftest import smooth_head

SHAPE, LEVEL = (48, 44, 48), 0.03
SAME = [AxisSampling(n, 1.0, n, 1.0) for n in SHAPE[:2]]
ACQUISITION = Acquisition((*SAME, AxisSampling(48, 1.0, 12, 4.0, 4.0, "gaussian")))


def scanned(mode, modality="MR"):
    """A clean image, and the thick scan of it and of its noise."""
    clean = torch.from_numpy(smooth_head(SHAPE, 2) / 120)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9))
    scan = acquire(clean + fine_noise(LEVEL, ACQUISITION) * noise, ACQUISITION)
    floor = float(scan.min()) if modality == "CT" else None
    return clean, DataConsistency.of(scan, ACQUISITION, noise=LEVEL, floor=floor, mode=mode)


def grainy(mode, seed=0, modality="MR"):
    clean, measured = scanned(mode, modality)
    image = clean.clone()
    add_grain(image, measured, chunks_of(ACQUISITION), modality, seed)
    return clean, image, measured


def test_the_level_is_that_of_a_fine_scan():
    """White noise of the level, averaged by the slices, is the noise of the scan."""
    noise = fine_noise(LEVEL, ACQUISITION) * torch.randn(SHAPE)
    assert float(acquire(noise, ACQUISITION).std()) == pytest.approx(LEVEL, rel=0.1)


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_grain_has_the_level_and_the_slices_stay(modality):
    clean, image, measured = grainy(Consistency.EXACT, modality=modality)
    body = clean > 0.5
    assert float((image - clean)[body].std()) == pytest.approx(
        fine_noise(LEVEL, ACQUISITION), rel=0.15
    )
    assert measured.residual(image).largest < 0.006


def test_without_consistency_it_is_only_added():
    _clean, image, measured = grainy(Consistency.OFF)
    found = estimate_noise(image.numpy(), 2, above=0.3)
    assert found == pytest.approx(fine_noise(LEVEL, ACQUISITION), rel=0.3)
    assert measured.residual(image).rms > 0.5 * LEVEL


def test_it_follows_from_the_seed():
    first, again, other = (grainy(Consistency.NOISE, seed)[1] for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_sample_that_is_as_grainy_already_stays():
    _, measured = scanned(Consistency.OFF)
    _, image, _ = grainy(Consistency.OFF)
    before = estimate_noise(image.numpy(), 2, above=0.3)
    add_grain(image, measured, chunks_of(ACQUISITION), "MR", 1)
    assert estimate_noise(image.numpy(), 2, above=0.3) == pytest.approx(before, rel=0.3)


def test_a_scan_without_noise_gets_none():
    clean, measured = scanned(Consistency.NOISE)
    image = clean.clone()
    add_grain(image, replace(measured, noise=0.0), chunks_of(ACQUISITION), "MR", 0)
    assert torch.equal(image, clean)


def test_only_one_sample_gets_grain():
    assert Options(sample=True, grain=True).grain
    assert not options_from({"quick": True}, Options(sample=True, grain=True)).grain
    for settings in ({}, {"samples": 2}, {"sample": True, "interval": True}):
        with pytest.raises(UsageError, match="--grain"):
            Options(grain=True, **settings)

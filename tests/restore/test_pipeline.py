from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.noise import rician
from medsr.acquisition.resample import acquire, upsample
from medsr.errors import Refused, UsageError
from medsr.restore.choices import Consistency
from medsr.restore.chunks import chunks_of
from medsr.restore.options import Options
from medsr.restore.output_grid import choose_target
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.restore.upsampled import Upsampled
from medsr.volume.geometry import corner_mm
from tests.conftest import smooth_head
from tests.network.test_unet_and_checkpoint import card, small_denoiser


def run(
    phantom, spacing=(1.0, 1.0, 1.0), *, unit=0.05, tolerance=None, voxels_per_call=9999, **options
):
    plan = Plan(phantom, for_scan(phantom, spacing), Options(**{"steps": 3, **options}))
    model = replace(card(), residual_std=unit, detail_tolerance=tolerance)
    running = Running(dtype=torch.float32, voxels_per_call=voxels_per_call)
    return restore(plan, small_denoiser(), model, running)


@pytest.mark.parametrize("voxels", [1, 5_000, 10_000_000])
def test_the_result_does_not_depend_on_the_batch(phantom, voxels):
    whole = run(phantom).volume.voxels
    other = run(phantom, voxels_per_call=voxels).volume.voxels
    assert np.abs(whole - other).max() < 1e-3 * whole.max()


@pytest.mark.parametrize("noise", [0.0, 0.06])
def test_the_result_does_not_depend_on_the_parts(phantom, monkeypatch, noise):
    generator = torch.Generator().manual_seed(0)
    voxels = torch.from_numpy(scanned(phantom).voxels.copy())
    voxels += noise * voxels.max() * torch.randn(voxels.shape, generator=generator)
    scan = replace(phantom, voxels=voxels.numpy())
    whole = run(scan)
    monkeypatch.setattr("medsr.restore.upsampled.chunks_of", lambda a: chunks_of(a, 2_000))
    assert len(Upsampled.of(voxels, for_scan(scan, (1.0, 1.0, 1.0)), 1.0).chunks) > 5
    in_chunks = run(scan)
    difference = np.abs(whole.volume.voxels - in_chunks.volume.voxels).max()
    assert difference < 1e-5 * whole.volume.voxels.max()
    assert whole.inconsistency == pytest.approx(in_chunks.inconsistency, rel=1e-3)
    assert whole.null_space.share == pytest.approx(in_chunks.null_space.share, rel=1e-4)


def test_seeds_repeat_and_differ(phantom):
    first = run(phantom, seed=1).volume.voxels
    assert np.array_equal(first, run(phantom, seed=1).volume.voxels)
    assert not np.array_equal(first, run(phantom, seed=2).volume.voxels)


def test_the_world_is_kept(phantom):
    out = run(phantom, (1.0, 1.0, 0.9)).volume
    assert corner_mm(out.affine) == pytest.approx(corner_mm(phantom.affine), abs=1e-6)
    assert out.shape == (24, 28, 36)
    assert np.isfinite(out.voxels).all()


def test_a_zero_network_gives_cubic_interpolation(phantom):
    plan = for_scan(phantom, (1.0, 1.0, 1.0))
    denoiser = small_denoiser()
    for parameter in denoiser.parameters():
        torch.nn.init.zeros_(parameter)
    options = Options(steps=1, consistency=Consistency.OFF)
    running = Running(dtype=torch.float32)
    out = restore(Plan(phantom, plan, options), denoiser, card(), running).volume.voxels
    cubic = upsample(torch.from_numpy(np.array(phantom.voxels)), plan).clamp(min=0).numpy()
    assert np.abs(out - cubic).max() < 1e-3 * cubic.max()  # kept in half precision


def scanned(phantom):
    """The phantom as a scanner would see a smooth head: a scan that some image explains."""
    fine = torch.from_numpy(smooth_head((24, 28, 32)))
    low = acquire(fine, for_scan(phantom, (1.0, 1.0, 1.0)))
    return replace(phantom, voxels=low.numpy())


@pytest.mark.parametrize(
    ("mode", "largest"), [(Consistency.NOISE, 0.005), (Consistency.EXACT, 1e-5)]
)
def test_the_scanner_sees_the_scan_again(phantom, mode, largest):
    phantom = scanned(phantom)
    out = run(phantom, unit=0.2, consistency=mode)
    again = acquire(torch.from_numpy(out.volume.voxels.copy()), out.used)
    error = np.abs(again.numpy() - phantom.voxels).max(axis=2) / np.ptp(phantom.voxels)
    assert error.max() < 0.005
    assert np.median(error) < largest  # at the edge of the head the floor takes precedence
    free = run(phantom, unit=0.2, consistency=Consistency.OFF)
    assert max(out.inconsistency) < 0.1 * max(free.inconsistency)


def test_a_noisy_scan_is_not_held_to_its_noise(phantom):
    generator = torch.Generator().manual_seed(0)
    noisy = rician(torch.from_numpy(phantom.voxels.copy()), 15.0, generator).numpy()
    noisy_phantom = replace(phantom, voxels=noisy)
    held = run(noisy_phantom, consistency=Consistency.NOISE)
    exact = run(noisy_phantom, consistency=Consistency.EXACT)
    assert held.noise > 0.02
    assert max(held.inconsistency) > 20 * max(exact.inconsistency)


def test_samples_have_a_spread(phantom):
    out = run(phantom, samples=3)
    assert out.std is not None
    assert float(out.std.voxels.max()) > 0


def test_the_scans_texture_is_for_samples_only(phantom):
    for steps, same in ((1, True), (3, False)):
        plain, scaled = (
            run(phantom, steps=steps, tolerance=tolerance).volume.voxels
            for tolerance in (None, 1.0)
        )
        assert np.array_equal(plain, scaled) == same


def test_targets(phantom):
    assert choose_target(phantom).spacing_mm == (1.0, 1.0, 1.0)
    assert choose_target(phantom, spacing_mm=2.0).spacing_mm == (1.0, 1.0, 2.0)
    assert choose_target(phantom, scale=2).spacing_mm == (0.5, 0.5, 2.0)
    thick = replace(phantom, affine=np.diag([0.5, 0.5, 6.0, 1.0]))
    limited = choose_target(thick)
    assert limited.spacing_mm == (0.5, 0.5, 0.75)
    assert "8 times" in limited.remarks[0].text
    with pytest.raises(UsageError):
        choose_target(phantom, scale=2, spacing_mm=1)
    with pytest.raises(Refused, match="already isotropic"):
        choose_target(replace(phantom, affine=np.eye(4)))

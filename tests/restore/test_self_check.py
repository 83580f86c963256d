"""The self-check with models of known worth: a sharpener, none at all, and a spoiler."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.resample import acquire, upsample
from medsr.audit.conformal import Interval
from medsr.errors import MedsrWarning, Refused
from medsr.remarks import Meaning
from medsr.restore.choices import Consistency
from medsr.restore.data_consistency import DataConsistency
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.own_reference import measured_planes
from medsr.restore.running import Running
from medsr.restore.self_check import GROUP, self_check
from medsr.restore.slice_denoiser import Network, slice_denoiser
from medsr.restore.upsampled import Upsampled
from medsr.restore.verdict import Verdict
from medsr.volume.volume import Volume
from tests.conftest import smooth_head
from tests.network.test_unet_and_checkpoint import card, small_denoiser

UNIT = 0.1
WIDE = Interval(0.9, (0.0, 1.0), (0.5, 0.6))


class Model:
    """Stands for a network: the residual is a function of the upsampled slices [B, 1, H, W]."""

    def __init__(self, residual):
        self.residual, self.voxels = residual, 0

    def at(self, sigma, features, dtype):
        def of_slices(noisy, condition):
            self.voxels += noisy.numel()
            return self.residual(condition[:, :1].float()) / UNIT

        return of_slices


def sharpened(slices):
    """Undoes some of the blur along the last axis: minus its second difference."""
    before, after = (torch.roll(slices, shift, -1) for shift in (4, -4))
    return 0.3 * (2 * slices - before - after)


def nothing(slices):
    return torch.zeros_like(slices)


def spoiled(slices):
    return 0.2 * torch.sin(torch.arange(slices.shape[-1]).float()).expand_as(slices)


def scan_of(shape=(48, 48, 48), mode=Consistency.OFF, factor=4):
    """A textured head with thick slices: its enhancement (the truth), and what is known of it."""
    fine = torch.from_numpy(smooth_head(shape)) / 150
    thick = Volume(
        voxels=np.zeros((*shape[:2], shape[2] // factor), dtype=np.float32),
        affine=np.diag([1.0, 1.0, factor, 1.0]),
        modality="MR",
        slice_axis=2,
    )
    acquisition = for_scan(thick, (1.0, 1.0, 1.0))
    scan = acquire(fine, acquisition)
    measured = DataConsistency.of(scan, acquisition, noise=0.0, floor=None, mode=mode)
    return fine, Upsampled.of(scan, acquisition, UNIT), measured


def checked(model, scan=None, *, quick=False, interval=None):
    fine, upsampled, measured = scan or scan_of()
    network = Network(model, 1, Running(dtype=torch.float32))
    return self_check(fine, upsampled, measured, network, quick=quick, interval=interval)


def test_a_model_that_undoes_the_blur_helps():
    found = checked(Model(sharpened))
    assert found.gain > 0.2
    assert found.ssim_gain > 0


def test_a_model_that_adds_nothing_is_cubic_interpolation():
    found = checked(Model(nothing))
    assert found.gain == pytest.approx(0, abs=1e-6)
    assert found.ssim_gain == pytest.approx(0, abs=1e-6)


def test_a_model_that_spoils_harms():
    found = checked(Model(spoiled))
    assert found.verdict is Verdict.HARMS
    assert found.ssim_gain < 0


def test_data_consistency_is_part_of_what_is_checked():
    """Most of a spoiler's waves are what the degraded slices contradict."""
    free, held = (
        checked(Model(spoiled), scan_of(mode=mode)).gain
        for mode in (Consistency.OFF, Consistency.EXACT)
    )
    assert held > free + 0.1


@pytest.mark.parametrize(("quick", "in_turn"), [(False, False), (True, True)])
def test_the_network_has_little_more_to_do(quick, in_turn):
    scan = scan_of((64, 64, 64))
    run, check = Model(nothing), Model(nothing)
    network = Network(run, 1, Running(dtype=torch.float32))
    denoise = slice_denoiser(network, scan[1], 0.0, lambda share: None, in_turn=in_turn)
    denoise(torch.zeros(64, 64, 64), 80.0, 0)
    checked(check, scan, quick=quick)
    assert 0.02 * run.voxels < check.voxels < 0.15 * run.voxels


def test_only_the_measured_slices_are_the_reference():
    """Changing the enhanced volume everywhere else changes nothing for a model that looks at one
    slice at a time."""
    fine, upsampled, measured = scan_of()
    planes = list(measured_planes(upsampled.acquisition.axes[2]))
    other = torch.rand(fine.shape)
    other[..., planes] = fine[..., planes]
    assert checked(Model(sharpened), (other, upsampled, measured)) == checked(Model(sharpened))


def test_both_axes_count():
    """A scan without detail along one of them gains along the other alone."""
    fine, upsampled, measured = scan_of()
    flat = measured.scan.mean(dim=1, keepdim=True).expand_as(measured.scan).contiguous()
    one = checked(
        Model(sharpened),
        (fine, Upsampled.of(flat, upsampled.acquisition, UNIT), replace(measured, scan=flat)),
    )
    assert one is not None
    assert one.gain != pytest.approx(checked(Model(sharpened)).gain, abs=0.1)


def test_the_scale_is_what_the_interval_lacks():
    found = [
        checked(
            Model(sharpened),
            interval=Interval(0.9, WIDE.spreads, tuple(k * w for w in WIDE.half_widths)),
        )
        for k in (1.0, 0.5)
    ]
    assert found[1].interval_scale == pytest.approx(2 * found[0].interval_scale, rel=1e-4)
    assert found[0].coverage == 1.0
    exact = replace(WIDE, half_widths=tuple(found[0].interval_scale * w for w in WIDE.half_widths))
    assert checked(Model(sharpened), interval=exact).coverage == pytest.approx(0.9, abs=0.005)
    assert checked(Model(sharpened)).coverage is None


def test_the_same_scan_gives_the_same_check():
    assert checked(Model(sharpened)) == checked(Model(sharpened))


def test_more_slices_than_are_done_at_once(monkeypatch):
    scan = scan_of((48, 48, 192))
    whole = checked(Model(sharpened), scan)
    assert whole.slices > 2 * GROUP
    monkeypatch.setattr("medsr.restore.self_check.GROUP", 3)
    assert checked(Model(sharpened), scan).gain == pytest.approx(whole.gain, abs=1e-4)


def test_slices_that_are_too_small_or_empty_are_not_checked():
    assert checked(Model(nothing), scan_of((12, 48, 48))) is None
    fine, upsampled, measured = scan_of()
    dark = replace(measured, scan=torch.zeros_like(measured.scan))
    assert checked(Model(nothing), (fine, upsampled, dark)) is None


def test_noise_counts_as_it_would_in_thin_slices():
    """A thick slice has less noise than a thin one; the gain is that over thin slices."""
    generator = torch.Generator().manual_seed(0)
    fine = smooth_head((64, 64, 64)) / 150
    noisy = torch.from_numpy(fine) + 0.05 * torch.randn(fine.shape, generator=generator)
    clean_scan = scan_of((64, 64, 64))
    acquisition = clean_scan[1].acquisition
    scan = acquire(noisy, acquisition)
    cubic = upsample(scan, acquisition)
    restored = cubic + sharpened(cubic[:, None])[:, 0]
    tissue = noisy > 0.1
    errors = [float((image - noisy)[tissue].square().mean()) for image in (cubic, restored)]
    true = 10 * np.log10(errors[0] / errors[1])
    case = Upsampled.of(scan, acquisition, UNIT), replace(clean_scan[2], scan=scan)
    found = checked(Model(sharpened), (noisy, *case)).gain
    assert found == pytest.approx(true, abs=0.4)
    assert found < checked(Model(sharpened), clean_scan).gain


def spoiler():
    """An untrained network: its residual has nothing to do with the scan."""
    return Enhancer(small_denoiser(), replace(card(), residual_std=1.0), torch.device("cpu"))


def test_harm_is_a_doubt_of_the_result_and_strict_refuses_it(phantom):
    with pytest.warns(MedsrWarning, match="the model harms"):
        enhanced = spoiler().enhance(phantom, consistency="off")
    assert enhanced.record.to_json()["SelfCheck"]["Verdict"] == "harms"
    assert enhanced.remarks[0].meaning is Meaning.DOUBT
    with pytest.raises(Refused, match="the model harms"):
        spoiler().enhance(phantom, consistency="off", strict=True)


def test_the_check_is_left_out_on_request(phantom):
    checked_one = spoiler().run(spoiler().plan(phantom, Options()))
    plain = spoiler().run(spoiler().plan(phantom, Options(no_self_check=True)))
    assert "SelfCheck" not in plain.record.to_json()
    assert np.array_equal(plain.volume.voxels, checked_one.volume.voxels)
    assert checked_one.record.findings.self_check is not None


def test_a_sample_is_checked_with_the_posterior_mean_and_has_no_interval_of_it(phantom):
    interval = {"nominal": 0.9, "spreads": (0.0, 1.0), "half_widths": (0.1, 0.2)}
    model = Enhancer(
        small_denoiser(),
        replace(card(), intervals={"posterior_mean": interval}),
        torch.device("cpu"),
    )
    mean, sample = (
        model.run(model.plan(phantom, Options(sample=sample))).record.findings.self_check
        for sample in (False, True)
    )
    assert mean.coverage is not None
    assert (sample.coverage, sample.interval_scale) == (None, None)

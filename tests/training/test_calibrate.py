"""`medsr calibrate`: intervals and statistics into the card, coverage as a table."""

import dataclasses
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from medsr.acquisition.conditioning import FEATURES
from medsr.audit.scaled_interval import ScaledInterval
from medsr.commands.calibrate import run
from medsr.errors import InputError, UsageError
from medsr.network.build import build_denoiser
from medsr.network.checkpoint import ModelCard, load_card, save_model, weights_digest
from medsr.restore.enhancer import Enhancer
from medsr.training import calibrate as room
from medsr.training import trials
from medsr.volume.volume import Volume
from tests.conftest import smooth_head
from tests.training.pages import SMALL_NETWORK, small_page, write_page, write_scans


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "FACTORS", (3.0,))
    monkeypatch.setattr(room, "OTHER_MODES", ((2, 1),))
    monkeypatch.setattr(trials, "SIDES", (40, 40, 36))
    write_scans(tmp_path)
    page = small_page(tmp_path)
    page["data"]["train"] = [{"path": "a.nii", "person": "a"}]
    page["data"]["validate"] = [{"path": f"{p}.nii", "person": p} for p in "bc"]
    return write_page(tmp_path / "t.yaml", page)


@pytest.fixture
def card(tmp_path):
    card = ModelCard(
        name="stub",
        description="for tests",
        modality="MR",
        network=SMALL_NETWORK,
        features=FEATURES,
        residual_std=0.05,
        ranges={"factor": [2, 6]},
        people=1,
        data={},
        training={},
        results={},
        limits=("a limit",),
    )
    save_model(build_denoiser(SMALL_NETWORK, FEATURES), card, tmp_path / "stub.safetensors")
    return tmp_path / "stub.json"


def test_the_card_gets_intervals_and_statistics_and_keeps_the_rest(config, card):
    before, digest = load_card(card), weights_digest(card.with_suffix(".safetensors"))
    lines = []
    run(config, (), card, lines.append)
    after = load_card(card)
    assert set(after.intervals) == {"posterior_mean", "sample"}
    assert set(after.ranges) == {"factor", "training_statistics"}
    assert (after.limits, after.residual_std) == (before.limits, before.residual_std)
    assert weights_digest(card.with_suffix(".safetensors")) == digest
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[:2] for row in table[2:]] == [
        [mode, person] for mode in ("posterior_mean", "sample") for person in "bc"
    ]
    shares = [float(cell) for row in table[2:] for cell in row[2:8]]
    assert len(shares) == 4 * 6
    assert all(0 < share <= 1 for share in shares)
    assert all(float(row[8]) > 0 and row[10] == "" for row in table[2:])  # no scale, no bound


def test_a_model_with_a_scale_head_gets_factors_in_every_mode(config, card):
    torch.manual_seed(0)
    settings = {**SMALL_NETWORK, "scale_head": True}
    model = build_denoiser(settings, FEATURES)
    for parameter in model.network.scale_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    scaled = dataclasses.replace(load_card(card), network=settings)
    save_model(model, scaled, card.with_suffix(".safetensors"))
    thick = ["data.calibrate=[{path: b.nii, person: b}, {path: c.nii, person: c}]"]
    run(config, thick, card, print)
    after = load_card(card)
    for table in after.intervals.values():
        interval = ScaledInterval.from_card(dict(table))
        assert interval.nominal == 0.9
        assert min(interval.factors) > 0
    enhancer = Enhancer.from_pretrained(str(card.with_suffix(".safetensors")))
    fine = smooth_head((40, 40, 36), 5)
    low = Volume(fine[..., ::3].copy(), np.diag([1.0, 1.0, 3.0, 1.0]), modality="MR")
    found = enhancer.enhance(low, interval=True, slice_thickness_mm=3.0, force=True)
    assert found.half_width.shape == found.volume.shape
    assert float(np.min(found.half_width.voxels)) > 0
    assert found.record.findings.psnr_bound is None  # of two people


def test_the_bound_on_psnr_goes_into_the_record(card):
    settings = {**SMALL_NETWORK, "scale_head": True}
    model = build_denoiser(settings, FEATURES)
    interval = ScaledInterval(0.9, 2.0, (2.0,) * 4, (2.0,) * 4, 2.0, 0.5, (-1.0, -1.5))
    scaled = dataclasses.replace(
        load_card(card), network=settings, intervals={"posterior_mean": asdict(interval)}
    )
    enhancer = Enhancer(model.eval(), scaled, torch.device("cpu"))
    fine = smooth_head((40, 40, 36), 5)
    low = Volume(fine[..., ::3].copy(), np.diag([1.0, 1.0, 3.0, 1.0]), modality="MR")
    plain = {"slice_thickness_mm": 3.0, "force": True, "interval": True, "no_self_check": True}
    found = enhancer.enhance(low, **plain)
    width = float(np.median(found.half_width.voxels))  # the new head gives 1: the residual's unit
    top = np.percentile(found.volume.voxels, 99.9)
    expected = 20 * np.log10(top / (width / 2)) - 1.0
    assert found.record.to_json()["PSNRLowerBound"] == pytest.approx(expected, abs=0.02)
    sample = enhancer.enhance(low, **{**plain, "interval": False}, sample=True)
    assert "PSNRLowerBound" not in sample.record.to_json()


def test_thick_scans_are_calibrated_slice_by_slice():
    rng = np.random.default_rng(0)
    voxels = rng.random((40, 9, 44), dtype=np.float32)
    scan = Volume(voxels, np.diag([1.0, 5.0, 1.0, 1.0]), modality="MR")
    found = list(trials.pairs_of(scan, 0, in_plane_only=True))
    assert [len(pairs) for pairs in found] == [5, 5]  # of the middle part of nine slices
    first = found[0][0]
    assert first.alone
    slices = [np.moveaxis(voxels, 1, 0)[k].T for k in range(9)]  # degraded along axis 0: the last
    assert any(np.array_equal(first.fine.voxels[0], image[:, :40]) for image in slices)
    assert np.array_equal(first.fine.voxels[0], first.fine.voxels[4])
    assert first.acquisition.axes[2].factor == trials.FACTORS[0]


def test_a_model_of_another_modality_is_refused(config, card):
    with pytest.raises(UsageError, match="is a model for MR; the configuration t is for CT"):
        run(config, ["modality=CT"], card, print)
    with pytest.raises(UsageError, match="lists no scan to calibrate on"):
        run(config, ["data.validate=[]"], card, print)
    with pytest.raises(UsageError, match="subject a is in both train and calibrate"):
        run(config, ["data.calibrate=[{path: a.nii, person: a}]"], card, print)
    with pytest.raises(UsageError, match=r"expected the \.json file"):
        run(config, (), card.with_suffix(".safetensors"), print)


def test_a_missing_card_is_an_error_in_words(config, tmp_path):
    with pytest.raises(InputError, match="no such model"):
        run(config, (), tmp_path / "absent.json", print)
    (tmp_path / "broken.json").write_text(json.dumps({"name": "broken"}))
    (tmp_path / "broken.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="not a medsr model card"):
        run(config, (), tmp_path / "broken.json", print)

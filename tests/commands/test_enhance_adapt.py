"""`medsr enhance --adapt --save-model`, with a tiny model."""

from dataclasses import replace

import numpy as np
import pytest

import medsr
from medsr.commands.enhance import Request, run
from medsr.errors import OutputError, UsageError
from medsr.network.checkpoint import load_card
from medsr.restore import adapt as adapting
from medsr.restore.options import Options
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.batch.studies import small_model
from tests.conftest import smooth_head


@pytest.fixture
def scan(tmp_path):
    voxels = smooth_head((40, 44, 40))[:, :, 2::4].copy()
    volume = Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]), modality="MR", slice_axis=2)
    path = tmp_path / "scan.nii.gz"
    write_nifti(volume, path, {"Modality": "MR", "SliceThickness": 4.0})
    return path


@pytest.fixture(autouse=True)
def twelve_steps(monkeypatch):
    """Steps instead of seconds: a busy machine must not change what is tested."""
    short = adapting.Budget(600.0, steps=12)
    monkeypatch.setattr("medsr.restore.enhancer.Budget", lambda seconds: replace(short))


def request(scan, tmp_path, **changes):
    options = Options(model=small_model(tmp_path / "model"), adapt_s=3.0)
    made = Request(scan, tmp_path / "out.nii.gz", options, device="cpu")
    return replace(made, save_model=tmp_path / "adapted.safetensors", **changes)


def test_the_saved_model_makes_the_same_result(scan, tmp_path):
    first = request(scan, tmp_path)
    done = run(first)
    assert done.facts["AdaptationKept"] is True
    assert done.facts["BaseModel"] == "small"
    assert done.facts["Settings"]["adapt_s"] == 3.0
    card = load_card(tmp_path / "adapted.json")
    assert card.name == "adapted"
    assert "scan" not in card.training["adaptation"].values()
    again = Request(scan, tmp_path / "again.nii.gz", Options(model=str(first.save_model)))
    facts = run(again).facts
    assert facts["ModelSHA256"] == done.facts["ModelSHA256"]
    one, other = medsr.read(first.output), medsr.read(again.output)
    assert np.array_equal(one.voxels, other.voxels)


def test_nothing_is_saved_of_what_does_not_help(scan, tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "LEAST_GAIN_DB", 100.0)
    done = run(request(scan, tmp_path))
    assert done.facts["AdaptationKept"] is False
    assert not (tmp_path / "adapted.safetensors").exists()
    assert (tmp_path / "out.nii.gz").exists()


def test_what_cannot_be_saved_is_said_before_the_work(scan, tmp_path):
    with pytest.raises(UsageError, match="--adapt"):
        request(scan, tmp_path, options=Options())
    with pytest.raises(UsageError, match=r"knee\.safetensors"):
        replace(request(scan, tmp_path), save_model=tmp_path / "knee.pt")
    (tmp_path / "adapted.json").write_text("{}")
    with pytest.raises(OutputError, match=r"adapted\.json"):
        request(scan, tmp_path)

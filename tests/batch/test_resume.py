"""The same command again does what is missing, says why, and never a scan twice."""

import json
import os
from pathlib import Path

import pytest

import medsr.batch
from medsr.batch.job import End
from medsr.restore.options import Options
from tests.batch.studies import make_plan, nifti_study, small_model, stub_restore


@pytest.fixture
def again(tmp_path):
    nifti_study(tmp_path / "in", 3)
    model = small_model(tmp_path / "model")

    def make(**words):
        words = {"model": model, **words}
        return make_plan(tmp_path / "in", tmp_path / "out", **words)

    medsr.batch.run(make(), restore=stub_restore)
    return make


def test_nothing_is_left_to_do(again, tmp_path):
    before = {path: path.stat() for path in (tmp_path / "out").rglob("*.nii.gz")}
    plan = again()
    assert not plan.todo
    assert medsr.batch.run(plan, restore=stub_restore).counts == {"done earlier": 3}
    assert {path: path.stat() for path in (tmp_path / "out").rglob("*.nii.gz")} == before
    assert not (tmp_path / "out" / ".medsr").exists()


def test_changed_settings_say_so(again):
    reasons = {item.reason for item in again(options=Options(sample=True, seed=4)).todo}
    assert reasons == {
        "done again: settings changed: sample False -> True, steps 1 -> 6, seed 0 -> 4"
    }


def test_a_changed_model_says_so(again, tmp_path):
    other = Path(small_model(tmp_path / "other"))
    assert not again(model=str(other)).todo  # the same weights elsewhere are the same model
    weights = bytearray(other.read_bytes())
    weights[-1] ^= 1
    other.write_bytes(weights)
    plan = again(model=str(other))
    assert {item.reason for item in plan.todo} == {"done again: the model changed"}


def test_other_settings_in_a_models_card_say_so(again, tmp_path):
    other = Path(small_model(tmp_path / "other"))
    card = other.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "sigma_data": 1.5}))
    plan = again(model=str(other))
    assert {item.reason for item in plan.todo} == {"done again: the model changed"}


def test_a_touched_input_is_compared_by_content(again, tmp_path):
    scan = tmp_path / "in" / "group0" / "scan00.nii.gz"
    os.utime(scan, (1, 1))
    assert not again().todo
    scan.write_bytes((tmp_path / "in" / "group1" / "scan01.nii.gz").read_bytes())
    assert [item.reason for item in again().todo] == ["done again: the input changed"]
    sidecar = tmp_path / "in" / "group1" / "scan01.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "SliceThickness": 3.0}))
    assert len(again().todo) == 2


def test_an_image_that_is_cut_or_gone_is_done_again(again, tmp_path):
    image = tmp_path / "out" / "group0" / "scan00.nii.gz"
    image.write_bytes(image.read_bytes()[:-10])
    assert [item.reason for item in again().todo] == ["done again: the output is incomplete"]
    image.unlink()
    assert len(again().todo) == 1
    medsr.batch.run(again(), restore=stub_restore)
    assert not again().todo


def test_a_file_that_medsr_did_not_make_is_left_alone(again, tmp_path):
    (tmp_path / "out" / "group0" / "scan00.json").unlink()
    plan = again()
    (item,) = [item for item in plan.items if item.decision == "refuse"]
    assert "did not make" in item.reason
    assert not plan.todo
    assert len(again(overwrite=True).todo) == 3


def test_stop_on_first_error_begins_no_further_scan(again, tmp_path):
    def broken(volume, job):
        raise ZeroDivisionError("a bug with a patient's name in it")

    results = medsr.batch.run(again(overwrite=True), restore=broken, stop_on_first_error=True)
    assert results.counts == {End.FAILED: 1, End.NOT_REACHED: 2}
    assert "ZeroDivisionError at test_resume.py" in results.faults[0].reason
    assert "patient" not in results.faults[0].reason
    assert not results.is_whole
    assert not again().todo  # the outputs of before still stand

"""DICOM series in, derived series out: the same as `medsr enhance`, and whole or not at all."""

import json

import numpy as np
import pytest

import medsr.batch
from medsr.errors import UsageError
from medsr.restore.options import Options
from medsr.volume.dicom.read.series import read_series
from medsr.volume.nifti import read_nifti
from tests.batch.studies import dicom_study, make_plan, nifti_study, small_model, stub_restore
from tests.batch.test_kill import contents
from tests.command_line import call
from tests.dicom_factory import SECRET


@pytest.fixture
def again(tmp_path):
    """Makes plans of two series, which the stub has done."""
    dicom_study(tmp_path / "in", 2)
    model = small_model(tmp_path / "model")

    def make(**words):
        return make_plan(tmp_path / "in", tmp_path / "out", **{"model": model, **words})

    medsr.batch.run(make(), restore=stub_restore)
    return make


def images(out):
    """The outputs of all scans, spreads left out, by name."""
    found = [p for p in out.rglob("series-*") if p.suffix != ".json" and "_std" not in p.name]
    return sorted(found, key=lambda path: path.name)


def test_series_are_those_of_medsr_enhance(tmp_path):
    source, model = dicom_study(tmp_path / "in", 1), small_model(tmp_path / "model")
    (folder,) = source.glob("*/*")
    words = ("--model", model, "--steps", 2, "--samples", 2)
    assert call("batch", source, tmp_path / "out", *words, "--workers", 1) == 0
    assert call("enhance", folder, "-o", tmp_path / "single", *words) == 0
    (image,) = images(tmp_path / "out")
    spread = image.with_name(f"{image.name}_std")
    for ours, single in ((image, "single"), (spread, "single_std")):
        alone = {p.name: p.read_bytes() for p in (tmp_path / single).iterdir()}
        assert len(alone) > 5
        assert {p.name: p.read_bytes() for p in ours.iterdir()} == alone
    np.testing.assert_array_equal(
        read_series(image).voxels, read_series(tmp_path / "single").voxels
    )
    record = image.with_name(f"{image.name}.json").read_text()
    assert SECRET not in record
    facts = json.loads(record)
    assert facts["OutputBytes"] == sum(p.stat().st_size for p in image.iterdir())
    assert facts["OutputBytes"] < make_plan(source, tmp_path / "x").items[0].most_bytes


def test_nothing_is_left_to_do(again, tmp_path):
    before = contents(tmp_path / "out")
    assert [image.is_dir() for image in images(tmp_path / "out")] == [True, True]
    assert medsr.batch.run(again(), restore=stub_restore).counts == {"done earlier": 2}
    assert contents(tmp_path / "out") == before
    assert not list((tmp_path / "out").rglob(".*"))


def test_nifti_on_request_replaces_the_series_and_back(again, tmp_path):
    out, options = tmp_path / "out", Options(samples=2)
    medsr.batch.run(again(options=options), restore=stub_restore)
    series = contents(out)
    voxels = [read_series(image).voxels for image in images(out)]
    plan = again(format="nifti", options=options)
    reasons = {item.reason for item in plan.todo}
    assert reasons == {"done again: settings changed: format dicom -> nifti"}
    medsr.batch.run(plan, restore=stub_restore)
    assert not list(out.rglob("*.dcm"))
    assert len(list(out.rglob("*_std.nii.gz"))) == 2
    for image, stored in zip(images(out), voxels, strict=True):
        np.testing.assert_allclose(read_nifti(image).voxels, stored, atol=0.5)
    medsr.batch.run(again(options=options), restore=stub_restore)
    assert contents(out) == series
    medsr.batch.run(again(), restore=stub_restore)
    assert not list(out.rglob("*_std*")), "a spread of other settings is left"


def test_nifti_input_stays_nifti(tmp_path):
    source, model = nifti_study(tmp_path / "in", 1), small_model(tmp_path / "model")
    plan = make_plan(source, tmp_path / "out", model=model, format="dicom")
    assert [item.output for item in plan.items] == ["group0/scan00.nii.gz"]
    with pytest.raises(UsageError, match="dicom"):
        make_plan(source, tmp_path / "out", model=model, format="png")


def test_a_series_that_lost_a_slice_or_has_other_settings_is_done_again(again, tmp_path):
    before = contents(tmp_path / "out")
    first, _ = images(tmp_path / "out")
    (first / "slice_0002.dcm").unlink()
    assert [item.reason for item in again().todo] == ["done again: the output is incomplete"]
    medsr.batch.run(again(), restore=stub_restore)
    assert contents(tmp_path / "out") == before
    plan = again(options=Options(seed=4))
    assert {i.reason for i in plan.todo} == {"done again: settings changed: seed 0 -> 4"}
    assert medsr.batch.run(plan, restore=stub_restore).counts == {"done": 2}
    assert contents(tmp_path / "out").keys() == before.keys()
    assert contents(tmp_path / "out") != before


def test_a_folder_that_medsr_did_not_make_is_left_alone(again, tmp_path):
    first, second = images(tmp_path / "out")
    first.with_name(f"{first.name}.json").unlink()
    (second / "notes.txt").write_text("mine")
    (item,) = [item for item in again().items if item.decision == "refuse"]
    assert "did not make" in item.reason
    plan = again(overwrite=True)
    (item,) = [item for item in plan.items if item.decision == "refuse"]
    assert "1 files that medsr did not write" in item.reason
    assert medsr.batch.run(plan, restore=stub_restore).counts == {"refused": 1, "done": 1}
    assert (second / "notes.txt").read_text() == "mine"

"""One file never stops a batch: a fault is a row, what is not anatomy is skipped, in words."""

import csv
import gzip
import json
import os

import numpy as np
import pytest

import medsr.batch
from medsr.batch.job import Decision
from medsr.batch.summary import write_summary
from medsr.errors import MedsrError
from medsr.restore.options import Options
from medsr.volume.nifti import read_nifti
from tests.batch.studies import bids_study, make_plan, small_model, stub_restore, thick_nifti
from tests.dicom_factory import dicom_series, edit
from tests.nifti_factory import nifti_file


@pytest.fixture
def planned(tmp_path):
    def make(folder, **words):
        model = small_model(tmp_path / "model")
        return make_plan(folder, tmp_path / "out", model=model, **words)

    return make


def items_of(plan):
    return {item.label.split(" (")[0]: item for item in plan.items}


def broken_files(root):
    """One NIfTI file of each kind of fault, and a sound one."""
    nifti_file(root / "unit.nii", xyzt_units=255)
    nifti_file(root / "dims.nii", dim=[3, 1200, 1200, 1200, 1, 1, 1, 1])
    nifti_file(root / "cifti.nii", intent_code=3006)
    nifti_file(root / "pair.nii", magic=b"ni1")
    nifti_file(root / "far.nii", affine=np.diag([1, 1, 4, 1e0]), srow_x=[1, 0, 0, 1e38])
    whole = gzip.compress(nifti_file(root / "whole.nii").read_bytes())
    (root / "cut.nii.gz").write_bytes(whole[:-100])
    (root / "empty.nii").write_bytes(b"")
    (root / "pointer.nii.gz").write_text("/annex/objects/MD5E-s9--x.nii.gz\n")
    (root / "loop.nii").symlink_to("loop.nii")
    (root / "annexed.nii").symlink_to(".git/annex/objects/x")
    (root / "folder.nii").mkdir()
    os.mkfifo(root / "pipe.nii")
    for name, text in (("deep", "[" * 90_000), ("huge", '{"SliceThickness": %s}' % ("9" * 5000))):
        nifti_file(root / f"{name}.nii")
        (root / f"{name}.json").write_text(text)


def test_each_fault_is_a_row_and_the_plan_agrees_with_the_reader(tmp_path, planned):
    study = tmp_path / "in"
    broken_files(study)
    items = items_of(planned(study))
    assert set(items) == {path.name for path in study.glob("*.nii*")} - {"folder.nii"}
    assert {n for n, i in items.items() if i.decision == Decision.ENHANCE} == {
        "unit.nii",
        "whole.nii",
        "deep.nii",
        "huge.nii",
    }
    for name, item in items.items():
        if item.decision == Decision.REFUSE:
            with pytest.raises(MedsrError) as fault:
                read_nifti(study / name)
            assert item.reason in str(fault.value)


def test_the_others_are_done(tmp_path, planned):
    study = tmp_path / "in"
    broken_files(study)
    plan = planned(study)
    results = medsr.batch.run(plan, restore=stub_restore)
    done = {row.scan.split(" (")[0] for row in results.rows if row.end == "done"}
    assert done == {"unit.nii", "whole.nii", "deep.nii", "huge.nii"}
    assert not any("internal error" in row.reason for row in results.rows)


def test_what_is_not_anatomy_is_skipped_with_the_reason(tmp_path, planned):
    study = tmp_path / "in"
    nifti_file(study / "scan.nii")
    nifti_file(study / "scan_ph.nii")
    nifti_file(study / "scan_real.nii")
    nifti_file(study / "by_sidecar.nii")
    (study / "by_sidecar.json").write_text(json.dumps({"ImageType": ["ORIGINAL", "PRIMARY", "P"]}))
    nifti_file(study / "by_intent.nii", intent_code=1002)
    mask = np.zeros((48, 48, 12))
    mask[10:30, 10:30, 3:9] = 1
    nifti_file(study / "drawn.nii.gz", mask, dtype=np.uint8)
    items = items_of(planned(study))
    assert items.pop("scan.nii").decision == Decision.ENHANCE
    assert {item.decision for item in items.values()} == {Decision.SKIP}
    assert "phase" in items["scan_ph.nii"].reason
    assert "phase" in items["by_sidecar.nii"].reason
    assert "real part" in items["scan_real.nii"].reason
    assert "label map" in items["by_intent.nii"].reason
    assert "mask" in items["drawn.nii.gz"].reason


def test_nothing_forces_what_is_not_anatomy(tmp_path, planned):
    nifti_file(tmp_path / "in" / "scan_ph.nii")
    options = Options(force=True)
    (item,) = planned(tmp_path / "in", options=options).items
    assert item.decision == Decision.SKIP
    assert "phase" in item.reason


def test_a_mask_that_only_its_voxels_show_is_skipped_too(tmp_path, planned):
    """The plan looks at headers alone; the reader sees it, which is no failure."""
    mask = np.zeros((48, 48, 12))
    mask[10:30, 10:30, 3:9] = 1
    nifti_file(tmp_path / "in" / "drawn.nii", mask, dtype=np.float32)
    nifti_file(tmp_path / "in" / "scan.nii")
    plan = planned(tmp_path / "in")
    assert len(plan.todo) == 2
    results = medsr.batch.run(plan, restore=stub_restore)
    assert results.counts == {"done": 1, "skipped": 1}
    assert results.is_whole
    assert results.rows[1].reason.startswith("is a mask")


def test_half_a_series_that_was_not_fetched_is_refused(tmp_path, planned):
    files = dicom_series(tmp_path / "in" / "head", step_mm=4.0)
    for path in files[-2:]:
        path.unlink()
        path.symlink_to("../.git/annex/objects/x")
    plan = planned(tmp_path / "in")
    assert plan.items
    assert not plan.todo
    assert any("not here" in item.reason for item in plan.items)


def test_a_person_who_is_a_link_is_in_the_plan(tmp_path, planned):
    store = tmp_path / "store"
    thick_nifti(store / "anat" / "sub-03_T1w.nii.gz")
    study = bids_study(tmp_path / "in")
    (study / "sub-03").symlink_to(store)
    gone = study / "sub-04" / "anat" / "sub-04_T1w.nii.gz"
    gone.parent.mkdir(parents=True)
    gone.symlink_to("../../.git/annex/objects/x")
    items = items_of(planned(study))
    assert items["sub-03/anat/sub-03_T1w.nii.gz"].decision == Decision.ENHANCE
    refused = items["sub-04/anat/sub-04_T1w.nii.gz"]
    assert refused.decision == Decision.REFUSE
    assert "not here" in refused.reason


def test_names_of_any_bytes_are_told_apart_and_no_cell_is_a_formula(tmp_path, planned):
    names = [b"M\xfcller", b"M\xf6ller", b"=1+1", b"-x", b"a\nb", b"\x1b[2J", b"x" * 240]
    for name in names:
        folder = os.fsencode(tmp_path / "in") + b"/" + name
        os.makedirs(folder)
        path = thick_nifti(tmp_path / "plain.nii.gz")
        os.replace(path, folder + b"/" + name[:200] + b".nii.gz")
    plan = planned(tmp_path / "in")
    assert len(plan.todo) == len(names)
    assert all(item.label.isprintable() for item in plan.items)
    results = medsr.batch.run(plan, restore=stub_restore)
    assert [row.end for row in results.rows] == ["done"] * len(names)
    write_summary(results, plan)
    out = tmp_path / "out"
    with (out / "where.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert len({row[1] for row in rows[1:]}) == len(names)
    for table in ("where.csv", "summary.csv"):
        with (out / table).open(encoding="utf-8", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    for page in ("summary.html", "summary.json"):
        assert "\x1b" not in (out / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("change", [{"RescaleSlope": 3.0}, {"SliceThickness": 1.0}], ids=str)
def test_one_instance_with_two_headers_is_refused_in_the_plan(tmp_path, planned, change):
    def scaled(_, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = 2.0, 0

    files = dicom_series(tmp_path / "in", change=scaled)
    copy = tmp_path / "in" / "copy.dcm"
    copy.write_bytes(files[1].read_bytes())
    (item,) = planned(tmp_path / "in").items
    assert item.decision == Decision.ENHANCE
    edit(copy, **change)
    (item,) = planned(tmp_path / "in").items
    assert item.decision == Decision.REFUSE
    assert "have the same SOPInstanceUID" in item.reason

"""What a folder holds and what becomes of it: DICOM dumps, BIDS datasets, loose NIfTI files."""

import nibabel
import numpy as np
import pytest

import medsr.batch
from medsr.batch.job import Decision
from medsr.batch.plan import Selection
from medsr.errors import InputError, UsageError
from medsr.restore.options import Options
from tests.batch.studies import (
    bids_study,
    dicom_dump,
    make_plan,
    nifti_study,
    small_model,
    stub_restore,
    thick_nifti,
)
from tests.dicom_factory import SECRET, dicom_series, edit, enhanced_file


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path / "model")


@pytest.fixture
def planned(tmp_path, model):
    def make(folder, **words):
        return make_plan(folder, tmp_path / "out", model=model, **words)

    return make


def by_reason(plan, word):
    return [item for item in plan.items if word in item.reason]


def test_a_dicom_dump_is_sorted_into_series_each_with_a_reason(tmp_path, planned):
    plan = planned(dicom_dump(tmp_path / "in"))
    assert len(plan.items) == 8
    todo = sorted(plan.todo, key=lambda item: item.spacing_mm)
    assert [item.spacing_mm[2] for item in todo] == [4.0, 5.0]
    assert [item.files for item in todo] == [5, 5]
    assert todo[0].shape == (10, 8, 5)
    assert todo[0].fine_shape == (10, 8, 33)
    skipped = {"localizer", "is a map", "4-D", "isotropic", "is CT, and the model is for MR"}
    for word in skipped:
        (item,) = by_reason(plan, word)
        assert item.decision == Decision.SKIP, word
    (gap,) = by_reason(plan, "1 slice is missing")
    assert gap.decision == Decision.REFUSE


def test_nobody_is_named(tmp_path, planned):
    """Neither folders called after a person nor header words leave the plan or the summary."""
    plan = planned(dicom_dump(tmp_path / "in"))
    medsr.batch.run(plan, restore=stub_restore)
    for name in ("summary.csv", "summary.json", "summary.html"):
        text = (tmp_path / "out" / name).read_text()
        assert SECRET not in text
        assert "19640812" not in text
    assert SECRET in (tmp_path / "out" / "where.csv").read_text()
    assert not any(SECRET in item.label + item.reason for item in plan.items)


def test_series_over_several_folders_are_one_and_copies_count_once(tmp_path, planned):
    files = dicom_series(tmp_path / "in" / "a", slices=6, step_mm=4.0)
    (tmp_path / "in" / "b").mkdir()
    (tmp_path / "in" / "b" / "moved.dcm").write_bytes(files[0].read_bytes())
    files[0].unlink()
    (tmp_path / "in" / "b" / "copy.dcm").write_bytes(files[3].read_bytes())
    plan = planned(tmp_path / "in")
    (item,) = plan.todo
    assert (item.files, item.shape[2]) == (7, 6)
    assert medsr.batch.run(plan).counts == {"done": 1}


def test_series_without_uid_are_told_apart_by_folder(tmp_path, planned):
    for folder in ("a", "b"):
        for file in dicom_series(tmp_path / "in" / folder, step_mm=4.0):
            edit(file, SeriesInstanceUID="")
    assert len(planned(tmp_path / "in").todo) == 2


def test_a_corrupt_half_of_a_series_is_refused_not_enhanced_as_half_a_head(tmp_path, planned):
    files = dicom_series(tmp_path / "in" / "half", slices=8, step_mm=4.0)
    dicom_series(tmp_path / "in" / "other", step_mm=4.0)
    for file in files[4:]:
        file.write_bytes(file.read_bytes()[:140] + b"\xff" * 200)
    plan = planned(tmp_path / "in")
    assert [item.files for item in plan.todo] == [5]  # the other folder's
    refused = [item for item in plan.items if item.decision == Decision.REFUSE]
    assert sorted(item.files for item in refused) == [4, 4]
    assert any(
        "4 DICOM files in the same folder cannot be read" in item.reason for item in refused
    )


def test_pixels_cut_in_half_of_a_series_fail_in_words_and_the_rest_goes_on(tmp_path, planned):
    files = dicom_series(tmp_path / "in" / "half", slices=8, step_mm=4.0)
    dicom_series(tmp_path / "in" / "other", step_mm=4.0)
    for file in files[4:]:
        file.write_bytes(file.read_bytes()[:-100])
    results = medsr.batch.run(planned(tmp_path / "in"))
    assert results.counts == {"failed": 1, "done": 1}
    assert "IMG0004.dcm" in results.faults[0].reason
    assert results.rows[0].end == "failed"


def test_an_unreadable_file_is_refused_by_name(tmp_path, planned):
    study = nifti_study(tmp_path / "in", 2)
    (study / "broken.nii.gz").write_bytes(b"not gzip at all")
    (study / "empty.dcm").write_bytes(b"")
    results = medsr.batch.run(planned(study), restore=stub_restore)
    assert results.counts == {"refused": 2, "done": 2}
    reasons = " ".join(row.reason for row in results.faults)
    assert "cannot be read as NIfTI" in reasons
    assert "empty.dcm: is empty" in reasons


def test_enhanced_multi_frame_files_are_found(tmp_path, planned):
    enhanced_file(tmp_path / "in" / "scan.dcm", slices=6, step_mm=4.0)
    (item,) = planned(tmp_path / "in").todo
    assert item.shape == (10, 8, 6)


def test_plain_nifti_trees_are_mirrored(tmp_path, planned):
    plan = planned(nifti_study(tmp_path / "in", 3))
    wanted = {"group0/scan00.nii.gz", "group1/scan01.nii.gz", "group0/scan02.nii.gz"}
    assert {item.output for item in plan.todo} == wanted
    medsr.batch.run(plan, restore=stub_restore)
    image = nibabel.load(tmp_path / "out" / "group0" / "scan00.nii.gz")
    assert image.shape == (12, 14, 20)


def test_nifti_that_is_not_one_scan(tmp_path, planned):
    study = tmp_path / "in"
    thick_nifti(study / "twin.nii.gz")
    thick_nifti(study / "twin.nii")
    times = nibabel.Nifti1Image(np.zeros((4, 4, 4, 6), np.float32), np.eye(4))
    nibabel.save(times, study / "bold.nii.gz")
    thick_nifti(study / "fine.nii.gz", affine=np.eye(4))
    plan = planned(study)
    assert {i.label.split(" ")[0]: i.decision for i in plan.items} == {
        "twin.nii": Decision.ENHANCE,
        "twin.nii.gz": Decision.REFUSE,
        "bold.nii.gz": Decision.SKIP,
        "fine.nii.gz": Decision.SKIP,
    }


def test_bids_takes_anatomy_and_names_derivatives(tmp_path, planned):
    study = bids_study(tmp_path / "in", people=("01", "02", "03"))
    thick_nifti(study / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz")
    thick_nifti(study / "sub-01" / "anat" / "sub-01_part-phase_T2starw.nii.gz")
    thick_nifti(study / "derivatives" / "other" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    plan = planned(study)
    assert len(plan.items) == 5
    assert {item.output for item in plan.todo} == {
        f"sub-{k}/anat/sub-{k}_res-sr_desc-medsr_T1w.nii.gz" for k in ("01", "02", "03")
    }
    assert by_reason(plan, "is 'bold' of 'func'")
    assert by_reason(plan, "is a phase")
    few = planned(study, selection=Selection(participants=("sub-02", "03")))
    assert [item.label[:6] for item in few.items] == ["sub-02", "sub-03"]


def test_patterns_and_modality_select(tmp_path, planned):
    study = nifti_study(tmp_path / "in", 4)
    assert len(planned(study, selection=Selection(include=("group1/*",))).items) == 2
    assert len(planned(study, selection=Selection(exclude=("*scan00*", "group1*"))).items) == 1
    plan = planned(study, selection=Selection(modality="CT"))
    assert len(by_reason(plan, "--modality selects CT only")) == 4


def test_parts_share_the_scans_and_need_no_engine(tmp_path, planned):
    study = nifti_study(tmp_path / "in", 7)
    parts = [planned(study, selection=Selection(parts=3, part=k)) for k in range(3)]
    keys = [item.key for part in parts for item in part.items]
    assert len(keys) == len(set(keys)) == 7
    for part in parts:
        assert medsr.batch.run(part, restore=stub_restore).is_whole
    assert (tmp_path / "out" / "summary_1_of_3.csv").is_file()
    assert not planned(study).todo
    with pytest.raises(UsageError, match="from 0 to 2"):
        Selection(parts=3, part=3)


def test_the_output_may_lie_inside_but_not_be_or_hold_the_input(tmp_path, model):
    study = nifti_study(tmp_path / "in", 2)
    for _ in range(2):
        plan = make_plan(study, study / "derivatives" / "medsr", model=model)
        assert len(plan.items) == 2
        medsr.batch.run(plan, restore=stub_restore)
    for out in (study, tmp_path):
        with pytest.raises(UsageError, match="must not be the input folder or contain it"):
            make_plan(study, out, model=model)
    with pytest.raises(InputError, match="no such folder"):
        make_plan(tmp_path / "none", tmp_path / "out", model=model)
    with pytest.raises(UsageError, match="need a BIDS dataset"):
        make_plan(study, tmp_path / "out", model=model, selection=Selection(participants=("01",)))


def test_several_readers_find_what_one_finds(tmp_path, planned):
    for k in range(60):
        dicom_series(tmp_path / "in" / f"s{k}", slices=10, step_mm=4.0, seed=k)
    alone, together = planned(tmp_path / "in"), planned(tmp_path / "in", readers=2)
    assert len(alone.items) == 60
    assert alone.items == together.items


def test_a_spacing_makes_work_of_isotropic_scans(tmp_path, planned):
    thick_nifti(tmp_path / "in" / "fine.nii.gz", affine=np.eye(4))
    (item,) = planned(tmp_path / "in", options=Options(spacing_mm=0.5)).todo
    assert item.fine_shape == (24, 28, 10)

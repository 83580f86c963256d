"""Real scans: what counts as kept, and what the tables say of it."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from benchmarks.quality import real_scans
from benchmarks.quality.real_scans import Refusal, Row, scans_in, tables
from medsr.restore.enhancer import Models

SOUND = Row(
    scan="a/one.nii.gz",
    spacing_mm=(1.0, 1.0, 4.0),
    fine_mm=(1.0, 1.0, 1.0),
    least=0.0,
    least_of_result=0.0,
    noise=0.01,
    worst=0.005,
    rms=0.001,
    doubts=("The profile is doubtful.",),
    seconds=12.3,
)


@pytest.mark.parametrize(
    ("changes", "agreement"),
    [
        ({}, "yes"),
        ({"worst": 0.02}, "no: The profile is doubtful."),
        ({"worst": 0.02, "doubts": ()}, "no: no remark says why."),
        ({"worst": 0.2, "noise": 0.03, "rms": 0.02}, "within its noise"),
        ({"worst": 0.2, "noise": 0.03, "rms": 0.04}, "no: The profile is doubtful."),
        ({"worst": 0.2, "noise": 0.01, "rms": 0.005}, "no: The profile is doubtful."),
    ],
    ids=str,
)
def test_a_result_agrees_within_the_tolerance_or_the_noise(changes, agreement):
    assert replace(SOUND, **changes).agreement == agreement


@pytest.mark.parametrize(
    ("least", "of_result", "new"), [(0, 0, False), (0, -1e-3, True), (-5, -9, False)]
)
def test_negative_voxels_are_new_where_the_scan_has_none(least, of_result, new):
    row = replace(SOUND, least=least, least_of_result=of_result)
    assert row.has_new_negatives == new
    assert ("(!)" in row.line()) == new


def test_the_tables_are_sorted_and_count():
    rows = [
        Refusal("z", "is a | map."),
        replace(SOUND, scan="b", worst=1.0),
        replace(SOUND, least_of_result=-3.0),
    ]
    lines = tables(rows).splitlines()
    assert lines[-1].startswith("3 scans: 2 enhanced, 1 refused.")
    assert "scan has none: 1." in lines[-1]
    assert lines[-1].endswith("as promised: 1.")
    assert lines[2].startswith("| a/one.nii.gz | 1 x 1 x 4 | 1 x 1 x 1 | 0 | -3 (!) | 0.010 ")
    assert lines[3].startswith("| b |")
    assert "a \\| map" in lines[-3]


def test_scans_of_all_three_forms_are_found_the_smallest_first(tmp_path):
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "series" / "notes.txt").write_bytes(b"x")
    (tmp_path / "a_dicom.tar.xz").write_bytes(bytes(20))
    (tmp_path / "b.nii.gz").write_bytes(bytes(10))
    (tmp_path / "other.tar.xz").write_bytes(bytes(5))
    found = [path.name for path in scans_in(tmp_path)]
    assert found == ["b.nii.gz", "a_dicom.tar.xz", "series"]


def test_a_refused_scan_is_a_sentence_without_its_name(tmp_path):
    noise = np.random.default_rng(0).integers(1, 200, (16, 16, 16)).astype(np.int16)
    nib.save(nib.Nifti1Image(noise, np.eye(4)), tmp_path / "even.nii")
    found = real_scans.outcome(tmp_path / "even.nii", "even.nii", Models("cpu"))
    assert isinstance(found, Refusal)
    assert found.sentence.startswith("is already isotropic") or "isotropic" in found.sentence
    assert "even.nii" not in found.sentence

"""`medsr enhance --stack`: NIfTI and DICOM, and what is refused."""

import json

import nibabel
import numpy as np
import pydicom
import pytest

from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.batch.studies import small_model
from tests.cli.test_machine import validate
from tests.command_line import call
from tests.conftest import smooth_head
from tests.dicom_factory import dicom_series

pytest.importorskip("SimpleITK")


def stack(path, axis):
    """A thick NIfTI scan of a made head across one axis."""
    head = smooth_head((32, 32, 32), 3)
    shape = [32, 32, 32]
    shape[axis : axis + 1] = [8, 4]
    affine = np.eye(4)
    affine[axis, axis], affine[axis, 3] = 4.0, 1.5
    low = head.reshape(shape).mean(axis + 1)
    scan = Volume(low.astype(np.float32), affine, modality="MR", slice_axis=axis)
    write_nifti(scan, path, {"Modality": "MR", "SliceThickness": 4.0})
    return path


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path / "model")


def test_stacks_are_joined_and_recorded(model, tmp_path, capsys):
    axial, sagittal = stack(tmp_path / "axial.nii.gz", 2), stack(tmp_path / "sagittal.nii.gz", 0)
    out = tmp_path / "out.nii.gz"
    words = ("enhance", axial, "-o", out, "--model", model, "--force")
    assert call(*words, "--stack", sagittal, "--registered", "--json") == 0
    page = json.loads(capsys.readouterr().out)
    validate(page, "enhance")
    assert [part["InputSpacing"] for part in page["Stacks"]] == [[1, 1, 4], [4, 1, 1]]
    assert any("2 scans were joined" in remark["Text"] for remark in page["Remarks"])
    record = json.loads((tmp_path / "out.json").read_text())
    validate(record, "sidecar")
    assert record["Stacks"] == page["Stacks"]
    assert nibabel.load(out).shape == (32, 32, 32)
    alone = tmp_path / "alone.nii.gz"
    assert call("enhance", axial, "-o", alone, "--model", model, "--force", "-q") == 0
    one, two = (np.asarray(nibabel.load(path).dataobj) for path in (alone, out))
    head = smooth_head((32, 32, 32), 3)
    inner = (slice(4, -4),) * 3
    assert np.square(two - head)[inner].mean() < 0.8 * np.square(one - head)[inner].mean()


def test_another_patient_is_refused_without_the_names(model, tmp_path, capsys):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, patient in ((first, "Jane^Doe"), (second, "John^Roe")):
        for file in dicom_series(folder):
            header = pydicom.dcmread(file)
            header.PatientID = patient
            header.save_as(file)
    out = tmp_path / "out"
    assert call("enhance", first, "-o", out, "--model", model, "--stack", second) == 4
    said = capsys.readouterr()
    assert "different patients" in said.err
    assert "Doe" not in said.err + said.out
    assert not out.exists()


def test_a_sample_of_joined_scans_is_refused_first(model, tmp_path, capsys):
    axial, out = stack(tmp_path / "axial.nii.gz", 2), tmp_path / "out.nii.gz"
    words = ("enhance", axial, "-o", out, "--model", model, "--sample", "--stack", axial)
    assert call(*words) == 2
    assert "--sample" in capsys.readouterr().err
    assert not out.exists()

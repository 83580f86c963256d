"""`medsr enhance` with a DICOM series at the end, judged by dciodvfy and dcm2niix."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from medsr.cli.main import main
from medsr.network.checkpoint import save_model
from medsr.volume.dicom.read.series import read_series
from medsr.volume.nifti import read_nifti
from medsr.volume.nifti_write import write_nifti
from tests.dicom_factory import SECRET, dicom_series
from tests.dicom_tools import needs, new_errors, same_grid_mm, with_dcm2niix
from tests.network.test_unet_and_checkpoint import card, small_denoiser

SAMPLE = Path(__file__).parents[2] / "sample_data" / "head_T1w_thick_dicom"


@pytest.fixture(params=["MR", "CT"])
def modality(request):
    return request.param


@pytest.fixture
def model(tmp_path, modality):
    path = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(modality=modality), path)
    return path


def smooth(k, dataset):
    """Pixels that a network of random weights leaves within the scale."""
    dataset.PixelData = np.linspace(900, 1200 + 5 * k, 24 * 20).astype("<u2").tobytes()
    dataset.SeriesNumber, dataset.FrameOfReferenceUID = 3, "1.2.3"


@pytest.fixture
def scan(tmp_path, modality):
    dicom_series(tmp_path / "in", shape=(24, 20), step_mm=3.0, modality=modality, change=smooth)
    return tmp_path / "in"


def call(*words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return stop.value.code


def uids(folder):
    return [pydicom.dcmread(file).SOPInstanceUID for file in sorted(folder.glob("*.dcm"))]


@needs("dciodvfy", "dcm2niix")
def test_a_dicom_folder_in_and_a_series_out(scan, model, tmp_path, capsys):
    words = ("--model", model, "--steps", 2, "--samples", 2, "--null-space")
    assert call("enhance", scan, "-o", tmp_path / "out", *words) == 0
    assert call("enhance", scan, "-o", tmp_path / "out.nii.gz", *words) == 0
    ours, theirs = read_nifti(tmp_path / "out.nii.gz"), read_series(tmp_path / "out")
    file = pydicom.dcmread(tmp_path / "out" / "slice_0001.dcm")
    assert same_grid_mm(ours.affine, theirs.affine, ours.shape) < 1e-4
    half_step = 0 if ours.modality == "CT" else float(file.RescaleSlope) / 2
    assert np.abs(ours.voxels - theirs.voxels).max() <= half_step + 1e-3
    for kind in ("out", "out_std", "out_null-space"):
        assert new_errors(tmp_path / kind, scan) == set()
        ours = nibabel.as_closest_canonical(nibabel.load(tmp_path / f"{kind}.nii.gz"))
        other = with_dcm2niix(tmp_path / kind, tmp_path / f"{kind} by dcm2niix")
        assert same_grid_mm(ours.affine, other.affine, ours.shape) < 1e-4
        step = float(pydicom.dcmread(tmp_path / kind / "slice_0001.dcm").RescaleSlope)
        assert np.abs(ours.get_fdata() - other.get_fdata()).max() <= step / 2 + 1e-3
    facts = json.loads((tmp_path / "out.json").read_text())
    said = capsys.readouterr()
    for words in (json.dumps(facts), said.out, said.err, file.SeriesDescription[20:]):
        assert SECRET not in words


def test_uids_follow_from_input_model_settings_and_seed(scan, model, tmp_path):
    words = ("--model", model, "-q")
    settings = {
        "a": ("--steps", 2),
        "b": ("--steps", 2),
        "c": ("--steps", 2, "--seed", 1),
        "d": ("--steps", 1),
        "e": ("--steps", 1, "--quick"),
    }
    for name, more in settings.items():
        assert call("enhance", scan, "-o", tmp_path / name, *words, *more) == 0
    a, b, c, d, e = (uids(tmp_path / name) for name in settings)
    assert a == b
    assert len({*a, *c, *d, *e}) == 4 * len(a)
    read = [(tmp_path / n / "slice_0002.dcm").read_bytes() for n in "ab"]
    assert read[0] == read[1]


def test_nifti_in_and_dicom_out_by_a_template(scan, model, tmp_path, modality, capsys):
    write_nifti(read_series(scan), tmp_path / "scan.nii", {"Modality": modality})
    words = ("--model", model, "--steps", 1, "-q")
    assert call("enhance", tmp_path / "scan.nii", "-o", tmp_path / "out", *words) == 2
    said = capsys.readouterr().err
    assert "a folder as output means a DICOM series" in said
    assert said.index(".nii.gz") < said.index("--template")
    words += ("--template", scan)
    assert call("enhance", tmp_path / "scan.nii", "-o", tmp_path / "out", *words) == 0
    assert call("enhance", scan, "-o", tmp_path / "direct", *words[:-2]) == 0
    by_template, direct = read_series(tmp_path / "out"), read_series(tmp_path / "direct")
    assert same_grid_mm(by_template.affine, direct.affine, direct.shape) < 1e-4
    np.testing.assert_allclose(by_template.voxels, direct.voxels, atol=1.01)
    file = pydicom.dcmread(tmp_path / "out" / "slice_0001.dcm")
    source = pydicom.dcmread(next(scan.iterdir()))
    assert file.StudyInstanceUID == source.StudyInstanceUID
    assert file.PatientID == source.PatientID
    assert call("enhance", scan, "-o", tmp_path / "other", *words) == 2  # a DICOM scan needs none


def test_a_template_of_another_modality_is_refused_before_the_work(scan, model, tmp_path, capsys):
    wrong = "CT" if read_series(scan).modality == "MR" else "MR"
    write_nifti(read_series(scan), tmp_path / "scan.nii", {"Modality": wrong})
    words = ("--model", model, "--template", scan, "--dry-run")
    assert call("enhance", tmp_path / "scan.nii", "-o", tmp_path / "out", *words) == 4
    assert f"scan.nii: is {wrong}, but the series in is" in capsys.readouterr().err


def test_a_folder_that_is_in_use_is_left_alone(scan, model, tmp_path, capsys):
    words = ("--model", model, "--steps", 1, "-q")
    assert call("enhance", scan, "-o", scan, *words) == 5
    assert "did not write" in capsys.readouterr().err
    assert call("enhance", scan, "-o", tmp_path / "out", *words) == 0
    assert call("enhance", scan, "-o", tmp_path / "out", *words) == 5
    assert call("enhance", scan, "-o", tmp_path / "out", *words, "--overwrite") == 0
    assert call("enhance", scan, "-o", tmp_path / "x.nii", *words, "--format", "dicom") == 2
    assert call("enhance", scan, "-o", tmp_path / "x", *words, "--format", "nifti") == 2
    assert call("enhance", scan, "-o", tmp_path / "x.d", *words, "--format", "dicom") == 0
    assert uids(tmp_path / "x.d") == uids(tmp_path / "out")


def test_a_dry_run_writes_no_folder(scan, model, tmp_path):
    words = ("--model", model, "--dry-run", "-q")
    assert call("enhance", scan, "-o", tmp_path / "out", *words) == 0
    assert not (tmp_path / "out").exists()


@needs("dciodvfy", "dcm2niix")
def test_the_sample_scan_comes_out_as_a_series_that_others_read(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for file in sorted(SAMPLE.iterdir())[12:18]:
        shutil.copy(file, source)
    words = ("--steps", 1, "--spacing", 1.875, "-q")
    assert call("enhance", source, "-o", tmp_path / "out", *words) == 0
    assert call("enhance", source, "-o", tmp_path / "out.nii", *words) == 0
    assert new_errors(tmp_path / "out", source) == set()
    ours = nibabel.as_closest_canonical(nibabel.load(tmp_path / "out.nii"))
    theirs = with_dcm2niix(tmp_path / "out", tmp_path / "by dcm2niix")
    assert same_grid_mm(theirs.affine, ours.affine, ours.shape) < 1e-4
    assert np.abs(theirs.get_fdata() - ours.get_fdata()).max() <= 0.5001

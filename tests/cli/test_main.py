import json
import subprocess
import sys
import time
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from medsr.network.checkpoint import save_model
from medsr.volume.nifti import read_nifti
from medsr.volume.nifti_write import write_nifti
from tests.command_line import call
from tests.network.test_unet_and_checkpoint import card, small_denoiser


@pytest.fixture
def scan(tmp_path, phantom):
    path = tmp_path / "scan.nii.gz"
    write_nifti(phantom, path, {"Modality": "MR", "SliceThickness": 4.0})
    return path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(), path)
    return path


def test_enhance_writes_image_and_sidecar(scan, model, tmp_path):
    out = tmp_path / "out.nii.gz"
    assert call("enhance", scan, "-o", out, "--model", model, "--samples", 2, "-q") == 0
    facts = json.loads((tmp_path / "out.json").read_text())
    assert facts["Factor"] == pytest.approx([1, 1, 4])
    assert facts["AssumedSliceThickness"] == 4.0
    assert len(facts["ModelSHA256"]) == len(facts["InputSHA256"]) == 64
    assert nibabel.load(out).shape == (24, 28, 32)
    assert nibabel.load(tmp_path / "out_std.nii.gz").shape == (24, 28, 32)
    assert not list(tmp_path.glob(".*"))
    assert call("enhance", scan, "-o", out, "--model", model) == 5  # exists


def test_enhance_writes_a_page(scan, model, tmp_path):
    sidecar = json.loads(scan.with_name("scan.json").read_text())
    sidecar |= {"PatientName": "Someone^Real", "AcquisitionDate": "19700101"}
    scan.with_name("scan.json").write_text(json.dumps(sidecar))
    out, page = tmp_path / "out.nii.gz", tmp_path / "page.html"
    words = ("--model", model, "--samples", 2, "--report", page, "-q")
    assert call("enhance", scan, "-o", out, *words) == 0
    text = page.read_text()
    assert "Research use only, not for diagnosis." in text
    for role in ("before", "after", "spread"):
        assert f'id="volume-{role}"' in text
    facts = json.loads((tmp_path / "out.json").read_text())
    assert facts["ModelSHA256"] in text
    assert "mean of 2 samples" in text
    assert "this page cannot show whether the restored detail is correct" in text
    assert "Someone" not in text
    assert "19700101" not in text


def test_quick_alone_asks_for_the_posterior_mean(scan, model, tmp_path):
    assert call("enhance", scan, "-o", tmp_path / "out.nii.gz", "--model", model, "--quick") == 0
    facts = json.loads((tmp_path / "out.json").read_text())
    assert (facts["Steps"], facts["Quick"]) == (1, True)


def test_dry_run_writes_nothing(scan, model, tmp_path, capsys):
    out = tmp_path / "out.nii.gz"
    assert call("enhance", scan, "-o", out, "--model", model, "--dry-run") == 0
    assert "would enhance" in capsys.readouterr().out
    assert not out.exists()


def test_exit_codes(scan, model, tmp_path, phantom, capsys):
    out = tmp_path / "out.nii.gz"
    assert call("enhance", tmp_path / "none.nii", "-o", out, "--model", model) == 3
    assert call("enhance", scan, "-o", tmp_path / "x.png", "--model", model) == 2
    assert call("enhance", scan, "-o", out, "--model", model, "--device", "cuda:77") == 2
    isotropic = tmp_path / "iso.nii"
    write_nifti(replace(phantom, affine=np.eye(4)), isotropic, {"Modality": "MR"})
    assert call("enhance", isotropic, "-o", out, "--model", model) == 4
    assert "already isotropic" in capsys.readouterr().err
    damaged = tmp_path / "damaged.nii.gz"
    damaged.write_bytes(scan.read_bytes()[:300])
    assert call("enhance", damaged, "-o", out, "--model", model) == 3
    assert not out.exists()


def test_degrade_then_evaluate(tmp_path, phantom, capsys):
    fine = tmp_path / "fine.nii.gz"
    write_nifti(replace(phantom, affine=np.eye(4), slice_thickness_mm=None), fine)
    low, report = tmp_path / "low.nii.gz", tmp_path / "report.json"
    assert call("degrade", fine, "-o", low, "--slice-spacing", 2, "--slice-thickness", 1.5) == 0
    thin = read_nifti(low)
    assert thin.slice_thickness_mm == 1.5
    assert thin.spacing_mm == pytest.approx((1, 1, 2))
    words = ("--reference", fine, "--estimate", fine, "--low", low, "-o", report)
    assert call("evaluate", *words, "--picture", tmp_path / "p.png") == 0
    assert "cubic" in capsys.readouterr().out
    assert json.loads(report.read_text())
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_scan_of_another_modality_is_refused(phantom, model, tmp_path, capsys):
    ct = tmp_path / "ct.nii"
    write_nifti(replace(phantom, modality="CT", unit="HU"), ct, {"Modality": "CT"})
    assert call("enhance", ct, "-o", tmp_path / "out.nii", "--model", model) == 4
    assert "is CT, but model small is for MR" in capsys.readouterr().err


def test_info_says_what_would_not_be_done(phantom, tmp_path, capsys):
    colour = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "rgb.nii")
    assert call("info", tmp_path / "rgb.nii") == 0
    assert "cannot enhance this" in capsys.readouterr().out
    assert call("info", tmp_path / "none") == 3


def test_info_and_models(scan, capsys):
    assert call("info", scan) == 0
    assert "4 mm apart, 4 mm thick" in capsys.readouterr().out
    assert call("models") == 0


def test_help_is_quick_and_imports_nothing_heavy():
    code = "import medsr.cli.main, sys; print({'torch', 'monai', 'numpy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "medsr", "--help"], capture_output=True, check=True)
    assert time.monotonic() - began < 2

"""`medsr evaluate` on folders, by its words."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.volume.nifti import read_nifti
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.command_line import call
from tests.conftest import smooth_head


@pytest.fixture
def folders(tmp_path):
    """Seven people: fine scans, thick scans of them, a good and a bad estimate."""
    rng = np.random.default_rng(0)
    for i in range(7):
        name = f"sub-0{i}_T1w.nii.gz"
        voxels = smooth_head((24, 28, 24), seed=i)
        fine = Volume(voxels, np.eye(4), modality="MR", slice_axis=2)
        plan = plan_degradation(fine.shape, (1, 1, 1), slice_axis=2, slice_spacing_mm=2)
        noise = rng.standard_normal(fine.shape).astype(np.float32)
        scans = {
            "ref": fine,
            "low": degrade(fine, plan, slice_axis=2),
            "good": replace(fine, voxels=voxels + noise),
            "bad": replace(fine, voxels=voxels + 4 * noise),
            "labels": replace(fine, voxels=(voxels > 0) * 1.0 + (voxels > 100)),
        }
        for role, volume in scans.items():
            write_nifti(volume, tmp_path / role / name, {"Modality": "MR", "SliceThickness": 2.0})
    return tmp_path


def test_methods_over_people(folders, capsys):
    words = ["--reference", folders / "ref", "--estimates", folders / "good", folders / "bad"]
    words += ["--names", "good", "bad", "--low", folders / "low", "--labels", folders / "labels"]
    words += ["-o", folders / "all.json", "--csv", folders / "all.csv"]
    assert call("evaluate", *words, "--table", folders / "all.tex") == 0
    said = json.loads((folders / "all.json").read_text())
    assert said["methods"] == ["good", "bad", "linear", "cubic"]
    assert said["people"] == 7
    psnr = next(p for p in said["pairings"] if p["metric"] == "psnr")
    assert (psnr["first"], psnr["second"], psnr["wins"]) == ("good", "bad", 7)
    assert psnr["p"] == pytest.approx(2 / 2**7)
    assert psnr["p_holm"] >= psnr["p"]
    consistency = {
        s["method"]: s["mean"] for s in said["summaries"] if s["metric"] == "consistency"
    }
    assert consistency["good"] < consistency["bad"]
    dice = {s["method"]: s["mean"] for s in said["summaries"] if s["metric"] == "tissue_dice"}
    assert dice["good"] > dice["bad"]
    lines = list(csv.DictReader((folders / "all.csv").read_text().splitlines()))
    assert len(lines) == 28
    assert r"\toprule" in (folders / "all.tex").read_text()
    assert "good vs bad: 7 wins, 0 ties, 0 losses" in capsys.readouterr().out


def test_a_case_that_fails_leaves_the_others(folders, capsys):
    bad = folders / "good" / "sub-03_T1w.nii.gz"
    bad.write_bytes(b"not a scan")
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    assert call("evaluate", *words, "-o", folders / "all.json") == 8
    assert json.loads((folders / "all.json").read_text())["people"] == 6
    assert "sub-03_T1w: sub-03_T1w.nii.gz: cannot be read" in capsys.readouterr().err


def test_a_csv_of_pairs(folders, capsys):
    table = folders / "pairs.csv"
    lines = [f"p,ref/sub-0{i}_T1w.nii.gz,good/sub-0{i}_T1w.nii.gz" for i in range(2)]
    table.write_text("\n".join(["person,reference,estimate", *lines]) + "\n")
    assert call("evaluate", "--pairs", table) == 0
    assert "1 subject (2 cases" in capsys.readouterr().out


def test_what_is_asked_wrongly(folders, capsys):
    assert call("evaluate", "--reference", folders / "ref") == 2
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    assert call("evaluate", *words, "--table", folders / "t.txt") == 2
    assert call("evaluate", *words, "--pairs", folders / "p.csv") == 2
    assert "--pairs already lists the files" in capsys.readouterr().err


def test_pages_of_a_group_and_of_each_case(folders):
    for role in ("ref", "good", "low"):
        for i in range(2, 7):
            (folders / role / f"sub-0{i}_T1w.nii.gz").unlink()
    report = folders / "pages" / "group.html"
    words = ["--reference", folders / "ref", "--estimate", folders / "good"]
    assert call("evaluate", *words, "--low", folders / "low", "--report", report) == 0
    page = report.read_text()
    assert 'href="group_cases/sub-01_T1w.html"' in page
    assert "2 subjects (2 cases" in page
    assert "Wilcoxon" in page
    assert 'id="comparisons"' in page
    case = (folders / "pages" / "group_cases" / "sub-01_T1w.html").read_text()
    assert "Evaluation of sub-01_T1w" in case
    assert 'id="volume-before"' in case
    assert "SHA-256 of reference" in case
    assert not re.search(r"(src|href)=.https?:", page + case)


def test_a_crop_has_numbers_but_no_page(folders, capsys):
    name = "sub-00_T1w.nii.gz"
    whole = read_nifti(folders / "good" / name)
    part = replace(whole, voxels=whole.voxels[:-1])
    write_nifti(part, folders / "part.nii.gz", {"Modality": "MR"})
    words = ["--reference", folders / "ref" / name, "--estimate", folders / "part.nii.gz"]
    assert call("evaluate", *words) == 0
    assert call("evaluate", *words, "--report", folders / "page.html") == 4
    assert "a report shows whole scans" in capsys.readouterr().err

"""The commands on a real CT: numbers in HU, consistency, and a page under 10 MB."""

import json

import pytest

from tests.command_line import call
from tests.real_data import REAL_DATA, needs_real_data

SCAN = REAL_DATA / "ct_totalsegmentator_example" / "example_ct.nii.gz"


@needs_real_data
@pytest.mark.skipif(not SCAN.exists(), reason="the example CT is not here")
def test_a_real_ct(tmp_path):
    from dataclasses import replace

    from medsr.acquisition.simulate import interpolated
    from medsr.volume.nifti import read_nifti
    from medsr.volume.nifti_write import write_nifti

    fine, low = tmp_path / "fine.nii.gz", tmp_path / "low.nii.gz"
    true = replace(read_nifti(SCAN), modality="CT", unit="HU", stored_as_integers=False)
    write_nifti(true, fine, {"Modality": "CT"})
    assert call("degrade", fine, "-o", low, "--slice-spacing", 9, "--axis", 2) == 0
    sharp = replace(interpolated(read_nifti(low), true, 3), name="sharp")
    write_nifti(sharp, tmp_path / "sharp.nii.gz", {"Modality": "CT"})
    report, page = tmp_path / "r.json", tmp_path / "r.html"
    depth = sharp.shape[2]  # slices that would hang over the end are left out
    part = replace(true, voxels=true.voxels[..., :depth])
    write_nifti(part, fine, {"Modality": "CT"})
    words = ("--reference", fine, "--estimate", tmp_path / "sharp.nii.gz", "--low", low)
    assert call("evaluate", *words, "-o", report, "--report", page) == 0
    said = json.loads(report.read_text())
    assert said["metrics"]["bias"]["unit"] == "HU"
    assert said["data_range"]["intensity_floor"] == -1024
    scores = said["estimates"]["estimate"]["scores"]
    # a file's values below -1024 HU, the overshoot of the spline, are read as air
    assert scores["psnr"] == pytest.approx(said["estimates"]["cubic"]["scores"]["psnr"], abs=1e-3)
    assert said["reference_scores"]["consistency"] < 0.3 * scores["consistency"]
    assert scores["hf_ratio_2"] < 0.01 < 0.1 < scores["hf_ratio_0"]
    assert page.stat().st_size < 10e6
    assert "Lung (-600, 1500 HU)" in page.read_text()

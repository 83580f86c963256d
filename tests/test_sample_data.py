"""The README's main job on the sample scan, with the bundled weights: NIfTI and DICOM alike."""

from pathlib import Path

import numpy as np
import pytest

from medsr import Enhancer
from medsr.acquisition.simulate import interpolated
from medsr.evaluation.compare import evaluate_pair
from medsr.restore.enhancer import Options
from medsr.volume.formats import read

SAMPLES = Path(__file__).parents[1] / "sample_data"


def test_the_bundled_model_beats_cubic_on_an_unseen_person():
    low = read(SAMPLES / "head_T1w_thick.nii.gz")
    enhancer = Enhancer.from_pretrained("mr-head", device="cpu")
    options = Options(spacing_mm=0.9375, steps=1)
    estimate = enhancer.enhance(low, options).volume
    result = evaluate_pair(
        read(SAMPLES / "head_T1w_reference.nii.gz"),
        {"estimate": estimate, "cubic": interpolated(low, estimate, 3)},
    )
    for metric, margin in (("psnr", 2.5), ("ssim_3d", 0.06)):
        assert result.value("estimate", metric) > result.value("cubic", metric) + margin


def test_the_dicom_series_is_the_nifti_file():
    dicom = read(SAMPLES / "head_T1w_thick_dicom")
    nifti = read(SAMPLES / "head_T1w_thick.nii.gz")
    assert dicom.modality == "MR"
    assert dicom.slice_thickness_mm == pytest.approx(nifti.slice_thickness_mm)
    # Same voxels at the same places; the order of the axes may differ.
    centre = np.array([n // 2 for n in dicom.shape])
    world = dicom.affine @ [*centre, 1]
    there = np.linalg.solve(nifti.affine, world)[:3]
    assert there == pytest.approx(np.rint(there), abs=1e-4)
    i, j, k = np.rint(there).astype(int)
    assert dicom.voxels[tuple(centre)] == nifti.voxels[i, j, k]


def test_files_are_small_and_have_a_licence():
    assert all(p.stat().st_size < 4e6 for p in SAMPLES.rglob("*") if p.is_file())
    assert "PDDL" in (SAMPLES / "README.md").read_text(encoding="utf-8")

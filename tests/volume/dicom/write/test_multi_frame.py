"""One enhanced multi-frame file: valid, the same volume, the same bytes each time."""

from itertools import product

import nibabel
import numpy as np
import pydicom
import pytest

from medsr.volume.dicom.read.series import read_series
from medsr.volume.dicom.write.multi_frame import write_multi_frame
from tests.dicom_factory import SECRET, dicom_series
from tests.dicom_tools import (
    derivation,
    needs,
    new_errors,
    read_source,
    same_grid_mm,
    with_dcm2niix,
)
from tests.volume.dicom.write.test_single_frame import refined, rich


def make(tmp_path, modality, name="out", kind="enhanced"):
    if not (tmp_path / "in").exists():
        dicom_series(tmp_path / "in", modality=modality, orientation="oblique", change=rich)
    fine = refined(read_series(tmp_path / "in"))
    write_multi_frame(fine, read_source(tmp_path / "in"), derivation(kind), tmp_path / name)
    return fine, tmp_path / name / "slices.dcm"


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_it_comes_back_as_it_was_written(tmp_path, modality):
    fine, path = make(tmp_path, modality)
    back = read_series(path)
    np.testing.assert_array_equal(back.voxels, fine.voxels)
    assert same_grid_mm(back.affine, fine.affine, fine.shape) < 1e-6
    _, again = make(tmp_path, modality, "again")
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_its_context_is_that_of_the_classic_series(tmp_path, modality):
    _, path = make(tmp_path, modality)
    file = pydicom.dcmread(path)
    source = pydicom.dcmread(next((tmp_path / "in").iterdir()))
    for keyword in ("StudyInstanceUID", "PatientID", "FrameOfReferenceUID"):
        assert file[keyword] == source[keyword]
    assert file.NumberOfFrames == 10
    assert file.ImageType[0] == "DERIVED"
    assert "research use only" in file.SeriesDescription
    assert file.ContributingEquipmentSequence[0].Manufacturer == "SCANNER WORKS"
    (study,) = file.SourceImageEvidenceSequence
    assert len(study.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 5
    assert SECRET not in str(file.SeriesDescription)[20:]


@needs("dciodvfy")
@pytest.mark.parametrize(("modality", "kind"), [*product(("MR", "CT"), ("enhanced", "spread"))])
def test_dciodvfy_finds_no_error_that_the_source_has_not(tmp_path, modality, kind):
    make(tmp_path, modality, kind=kind)
    assert new_errors(tmp_path / "out", tmp_path / "in") == set()


@needs("dcm2niix")
def test_dcm2niix_sees_the_same_grid_and_voxels(tmp_path):
    fine, path = make(tmp_path, "MR")
    theirs = with_dcm2niix(path.parent, tmp_path / "nii")
    ours = nibabel.as_closest_canonical(nibabel.Nifti1Image(np.array(fine.voxels), fine.affine))
    assert same_grid_mm(theirs.affine, ours.affine, ours.shape) < 1e-4
    np.testing.assert_array_equal(theirs.get_fdata(), ours.get_fdata())

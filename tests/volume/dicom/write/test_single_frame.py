"""The derived series, against the standard's validator and a second reader."""

import warnings
from dataclasses import replace
from itertools import product

import nibabel
import numpy as np
import pydicom
import pytest

from medsr.errors import Refused
from medsr.volume import geometry
from medsr.volume.dicom.read.series import read_series
from medsr.volume.dicom.write import kept_attributes
from medsr.volume.dicom.write.single_frame import write_series
from medsr.volume.padding import Padding
from medsr.volume.volume import Volume
from tests.dicom_factory import ORIENTATIONS, SECRET, dicom_series, enhanced_file
from tests.dicom_tools import (
    derivation,
    needs,
    new_errors,
    read_source,
    same_grid_mm,
    with_dcm2niix,
)


def refined(volume, factor=2):
    """A stand-in for the model: each slice repeated, on the fine grid."""
    x, y, z = volume.spacing_mm
    affine, shape = geometry.refined_grid(volume.affine, volume.shape, (x, y, z / factor))
    voxels = np.repeat(volume.voxels, factor, axis=2)
    assert voxels.shape == shape
    padding = volume.padding and volume.padding.on_grid(volume.affine, affine, shape)
    return replace(
        volume, voxels=voxels, affine=affine, slice_thickness_mm=z / factor, padding=padding
    )


def derive(folder, out, kind="enhanced", identity="test"):
    """A source folder's stand-in result, and its files."""
    fine = refined(read_series(folder))
    write_series(fine, read_source(folder), derivation(kind, identity), out)
    return fine, [pydicom.dcmread(file) for file in sorted(out.glob("slice_*.dcm"))]


@pytest.mark.parametrize(("modality", "orientation"), [*product(("MR", "CT"), ORIENTATIONS)])
def test_a_series_comes_back_as_it_was_written(tmp_path, modality, orientation):
    dicom_series(tmp_path / "in", modality=modality, orientation=orientation)
    fine, files = derive(tmp_path / "in", tmp_path / "out")
    back = read_series(tmp_path / "out")
    np.testing.assert_array_equal(back.voxels, fine.voxels)
    assert same_grid_mm(back.affine, fine.affine, fine.shape) < 1e-6
    assert back.slice_thickness_mm == 1.0
    assert len(files) == 10
    along = [float(file.SliceLocation) for file in files]
    assert along == sorted(along)
    assert [file.InstanceNumber for file in files] == list(range(1, 11))


def rich(k, dataset):
    """What scanners write besides."""
    dataset.Manufacturer, dataset.ManufacturerModelName = "SCANNER WORKS", "Model T"
    dataset.FrameOfReferenceUID = "1.2.3.4"
    dataset.SeriesNumber, dataset.AcquisitionNumber = 7, 3
    dataset.AcquisitionTime = f"1200{k:02d}"
    dataset.AcquisitionDate = "20200101"
    dataset.ContentTime = f"1300{k:02d}"
    dataset.SmallestImagePixelValue = k
    dataset.LargestImagePixelValue = 4095
    dataset.WindowCenter, dataset.WindowWidth = [40, 300], [400, 1500]
    dataset.LossyImageCompression = "01" if k == 2 else "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.TriggerTime = 12.5 * k
    dataset.AcquisitionMatrix = [0, 8, 10, 0]
    dataset.ImageComments = f"slice {k} of {SECRET}"
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", b"old geometry")


def test_tags_of_a_derived_series(tmp_path):
    dicom_series(tmp_path / "in", modality="CT", change=rich)
    source = [pydicom.dcmread(file) for file in sorted((tmp_path / "in").iterdir())]
    _, files = derive(tmp_path / "in", tmp_path / "out")
    for file in files:
        assert list(file.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "FrameOfReferenceUID"):
            assert file[keyword] == source[0][keyword]
        assert "research use only" in file.SeriesDescription
        assert file.SeriesNumber == 701
        assert (file.WindowCenter, file.WindowWidth) == (40, 400)
        assert (file.RescaleSlope, file.RescaleIntercept, file.RescaleType) == (1, -1024, "HU")
        assert file.LossyImageCompression == "01"
        assert file.BurnedInAnnotation == "NO"
        assert file.AcquisitionDate == "20200101"
        assert file.DerivationCodeSequence[0].CodeValue == "113085"
        scanner, own = file.ContributingEquipmentSequence
        assert scanner.Manufacturer == "SCANNER WORKS"
        assert own.ManufacturerModelName == "small"
        assert "a" * 64 in own.SoftwareVersions
        assert not [element for element in file if element.tag.is_private]
        for gone in ("AcquisitionTime", "ContentTime", "SmallestImagePixelValue", "TriggerTime"):
            assert gone not in file
        for gone in ("LargestImagePixelValue", "AcquisitionMatrix", "ImageComments"):
            assert gone not in file
        assert not file.AcquisitionNumber
    new = {file.SOPInstanceUID for file in files}
    assert len(new) == 10
    assert not new & {file.SOPInstanceUID for file in source}
    (series,) = {file.SeriesInstanceUID for file in files}
    assert series != source[0].SeriesInstanceUID


def test_a_new_slice_names_the_measured_slices_beside_it(tmp_path):
    dicom_series(tmp_path / "in", slices=4)
    in_order = [pydicom.dcmread(f).SOPInstanceUID for f in sorted((tmp_path / "in").iterdir())]
    _, files = derive(tmp_path / "in", tmp_path / "out")
    named = [[i.ReferencedSOPInstanceUID for i in f.SourceImageSequence] for f in files]
    pairs = [[0], [0, 1], [0, 1], [1, 2], [1, 2], [2, 3], [2, 3], [3]]
    assert named == [[in_order[k] for k in pair] for pair in pairs]
    purpose = files[0].SourceImageSequence[0].PurposeOfReferenceCodeSequence[0]
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("121322", "DCM")


def test_same_identity_same_bytes_and_another_identity_other_uids(tmp_path):
    dicom_series(tmp_path / "in")
    for name, identity in (("a", "one"), ("b", "one"), ("c", "two")):
        derive(tmp_path / "in", tmp_path / name, identity=identity)
    a, b, c = ([f.read_bytes() for f in sorted((tmp_path / n).iterdir())] for n in "abc")
    assert a == b
    assert not set(a) & set(c)
    _, spread = derive(tmp_path / "in", tmp_path / "d", "spread", "one")
    enhanced = pydicom.dcmread(tmp_path / "a" / "slice_0001.dcm")
    assert spread[0].SeriesInstanceUID != enhanced.SeriesInstanceUID
    assert spread[0].SOPInstanceUID != enhanced.SOPInstanceUID
    assert spread[0].SeriesNumber == enhanced.SeriesNumber + 1


def stored_as(signed, bits, intercept, values):
    """A change for `dicom_series` that stores values [rows, columns] in another way."""

    def change(k, dataset):
        dataset.PixelRepresentation = int(signed)
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, intercept
        kind = np.int16 if signed else np.uint16
        dataset.PixelData = (values + k).astype(kind).tobytes()

    return change


@pytest.mark.parametrize(
    ("signed", "bits", "intercept", "low", "high"),
    [(False, 12, -1024, 0, 4000), (True, 16, 0, -900, 3000), (True, 12, 0, -900, 2000)],
)
def test_ct_keeps_its_width_and_sign(tmp_path, signed, bits, intercept, low, high):
    values = np.linspace(low, high, 80).round().reshape(8, 10)
    dicom_series(tmp_path / "in", modality="CT", change=stored_as(signed, bits, intercept, values))
    fine, files = derive(tmp_path / "in", tmp_path / "out")
    stored = (files[0].PixelRepresentation, files[0].BitsStored, files[0].RescaleIntercept)
    assert stored == (int(signed), bits, intercept)
    np.testing.assert_array_equal(read_series(tmp_path / "out").voxels, fine.voxels)


@pytest.mark.parametrize("top", [3500.0, 40000.0, 90000.0])
def test_overshoot_widens_and_never_wraps(tmp_path, top):
    dicom_series(tmp_path / "in", modality="CT")
    scan = read_series(tmp_path / "in")
    voxels = np.array(scan.voxels)
    voxels[0, 0, 0] = top
    loud = refined(replace(scan, voxels=voxels))
    write_series(loud, read_source(tmp_path / "in"), derivation(), tmp_path / "out")
    back = read_series(tmp_path / "out")
    assert np.abs(back.voxels - loud.voxels).max() <= (0 if top < 65535 - 1024 else 1)
    file = pydicom.dcmread(tmp_path / "out" / "slice_0001.dcm")
    assert (file.BitsStored, file.HighBit) == (16, 15)


@pytest.mark.parametrize(("modality", "background"), [("CT", -1024), ("MR", 0)])
def test_padding_is_background_while_enhanced_and_padding_in_what_is_written(
    tmp_path, modality, background
):
    """GE stores -2000 outside of the reconstructed circle and names it PixelPaddingValue."""

    def padded(k, dataset):
        values = np.full((8, 10), 40 + k, dtype=np.int16)
        values[:, 0] = -2000
        values[0, 5] = 0
        stored_as(True, 16, 0, values - k)(k, dataset)
        dataset.add_new("PixelPaddingValue", "SS", -2000)

    dicom_series(tmp_path / "in", modality=modality, change=padded)
    scan = read_series(tmp_path / "in")
    assert scan.voxels[0].max() == background
    assert (scan.padding.value, scan.padding.mask.sum()) == (-2000, 8 * 5)
    fine = refined(scan)
    write_series(fine, read_source(tmp_path / "in"), derivation(), tmp_path / "out")
    files = [pydicom.dcmread(f) for f in sorted((tmp_path / "out").iterdir())]
    for file in files:
        assert file.PixelPaddingValue == -2000
        assert (file.pixel_array[:, 0] == -2000).all()
        assert file.pixel_array[:, 1:].min() >= background
    back = read_series(tmp_path / "out")
    np.testing.assert_array_equal(back.padding.mask, fine.padding.mask)
    np.testing.assert_array_equal(back.voxels[1:], fine.voxels[1:])


def test_padding_that_the_encoding_cannot_hold_becomes_a_number_that_no_value_has(tmp_path):
    dicom_series(tmp_path / "in")
    scan = read_series(tmp_path / "in")
    mask = np.zeros(scan.shape, bool)
    mask[0] = True
    voxels = np.where(mask, 0, scan.voxels)
    padded = replace(scan, voxels=voxels, padding=Padding(-32768, mask))
    write_series(padded, read_source(tmp_path / "in"), derivation(), tmp_path / "out")
    back = read_series(tmp_path / "out")
    np.testing.assert_array_equal(back.padding.mask, mask)
    np.testing.assert_array_equal(back.voxels[1:], voxels[1:])


def test_mr_slopes_that_differ_by_slice_become_one(tmp_path):
    """Philips scales each slice on its own; a derived series has one scale."""

    def philips(k, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = 1.5 + 0.1 * k, 0

    dicom_series(tmp_path / "in", change=philips)
    fine, files = derive(tmp_path / "in", tmp_path / "out")
    (slope,) = {float(file.RescaleSlope) for file in files}
    assert {float(file.RescaleIntercept) for file in files} == {0}
    assert np.abs(read_series(tmp_path / "out").voxels - fine.voxels).max() <= slope / 2
    assert slope < np.ptp(fine.voxels) / 16000


@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e5])
def test_real_numbers_keep_four_digits(tmp_path, scale):
    dicom_series(tmp_path / "in")
    scan = read_series(tmp_path / "in")
    real = replace(scan, voxels=(scan.voxels - 2000) * scale, stored_as_integers=False)
    write_series(real, read_source(tmp_path / "in"), derivation(), tmp_path / "out")
    back = read_series(tmp_path / "out")
    assert np.abs(back.voxels - real.voxels).max() <= np.ptp(real.voxels) / 10000


def test_a_constant_volume_is_written(tmp_path):
    dicom_series(tmp_path / "in")
    scan = read_series(tmp_path / "in")
    flat = replace(scan, voxels=np.zeros(scan.shape, np.float32), stored_as_integers=False)
    write_series(flat, read_source(tmp_path / "in"), derivation("spread"), tmp_path / "out")
    (first, *_) = (tmp_path / "out").glob("*.dcm")
    assert not pydicom.dcmread(first).pixel_array.any()
    with pytest.raises(Refused, match="out: is a map of a computed quantity"):
        read_series(tmp_path / "out")


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_an_enhanced_multi_frame_source_gives_a_classic_series(tmp_path, modality):
    enhanced_file(tmp_path / "in" / "scan.dcm", modality=modality)
    fine, files = derive(tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(read_series(tmp_path / "out").voxels, fine.voxels)
    frames = [i.ReferencedFrameNumber for i in files[0].SourceImageSequence]
    assert frames == [5]  # written from the last slice to the first
    if modality == "MR":
        assert files[0].ScanningSequence == "RM"


def test_odd_header_values_pass_or_go_but_never_stop_a_series(tmp_path):
    """Over-long, ill-formed and foreign-charset values, as archives hold them."""

    def odd(k, dataset):
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.PatientName = "Müller^Jürgen"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.StudyDescription = "x" * 80
            dataset.PatientBirthDate = "1964-08-12"
            dataset.StudyID = "a study number that is too long"
        dataset.FrameOfReferenceUID = ""

    dicom_series(tmp_path / "in", change=odd)
    _, files = derive(tmp_path / "in", tmp_path / "out")
    assert str(files[0].PatientName) == "Müller^Jürgen"
    assert files[0].FrameOfReferenceUID.startswith("2.25.")
    assert len({file.FrameOfReferenceUID for file in files}) == 1


def test_any_axis_order_goes_into_the_templates_planes(tmp_path):
    """A NIfTI file of the same scan, its axes turned and flipped, gives the same series."""
    dicom_series(tmp_path / "in", orientation="coronal")
    scan = read_series(tmp_path / "in")
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(scan.voxels, scan.affine))
    assert not np.allclose(image.affine, scan.affine)
    turned = Volume(np.asarray(image.dataobj), image.affine, stored_as_integers=True)
    write_series(turned, read_source(tmp_path / "in"), derivation(), tmp_path / "out")
    back = read_series(tmp_path / "out")
    np.testing.assert_array_equal(back.voxels, scan.voxels)
    assert same_grid_mm(back.affine, scan.affine, scan.shape) < 1e-6


def test_a_volume_that_does_not_belong_is_refused(tmp_path):
    dicom_series(tmp_path / "in")
    scan, source = read_series(tmp_path / "in"), read_source(tmp_path / "in")
    with pytest.raises(Refused, match="is CT, but the series in is MR"):
        write_series(replace(scan, modality="CT"), source, derivation(), tmp_path / "out")
    far = np.array(scan.affine)
    far[2, 3] += 500
    with pytest.raises(Refused, match="does not overlap the series"):
        write_series(replace(scan, affine=far), source, derivation(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))


def test_every_kept_attribute_is_in_the_dictionary_of_the_standard():
    kept = [k for module in kept_attributes.KEPT.values() for k in module]
    kept += [*kept_attributes.KEPT_MR, *kept_attributes.KEPT_CT, *kept_attributes.SCANNER]
    assert all(pydicom.datadict.tag_for_keyword(keyword) for keyword in kept)


@needs("dciodvfy")
@pytest.mark.parametrize("kind", ["enhanced", "spread"])
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_dciodvfy_finds_no_error_that_the_source_has_not(tmp_path, modality, kind):
    dicom_series(tmp_path / "in", modality=modality, change=rich)
    derive(tmp_path / "in", tmp_path / "out", kind)
    assert new_errors(tmp_path / "out", tmp_path / "in") == set()


@needs("dcm2niix")
@pytest.mark.parametrize(("modality", "orientation"), [*product(("MR", "CT"), ORIENTATIONS)])
def test_dcm2niix_sees_the_same_grid_and_voxels(tmp_path, modality, orientation):
    """Its axes may be flipped; both are turned to those nearest to RAS+ first."""
    dicom_series(tmp_path / "in", modality=modality, orientation=orientation)
    fine, _ = derive(tmp_path / "in", tmp_path / "out")
    theirs = with_dcm2niix(tmp_path / "out", tmp_path / "nii")
    ours = nibabel.as_closest_canonical(nibabel.Nifti1Image(np.array(fine.voxels), fine.affine))
    assert same_grid_mm(theirs.affine, ours.affine, ours.shape) < 1e-4
    np.testing.assert_array_equal(theirs.get_fdata(), ours.get_fdata())

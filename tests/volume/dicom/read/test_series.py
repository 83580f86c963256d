"""Reading DICOM: series that must load, and one test a fault."""

import logging
import os
import re
import shutil
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from medsr.batch.resume import content_digest
from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.dicom import dataset
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read import discover
from medsr.volume.dicom.read import header as file_header
from medsr.volume.dicom.read.choose import SeriesSummary, list_series
from medsr.volume.dicom.read.frames import frames_of
from medsr.volume.dicom.read.header import read_header
from medsr.volume.dicom.read.series import open_series, read_series
from tests.dicom_factory import (
    ORIENTATIONS,
    SECRET,
    dicom_series,
    edit,
    encoded,
    enhanced_file,
    slice_positions,
    stored_values,
)


def refused(path, words, error=Refused, **options):
    """Reading raises this sentence, which names nobody."""
    with pytest.raises(error, match=re.escape(words)) as fault:
        read_series(path, **options)
    assert SECRET not in str(fault.value)
    assert "1964" not in str(fault.value)
    assert fault.value.__cause__ is None


def zipped(folder, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return target


# Series that load


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_pixel_stands_where_the_standard_puts_it(tmp_path, orientation):
    dicom_series(tmp_path / "scan", orientation=orientation)
    volume = read_series(tmp_path / "scan")
    stored, cosines = stored_values(), np.array(ORIENTATIONS[orientation], dtype=float)
    positions = slice_positions(5, 2.0, cosines)
    assert volume.shape == (10, 8, 5)
    for k in range(5):
        for row in range(8):
            for column in range(10):
                lps = positions[k] + cosines[:3] * 0.6 * column + cosines[3:] * 0.8 * row
                ras = lps * [-1, -1, 1]
                voxel = np.linalg.solve(volume.affine, [*ras, 1])[:3]
                i, j, n = np.rint(voxel).astype(int)
                np.testing.assert_allclose(voxel, [i, j, n], atol=1e-6)
                assert volume.voxels[i, j, n] == stored[k, row, column]


def test_a_plain_mr_series_fills_every_field(tmp_path):
    dicom_series(tmp_path / "scan")
    volume = read_series(tmp_path / "scan")
    assert volume.voxels.dtype == np.float32
    assert (volume.modality, volume.unit, volume.slice_axis) == ("MR", "scanner units", 2)
    assert volume.slice_thickness_mm == 2.0
    assert volume.stored_as_integers
    assert volume.name == "scan"
    assert volume.spacing_mm == pytest.approx((0.6, 0.8, 2.0))


@pytest.mark.parametrize("numbering", ["shuffled", "absent", "equal"])
def test_instance_numbers_and_names_carry_no_order(tmp_path, numbering):
    def change(k, dataset):
        if numbering == "absent":
            del dataset.InstanceNumber
        else:
            dataset.InstanceNumber = [4, 1, 5, 2, 3][k] if numbering == "shuffled" else 1

    files = dicom_series(tmp_path / "scan", change=change)
    for file, name in zip(files, ["d", "a", "e.IMA", "b.txt", "c"], strict=True):
        file.rename(file.with_name(name))
    voxels = read_series(tmp_path / "scan").voxels
    np.testing.assert_array_equal(voxels, stored_values().transpose(2, 1, 0))


def test_ct_becomes_hounsfield_units_and_padding_becomes_air(tmp_path):
    def change(k, dataset):
        pixels = stored_values()[k].astype(np.int16)
        pixels[0, :3] = -2000
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.PixelPaddingValue = -2000
        dataset.PixelData = pixels.tobytes()

    dicom_series(tmp_path / "ct", modality="CT", change=change)
    volume = read_series(tmp_path / "ct")
    assert (volume.modality, volume.unit) == ("CT", "HU")
    assert (volume.voxels[:3, 0] == -1024).all()
    expected = stored_values().transpose(2, 1, 0).astype(np.float32) - 1024
    np.testing.assert_array_equal(volume.voxels[3:], expected[3:])


def test_slope_and_intercept_are_those_of_each_slice(tmp_path):
    def change(k, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{0.5 + 0.25 * k}", f"{10 * k}"

    dicom_series(tmp_path / "scan", change=change)
    volume = read_series(tmp_path / "scan")
    for k in range(5):
        expected = stored_values()[k].T * (0.5 + 0.25 * k) + 10 * k
        np.testing.assert_allclose(volume.voxels[..., k], expected, rtol=1e-6)
    assert not volume.stored_as_integers


def test_bits_stored_and_sign_are_respected(tmp_path):
    """Twelve signed bits beside rubbish in the four unused ones."""
    signed = stored_values().astype(np.int32) - 2048

    def change(k, dataset):
        dataset.PixelRepresentation = 1
        dataset.PixelData = ((signed[k] & 0x0FFF) | 0xA000).astype(np.uint16).tobytes()

    dicom_series(tmp_path / "scan", change=change)
    np.testing.assert_array_equal(read_series(tmp_path / "scan").voxels, signed.transpose(2, 1, 0))


def test_monochrome1_keeps_its_values(tmp_path):
    def change(_, dataset):
        dataset.PhotometricInterpretation = "MONOCHROME1"

    dicom_series(tmp_path / "scan", change=change)
    np.testing.assert_array_equal(
        read_series(tmp_path / "scan").voxels, stored_values().transpose(2, 1, 0)
    )


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
    ],
)
def test_transfer_syntaxes_that_can_be_written_here(tmp_path, syntax):
    for file in dicom_series(tmp_path / "scan"):
        header = pydicom.dcmread(file)
        if syntax.is_encapsulated:
            header.compress(syntax, generate_instance_uid=False)
            header.save_as(file)
            continue
        header.file_meta.TransferSyntaxUID = syntax
        big = syntax == ExplicitVRBigEndian
        if big:
            header.PixelData = np.frombuffer(header.PixelData, "<u2").astype(">u2").tobytes()
        implicit = syntax == ImplicitVRLittleEndian
        pydicom.dcmwrite(file, header, implicit_vr=implicit, little_endian=not big)
    np.testing.assert_array_equal(
        read_series(tmp_path / "scan").voxels, stored_values().transpose(2, 1, 0)
    )


@pytest.mark.parametrize("implicit", [False, True])
def test_files_without_the_preamble_are_read(tmp_path, implicit):
    for file in dicom_series(tmp_path / "scan"):
        header = pydicom.dcmread(file)
        bare = pydicom.Dataset({e.tag: e for e in header})
        bare.save_as(file, implicit_vr=implicit, little_endian=True)
        assert file.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(
        read_series(tmp_path / "scan").voxels, stored_values().transpose(2, 1, 0)
    )


def test_one_file_stands_for_its_series_and_no_other(tmp_path):
    files = dicom_series(tmp_path / "scan")
    dicom_series(tmp_path / "scan", prefix="OTHER", seed=3)
    volume = read_series(files[2])
    np.testing.assert_array_equal(volume.voxels, stored_values().transpose(2, 1, 0))
    assert volume.name == files[2].name


def test_subfolders_and_foreign_files_are_no_obstacle(tmp_path):
    files = dicom_series(tmp_path / "scan" / "deep" / "er")
    files[0].rename(tmp_path / "scan" / "first.dcm")
    (tmp_path / "scan" / "note.txt").write_text("seen by the doctor")
    index = pydicom.dcmread(tmp_path / "scan" / "first.dcm")
    index.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    for keyword in ("SOPClassUID", "Modality", "Rows", "Columns", "PixelData"):
        del index[keyword]
    index.save_as(tmp_path / "scan" / "DICOMDIR")
    (tmp_path / "scan" / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(300))
    (tmp_path / "scan" / "._IMG0001.dcm").write_bytes(b"\0\5\26\7" + bytes(60))
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)


def test_slices_of_different_thickness_have_no_common_one(tmp_path):
    edit(dicom_series(tmp_path / "scan")[3], SliceThickness=4)
    assert read_series(tmp_path / "scan").slice_thickness_mm is None


def test_a_file_copied_twice_counts_once(tmp_path):
    files = dicom_series(tmp_path / "scan")
    shutil.copy(files[1], files[1].with_name("copy of it.dcm"))
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)


def test_emptied_uids_are_one_series(tmp_path):
    """As in files of some anonymisers: no SOP class, no series UID."""

    def change(_, dataset):
        dataset.SOPClassUID = dataset.SeriesInstanceUID = ""

    files = dicom_series(tmp_path / "scan", modality="CT", change=change)
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)
    assert read_series(files[0]).shape == (10, 8, 5)


@pytest.mark.parametrize("orientation", ["axial", "oblique"])
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_enhanced_multiframe_agrees_with_the_classic_series(tmp_path, orientation, modality):
    dicom_series(tmp_path / "classic", orientation=orientation, modality=modality)
    path = enhanced_file(tmp_path / "one.dcm", orientation=orientation, modality=modality)
    classic, enhanced = read_series(tmp_path / "classic"), read_series(path)
    np.testing.assert_array_equal(classic.voxels, enhanced.voxels)
    np.testing.assert_allclose(classic.affine, enhanced.affine, atol=1e-6)
    assert classic.slice_thickness_mm == enhanced.slice_thickness_mm
    assert classic.unit == enhanced.unit


def test_enhanced_frames_keep_their_own_slopes(tmp_path):
    path = enhanced_file(tmp_path / "one.dcm", slopes=(1, 2, 3, 4, 0.5))
    expected = stored_values() * np.array([1, 2, 3, 4, 0.5])[:, None, None]
    np.testing.assert_allclose(read_series(path).voxels, expected.transpose(2, 1, 0))


def test_enhanced_files_of_one_frame_each_are_one_series(tmp_path):
    """As Siemens XA writes them."""
    uid = generate_uid()
    for k in range(4):

        def change(dataset, k=k):
            dataset.SeriesInstanceUID, dataset.NumberOfFrames = uid, 1
            dataset.PerFrameFunctionalGroupsSequence = [
                dataset.PerFrameFunctionalGroupsSequence[k]
            ]
            dataset.PixelData = stored_values()[4 - k].tobytes()

        enhanced_file(tmp_path / "scan" / f"{k}.dcm", change=change)
    volume = read_series(tmp_path / "scan" / "2.dcm")
    np.testing.assert_array_equal(volume.voxels, stored_values()[1:].transpose(2, 1, 0))


def test_a_zip_is_read_and_leaves_nothing_behind(tmp_path, monkeypatch):
    dicom_series(tmp_path / "scan")
    (tmp_path / "scan" / "readme.txt").write_text("hello")
    path = zipped(tmp_path / "scan", tmp_path / "scan.zip")
    (tmp_path / "room").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "room"))
    volume = read_series(path)
    assert volume.name == "scan.zip"
    np.testing.assert_array_equal(volume.voxels, stored_values().transpose(2, 1, 0))
    assert list((tmp_path / "room").iterdir()) == []


# Several series, and things that are no series


def test_two_series_are_listed_and_one_can_be_picked(tmp_path):
    dicom_series(tmp_path / "scan", uid="1.2.3", slices=5)
    dicom_series(tmp_path / "scan", uid="1.2.4", slices=7, prefix="T2", modality="CT")
    refused(
        tmp_path / "scan",
        "scan: contains 2 image series. Choose one with --series and its number, its UID or a "
        "part of its description, which medsr info shows: 1.2.4 (CT image, 7 slices); 1.2.3 (MR "
        "image, 5 slices).",
    )
    assert read_series(tmp_path / "scan", series="1.2.3").shape == (10, 8, 5)
    refused(tmp_path / "scan", "has no series 1.9. It contains 1.2.4", series="1.9")


def test_what_is_no_scan_is_ignored_beside_one_and_listed(tmp_path):
    def localizer(_, dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def screenshot(_, dataset):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
            "1.2.840.10008.5.1.4.1.1.7"
        )
        del dataset.ImagePositionPatient

    def report(_, dataset):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
            "1.2.840.10008.5.1.4.1.1.88.11"
        )
        dataset.Modality = "SR"
        del dataset.Rows, dataset.Columns, dataset.PixelData

    folder = tmp_path / "study"
    dicom_series(folder, uid="1.1")
    dicom_series(folder, uid="1.1", slices=2, prefix="LOC", change=localizer)
    dicom_series(folder, uid="1.2", slices=1, prefix="CAP", change=screenshot)
    dicom_series(folder, uid="1.3", slices=1, prefix="SR", change=report)
    dicom_series(folder, uid="1.4", slices=6, prefix="PT", modality="PT")
    assert read_series(folder).shape == (10, 8, 5)
    assert list_series(folder) == [
        SeriesSummary("1.4", "PT", "other modality", 6, 6, (10, 8, 6)),
        SeriesSummary("1.1", "MR", "image", 5, 5, (10, 8, 5)),
        SeriesSummary("1.1", "MR", "localizer", 2, 2, (10, 8, 2)),
        SeriesSummary("1.2", "MR", "screen capture", 1, 1, (10, 8, 1)),
        SeriesSummary("1.3", "SR", "not an image", 1, 0, None),
    ]
    refused(folder / "LOC0000.dcm", "LOC0000.dcm: is a localizer (scout)")
    refused(folder / "CAP0000.dcm", "is a screen capture")
    refused(folder / "SR0000.dcm", "is a DICOM object, but not an MR or CT image")
    refused(folder / "PT0000.dcm", "has modality PT; medsr supports MR and CT")
    refused(folder, "has modality PT", series="1.4")
    for file in folder.glob("IMG*"):
        file.unlink()
    refused(
        folder, "study: contains no MR or CT image series, only 1.4 (PT other modality, 6 slices)"
    )


def test_listing_names_nobody(tmp_path):
    dicom_series(tmp_path / "scan")
    assert SECRET not in repr(list_series(tmp_path / "scan"))


# Geometry that is not one volume: the words are test_series.py's, here the road to them


def test_a_missing_slice_is_named(tmp_path):
    dicom_series(tmp_path / "knee", skip=(2,))
    refused(
        tmp_path / "knee", "knee: gap of 4.00 mm after IMG0001.dcm, others are 2.00 mm; 1 slice"
    )


def test_a_second_image_at_one_position_is_named(tmp_path):
    uid = generate_uid()
    dicom_series(tmp_path / "scan", uid=uid)
    dicom_series(tmp_path / "scan", uid=uid, skip=(0, 1, 3, 4), prefix="NEW", seed=9)
    refused(tmp_path / "scan", "IMG0002.dcm and NEW0002.dcm lie at the same position")


def sent_again(file, target, **attributes):
    target.parent.mkdir(exist_ok=True)
    shutil.copy(file, target)
    edit(target, RetrieveAETitle="PACS2", **attributes)
    return target


@pytest.mark.parametrize("syntax", [None, RLELossless, ExplicitVRBigEndian])
def test_an_image_sent_again_with_another_header_is_taken_once(tmp_path, syntax):
    for file in dicom_series(tmp_path / "scan"):
        again = sent_again(file, tmp_path / "scan" / "again" / file.name)
        if syntax is not None:
            encoded(again, syntax)
    np.testing.assert_array_equal(
        read_series(tmp_path / "scan").voxels, stored_values().transpose(2, 1, 0)
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"PixelData": bytes(160)}, "their pixels"),
        ({"ImagePositionPatient": [0, 0, 99]}, "position, scaling or kind"),
        ({"RescaleSlope": 2, "RescaleIntercept": 0}, "position, scaling or kind"),
    ],
)
def test_one_instance_with_two_contents_is_refused(tmp_path, change, what):
    files = dicom_series(tmp_path / "scan")
    sent_again(files[1], tmp_path / "scan" / "edited.dcm", **change)
    refused(
        tmp_path / "scan",
        "IMG0001.dcm and edited.dcm have the same SOPInstanceUID, which identifies a single "
        f"image, but differ in {what}",
    )


def test_gantry_tilt_is_refused(tmp_path):
    def change(k, dataset):
        dataset.ImagePositionPatient = [0, 0.5 * k, 2.0 * k]

    dicom_series(tmp_path / "ct", modality="CT", change=change)
    refused(tmp_path / "ct", "gantry tilt of 14.0 degrees")


def test_mixed_orientation_is_refused(tmp_path):
    def change(k, dataset):
        if k == 3:
            dataset.ImageOrientationPatient = list(ORIENTATIONS["sagittal"])

    dicom_series(tmp_path / "scan", change=change)
    refused(tmp_path / "scan", "mixed orientations: IMG0000.dcm and IMG0003.dcm")


def test_mixed_shape_is_refused(tmp_path):
    def change(k, dataset):
        if k == 1:
            dataset.Rows, dataset.Columns = 10, 8

    dicom_series(tmp_path / "scan", change=change)
    refused(
        tmp_path / "scan", "IMG0000.dcm has 8 x 10 (rows x columns) and IMG0001.dcm has 10 x 8"
    )


def test_a_single_slice_is_refused(tmp_path):
    files = dicom_series(tmp_path / "scan", slices=1)
    refused(tmp_path / "scan", "scan: contains a single slice")
    refused(files[0], "IMG0000.dcm: contains a single slice")


def test_a_classic_4d_series_is_refused_with_what_differs(tmp_path):
    uid = generate_uid()
    for echo in (10, 30):

        def change(_, dataset, echo=echo):
            dataset.EchoTime = echo

        dicom_series(tmp_path / "scan", uid=uid, prefix=f"E{echo}_", change=change)
    refused(tmp_path / "scan", "is 4-D: 5 slice positions with 2 images each (they differ in echo")


def test_an_enhanced_4d_file_is_refused_with_what_differs(tmp_path):
    path = enhanced_file(tmp_path / "one.dcm", times=3)
    refused(
        path, "is 4-D: 5 slice positions with 3 images each (they differ in temporal position)"
    )


def test_an_enhanced_file_of_two_stacks_is_refused(tmp_path):
    def change(dataset):
        dataset.PerFrameFunctionalGroupsSequence[4].FrameContentSequence[0].StackID = "2"

    refused(enhanced_file(tmp_path / "one.dcm", change=change), "contains 2 stacks of slices")


# Headers that do not suffice


@pytest.mark.parametrize(
    "keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
)
@pytest.mark.parametrize("fault", ["absent", "empty", "not numbers"])
def test_a_missing_place_is_named(tmp_path, keyword, fault):
    files = dicom_series(tmp_path / "scan")
    value = {"absent": None, "empty": "", "not numbers": "1"}[fault]
    edit(files[3], **{keyword: value})
    refused(tmp_path / "scan", f"IMG0003.dcm: {keyword} is missing")


def test_zero_pixel_spacing_is_refused(tmp_path):
    edit(dicom_series(tmp_path / "scan")[2], PixelSpacing=[0, 0.6])
    refused(tmp_path / "scan", "IMG0002.dcm: PixelSpacing (0.0, 0.6) mm must be positive")


def test_an_enhanced_file_without_frame_positions_is_refused(tmp_path):
    def change(dataset):
        del dataset.PerFrameFunctionalGroupsSequence

    path = enhanced_file(tmp_path / "one.dcm", change=change)
    refused(path, "one.dcm: PerFrameFunctionalGroupsSequence is missing")


def test_ct_without_intercept_has_no_hounsfield_units(tmp_path):
    edit(dicom_series(tmp_path / "ct", modality="CT")[1], RescaleIntercept=None)
    refused(tmp_path / "ct", "IMG0001.dcm: RescaleIntercept is missing")


def test_ct_maps_that_are_not_hounsfield_units_are_refused(tmp_path):
    edit(dicom_series(tmp_path / "ct", modality="CT")[0], RescaleType="Z_EFF")
    refused(tmp_path / "ct", "RescaleType says that its values are not Hounsfield units")


def test_a_slope_of_zero_is_refused(tmp_path):
    edit(dicom_series(tmp_path / "scan")[0], RescaleSlope=0, RescaleIntercept=0)
    refused(tmp_path / "scan", "RescaleSlope is 0")


def test_a_modality_lut_is_refused(tmp_path):
    table = pydicom.Dataset()
    table.ModalityLUTType = "US"
    edit(dicom_series(tmp_path / "scan")[0], ModalityLUTSequence=[table])
    refused(tmp_path / "scan", "Modality LUT")


@pytest.mark.parametrize("how", ["rgb", "palette"])
def test_colour_is_refused(tmp_path, how):
    def change(_, dataset):
        if how == "rgb":
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        else:
            dataset.PhotometricInterpretation = "PALETTE COLOR"

    dicom_series(tmp_path / "scan", change=change)
    refused(tmp_path / "scan", "scan: is a colour image")


def test_a_siemens_mosaic_is_refused(tmp_path):
    def change(_, dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]

    dicom_series(tmp_path / "scan", change=change)
    refused(tmp_path / "scan", "is a Siemens mosaic")


# Files that cannot be read


def test_absent_and_empty_and_foreign(tmp_path):
    refused(tmp_path / "nowhere", "nowhere: there is no such file or folder", InputError)
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty: is an empty folder", InputError)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("no scan")
    refused(tmp_path / "text", "text: contains no DICOM files (1 other files)", InputError)
    refused(tmp_path / "text" / "a.txt", "a.txt: is not an image file", InputError)


@pytest.mark.parametrize(("left", "fault"), [(0, "is empty"), (100, "has a DICOM file name but")])
def test_a_dicom_file_that_is_almost_gone_is_not_ignored(tmp_path, left, fault):
    file = dicom_series(tmp_path / "scan")[-1]
    file.write_bytes(file.read_bytes()[:left])
    refused(tmp_path / "scan", f"IMG0004.dcm: {fault}", InputError)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_anywhere_is_an_input_error(tmp_path, compressed):
    files = dicom_series(tmp_path / "scan", shape=(32, 32))
    if compressed:
        for file in files:
            header = pydicom.dcmread(file)
            header.compress(JPEGLSLossless, generate_instance_uid=False)
            header.save_as(file)
    whole = files[-1].read_bytes()
    for left in [*range(140, len(whole) - 16, 97), len(whole) - 16]:
        files[-1].write_bytes(whole[:left])
        with pytest.raises(MedsrError, match=r"IMG0004\.dcm"):
            read_series(tmp_path / "scan")


def test_a_codestream_without_its_end_is_an_input_error(tmp_path):
    """Decoders fill the rest with zeros, so the cut must be found before them."""
    file = dicom_series(tmp_path / "scan", shape=(32, 32))[2]
    for other in file.parent.iterdir():
        dataset = pydicom.dcmread(other)
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        if other == file:
            (stream,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
            dataset.PixelData = pydicom.encaps.encapsulate([stream[: len(stream) // 4 * 2]])
        dataset.save_as(other)
    refused(file.parent, "IMG0002.dcm: the pixel data (JPEG-LS Lossless", InputError)


def test_a_header_of_absurd_size_is_refused_before_memory_is_taken(tmp_path):
    files = dicom_series(tmp_path / "scan")
    for file in files:
        edit(file, Rows=65535, Columns=65535)
    refused(tmp_path / "scan", "4.29e+09 voxels, and the limit is 4e+09")
    for file in files:
        edit(file, Rows=30000, Columns=30000)
    refused(tmp_path / "scan", "the header declares 1800000000 bytes of pixel data", InputError)


def test_missing_pixel_data_is_an_input_error(tmp_path):
    file = dicom_series(tmp_path / "scan", shape=(4, 4))[1]
    edit(file, PixelData=None)
    refused(tmp_path / "scan", "IMG0001.dcm: has no pixel data", InputError)


@pytest.mark.parametrize(
    ("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")]
)
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("both", [True, False])
def test_pixels_that_are_real_numbers_are_named(tmp_path, keyword, dtype, declared, both):
    """The file is whole; its header shows it, so that a batch knows, too."""
    bits = np.dtype(dtype).itemsize * 8 if declared else 16
    for file in dicom_series(tmp_path / "scan", shape=(4, 4)):
        change = {} if both else {"PixelData": None}
        edit(file, BitsAllocated=bits, **change, **{keyword: np.ones(16, dtype).tobytes()})
    refused(tmp_path / "scan", "IMG0000.dcm: holds its pixels as real numbers")
    with pytest.raises(Refused, match="real numbers"):
        frames_of(read_header(file))


def test_a_header_of_colours_with_one_value_a_pixel_is_damaged(tmp_path):
    """Also where it differs from the other files, which is no reason to blame the series."""
    edit(dicom_series(tmp_path / "scan")[3], PhotometricInterpretation="RGB")
    refused(tmp_path / "scan", "IMG0003.dcm: says that its pixels are colours", InputError)


def test_a_syntax_without_a_decoder_is_refused_by_name(tmp_path):
    for file in dicom_series(tmp_path / "scan"):
        header = pydicom.dcmread(file)
        header.compress(RLELossless, generate_instance_uid=False)
        header.file_meta.TransferSyntaxUID = MPEG2MPML
        header.save_as(file)
    refused(
        tmp_path / "scan",
        "is compressed as MPEG2 Main Profile / Main Level, which this installation cannot decode",
    )


def test_a_deflated_file_without_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "MAX_INFLATED_BYTES", 1000)
    for file in dicom_series(tmp_path / "scan", shape=(64, 64)):
        header = pydicom.dcmread(file)
        header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        header.save_as(file)
    refused(tmp_path / "scan", "which is not plausible for one file")


def test_no_permission_is_an_input_error(tmp_path, monkeypatch):
    files = dicom_series(tmp_path / "scan")
    if os.geteuid():
        files[1].chmod(0)
    else:
        genuine = file_header.scan_file

        def scan_file(path, wanted):
            if path.name == "IMG0001.dcm":
                raise PermissionError(13, "Permission denied")
            return genuine(path, wanted)

        monkeypatch.setattr(file_header, "scan_file", scan_file)
    refused(tmp_path / "scan", "IMG0001.dcm: no permission to read this file", InputError)


def test_a_folder_without_permission_is_an_input_error(tmp_path, monkeypatch):
    dicom_series(tmp_path / "scan" / "closed")

    def walk(folder, onerror, followlinks):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "scan" / "closed")))

    monkeypatch.setattr(os, "walk", walk)
    refused(tmp_path / "scan", "scan: no permission to read the folder closed", InputError)


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(discover, "MAX_FILES", 4)
    files = dicom_series(tmp_path / "scan")
    refused(tmp_path / "scan", "contains more than 4 files")
    refused(files[0], "contains more than 4 files")
    refused(zipped(tmp_path / "scan", tmp_path / "scan.zip"), "contains 5 files; the limit is 4")


# Zips that are not what they should be


def test_a_zip_bomb_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(discover, "MAX_ZIP_BYTES", 2000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(128) + b"DICM" + bytes(50_000_000))
    refused(path, "bomb.zip: unpacks to more than")


def test_members_that_are_not_dicom_stay_packed(tmp_path, monkeypatch):
    dicom_series(tmp_path / "scan")
    monkeypatch.setattr(discover, "MAX_ZIP_BYTES", 50_000)
    path = zipped(tmp_path / "scan", tmp_path / "scan.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.avi", bytes(10_000_000))
    assert read_series(path).shape == (10, 8, 5)


@pytest.mark.parametrize(
    "name", ["../outside.dcm", "/outside.dcm", "a/../../outside.dcm", "..\\o"]
)
def test_a_zip_that_points_outside_is_refused(tmp_path, name):
    files = dicom_series(tmp_path / "scan")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, files[0].read_bytes())
    refused(tmp_path / "evil.zip", "contains a path that points outside the archive", InputError)
    assert not list(tmp_path.rglob("outside*"))


def test_damaged_foreign_and_locked_zips(tmp_path):
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4" + bytes(200))
    refused(tmp_path / "cut.zip", "cut.zip: is not a complete zip file", InputError)
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as archive:
        archive.writestr("a.txt", "no scan")
    refused(tmp_path / "text.zip", "text.zip: contains no DICOM files (1 other files)", InputError)
    dicom_series(tmp_path / "scan")
    path = zipped(tmp_path / "scan", tmp_path / "locked.zip")
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1  # the flag that says "encrypted"
            at = data.find(mark, at + 1)
    path.write_bytes(data)
    refused(path, "locked.zip: is encrypted", InputError)


# One open


def opens_of(work):
    """How often each file is opened for reading while something is done."""
    _opened.clear()
    _listening.append(True)
    try:
        work()
    finally:
        _listening.clear()
    return Counter(_opened)


_opened, _listening = [], []


def _hear(event, args):
    if _listening and event == "open" and isinstance(args[0], str) and args[0].endswith(".dcm"):
        _opened.append(Path(args[0]).name)


sys.addaudithook(_hear)


def all_of(source):
    with open_series(source) as series:
        series.volume()
        series.digest  # noqa: B018
    assert len(series.headers) == 5
    assert series.headers[0].PatientBirthDate == "19640812"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_plain_file_is_opened_twice_for_voxels_headers_and_digest(tmp_path, syntax):
    files = [encoded(file, syntax) for file in dicom_series(tmp_path / "scan")]
    for source in (tmp_path / "scan", files):
        assert opens_of(lambda source=source: all_of(source)) == {f.name: 2 for f in files}
    one = encoded(enhanced_file(tmp_path / "one.dcm"), syntax)
    assert opens_of(lambda: all_of(one)) == {"one.dcm": 2}


def test_a_zip_is_unpacked_once(tmp_path, monkeypatch):
    dicom_series(tmp_path / "scan")
    unpacked = []
    genuine = discover._unpack
    monkeypatch.setattr(discover, "_unpack", lambda *a: unpacked.append(1) or genuine(*a))
    all_of(zipped(tmp_path / "scan", tmp_path / "scan.zip"))
    assert unpacked == [1]


def digest_of(source):
    with open_series(source) as series:
        return series.digest


def test_one_content_has_one_digest_by_every_road(tmp_path):
    """Folders come between files as names do, whatever the order in the zip."""
    files = dicom_series(tmp_path / "scan")
    (tmp_path / "scan" / "IMG0001").mkdir()
    files[3] = files[3].rename(tmp_path / "scan" / "IMG0001" / "z.dcm")
    files = [files[k] for k in (0, 3, 1, 2, 4)]
    expected = content_digest(files)
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        for file in reversed(files):
            archive.write(file, file.relative_to(tmp_path / "scan"))
    for source in (tmp_path / "scan", tmp_path / "scan.zip", files, files[::-1]):
        assert digest_of(source) == expected
    edit(files[0], PatientAge="050Y")
    assert digest_of(files) != expected


def test_a_copy_does_not_count_in_the_digest(tmp_path):
    files = dicom_series(tmp_path / "scan")
    before = digest_of(tmp_path / "scan")
    shutil.copy(files[1], tmp_path / "scan" / "z.dcm")
    assert digest_of(tmp_path / "scan") == before


def test_headers_are_those_of_the_full_parser(tmp_path):
    files = dicom_series(tmp_path / "scan")
    encoded(files[1], RLELossless)
    encoded(files[2], ExplicitVRBigEndian)
    encoded(files[3], DeflatedExplicitVRLittleEndian)
    with open_series(tmp_path / "scan") as series:
        for header, file in zip(series.headers, files, strict=True):
            assert header == pydicom.dcmread(file, stop_before_pixels=True)


# Quiet


def test_odd_headers_are_read_without_a_word(tmp_path, capfd):
    """pydicom's remarks quote header values; warnings are errors in this suite."""

    def change(_, dataset):
        dataset.add_new("PatientBirthDate", "DA", "about 1950")
        dataset.add_new("PatientAge", "AS", "fifty years and a half")

    with dataset.parse_quietly():
        dicom_series(tmp_path / "scan", change=change)
    level = logging.getLogger("pydicom").level
    read_series(tmp_path / "scan")
    assert logging.getLogger("pydicom").level == level
    assert capfd.readouterr() == ("", "")


def test_a_character_set_that_is_none_is_not_printed(tmp_path, recwarn):
    def change(_, dataset):
        dataset.Manufacturer, dataset.SeriesDescription = "ACME", "head"
        dataset.add_new(0x00080005, "CS", "Mustermann")

    with parse_quietly():
        dicom_series(tmp_path / "scan", change=change)
    with open_series(tmp_path / "scan") as series:
        assert series.volume().shape == (10, 8, 5)
    assert not [w for w in recwarn if "Mustermann" in str(w.message)]

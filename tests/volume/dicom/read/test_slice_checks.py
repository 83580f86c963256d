"""What must agree over a series, and what headers announce of the whole."""

import pydicom
import pytest
from pydicom.uid import generate_uid

from medsr.errors import MedsrError, Refused, SeveralVolumes
from medsr.volume.dicom.read.series import open_series, read_series
from tests.dicom_factory import (
    ORIENTATIONS,
    SECRET,
    dicom_series,
    edit,
    enhanced_file,
    stored_values,
)


def refused(path, words, kind=Refused):
    with pytest.raises(kind, match=words) as fault:
        read_series(path)
    assert SECRET not in str(fault.value)


@pytest.mark.parametrize(
    ("keyword", "one", "other", "words"),
    [
        ("FrameOfReferenceUID", "1.2.1", "1.2.2", "frame of reference"),
        ("StudyInstanceUID", "1.2.1", "1.2.2", "study"),
        ("PatientID", SECRET, "other", "patient"),
        ("PatientPosition", "HFS", "FFS", "patient position"),
        ("PhotometricInterpretation", "MONOCHROME1", "MONOCHROME2", "photometric"),
        ("RescaleType", "US", "ms", "unit of the values"),
        ("EchoNumbers", 1, 2, "echo number"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "W"], ["ORIGINAL", "PRIMARY", "F"], "contrast"),
        ("ScanOptions", "FS", "NONE", "scan options"),
    ],
)
def test_what_governs_a_slice_agrees_over_the_series(tmp_path, keyword, one, other, words):
    def change(k, dataset):
        setattr(dataset, keyword, one if k < 2 else other)

    dicom_series(tmp_path / "scan", change=change)
    refused(tmp_path / "scan", rf"IMG0000\.dcm and IMG0002\.dcm differ in {words}")


def test_a_frame_of_reference_in_every_file_says_nothing_and_is_remarked(tmp_path):
    """As old anonymisers write; LIDC-IDRI is such a collection."""

    def change(k, dataset):
        dataset.FrameOfReferenceUID = f"1.2.{k + 1}"

    dicom_series(tmp_path / "scan", change=change)
    with open_series(tmp_path / "scan") as series:
        assert series.volume().shape == (10, 8, 5)
        assert "its own frame of reference" in series.remarks[0].text


@pytest.mark.parametrize(
    "scaling", [{"RescaleSlope": 2, "RescaleIntercept": 0}, {"RescaleIntercept": 65535}]
)
def test_scaling_in_some_slices_only_is_refused(tmp_path, scaling):
    edit(dicom_series(tmp_path / "scan")[2], **scaling)
    refused(tmp_path / "scan", "differ in rescaling")


@pytest.mark.parametrize(("keyword", "total"), [("ImagesInAcquisition", 7), ("NumberOfSlices", 6)])
def test_fewer_slices_than_announced_are_refused(tmp_path, keyword, total):
    def change(_, dataset):
        setattr(dataset, keyword, total)

    dicom_series(tmp_path / "scan", change=change)
    refused(tmp_path / "scan", f"scan: its headers declare {total} slices and 5 were found")


def concatenation(folder, parts, total):
    """A multi-frame object that was cut into parts of two frames."""
    uid = generate_uid()
    for part in parts:

        def change(dataset, part=part):
            chosen = slice(2 * part, 2 * part + 2)
            groups = dataset.PerFrameFunctionalGroupsSequence
            dataset.PerFrameFunctionalGroupsSequence = groups[chosen]
            dataset.PixelData = stored_values(6)[::-1][chosen].tobytes()
            dataset.SeriesInstanceUID, dataset.NumberOfFrames = uid, 2
            dataset.ConcatenationUID = "1.2.3"
            dataset.InConcatenationNumber = part + 1
            dataset.InConcatenationTotalNumber = total

        enhanced_file(folder / f"{part}.dcm", slices=6, change=change)


def test_the_parts_of_a_concatenation_are_all_there(tmp_path):
    concatenation(tmp_path / "whole", (0, 1, 2), 3)
    assert read_series(tmp_path / "whole").shape == (10, 8, 6)
    concatenation(tmp_path / "cut", (0, 1), 3)
    refused(tmp_path / "cut", "is a concatenation of 3 parts, of which 2 were found")
    concatenation(tmp_path / "first", (1, 2), None)
    refused(tmp_path / "first", "is a concatenation of 3 parts, of which 2 were found")


@pytest.mark.parametrize("planes", [("axial", "sagittal", "coronal"), ("axial", "sagittal")])
def test_planes_that_cross_are_a_scout(tmp_path, planes):
    uid = generate_uid()
    for plane in planes:
        dicom_series(tmp_path / "scan", uid=uid, slices=3, prefix=plane, orientation=plane)
    refused(tmp_path / "scan", r"scan: is a localizer \(scout\)", SeveralVolumes)


def test_one_slice_in_another_plane_is_a_fault(tmp_path):
    edit(
        dicom_series(tmp_path / "scan")[3],
        ImageOrientationPatient=list(ORIENTATIONS["sagittal"]),
    )
    with pytest.raises(Refused, match="mixed orientations") as fault:
        read_series(tmp_path / "scan")
    assert not isinstance(fault.value, SeveralVolumes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ImagePositionPatient": [0, 0, 1e30]}, "more than 10 m away"),
        ({"ImageOrientationPatient": ["-1e300", 0, 0, 0, 1, 0]}, "has numbers beyond 1"),
        ({"PixelSpacing": [200, 200]}, "PixelSpacing 200 x 200 mm is not plausible"),
        ({"SliceThickness": 1e9}, r"SliceThickness 1e\+09 mm is not plausible"),
        ({"SliceThickness": -1}, "SliceThickness -1 mm is not plausible"),
    ],
)
def test_lengths_beyond_belief_are_refused(tmp_path, changes, words):
    for file in dicom_series(tmp_path / "scan"):
        edit(file, **changes)
    refused(tmp_path / "scan", rf"IMG0000\.dcm: .*{words}")


@pytest.mark.parametrize("thickness", [0.09, 50])
def test_a_thickness_far_from_the_spacing_is_ignored_and_remarked(tmp_path, thickness):
    for file in dicom_series(tmp_path / "scan"):
        edit(file, SliceThickness=thickness)
    with open_series(tmp_path / "scan") as series:
        assert series.volume().slice_thickness_mm is None
        assert f"thickness of {thickness} mm" in series.remarks[0].text


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"2,5 ", "is there but is not a number"),
        (b"", "is there but is not a number"),
        (b"NaN ", "is there but is not a number"),
        (b"two ", "is there but is not a number"),
        (b"1e33", r"1e\+33 is not plausible"),
    ],
)
@pytest.mark.parametrize("slices", [(2,), range(5)], ids=["one", "all"])
def test_a_scaling_that_cannot_be_read_is_refused(tmp_path, keyword, value, words, slices):
    for k, file in enumerate(dicom_series(tmp_path / "scan")):
        dataset = pydicom.dcmread(file)
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.save_as(file)
        if k in slices:
            dataset = pydicom.dcmread(file)
            element = dataset.get_item(keyword)
            dataset[keyword] = element._replace(value=value, length=len(value))
            dataset.save_as(file)
    refused(tmp_path / "scan", rf"IMG000[02]\.dcm: {keyword} {words}")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"EchoTime": 90}, r"echo time \(80 and 90\)"),
        ({"DiffusionBValue": 1000.0}, r"b-value \(0 and 1000\)"),
        ({"KVP": 80}, r"tube voltage \(80 and 120\)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "object class"),
    ],
    ids=str,
)
def test_one_slice_of_another_contrast_is_refused(tmp_path, attributes, words):
    def change(k, dataset):
        dataset.EchoTime, dataset.DiffusionBValue, dataset.KVP = 80 + 0.1 * k, 0.0, 120
        for keyword, value in attributes.items() if k == 2 else ():
            setattr(dataset, keyword, value)

    def sound(k, dataset):
        change(0, dataset)
        dataset.EchoTime = 80 + 0.1 * k

    dicom_series(tmp_path / "scan", change=change)
    refused(tmp_path / "scan", f"IMG000[0124].dcm differ in {words}")
    dicom_series(tmp_path / "sound", change=sound)
    assert read_series(tmp_path / "sound").shape == (10, 8, 5)


def test_ct_without_a_slope_is_refused(tmp_path):
    edit(dicom_series(tmp_path / "ct", modality="CT")[1], RescaleSlope=None)
    refused(tmp_path / "ct", r"IMG0001\.dcm: RescaleSlope is missing")


def test_more_pixels_than_announced_and_stray_bytes_are_faults(tmp_path):
    files = dicom_series(tmp_path / "scan")
    whole = files[1].read_bytes()
    edit(files[1], PixelData=bytes(170))
    refused(tmp_path / "scan", "contains 170 bytes of pixels where its header", MedsrError)
    files[1].write_bytes(whole + b"and what is this?" * 3)
    refused(tmp_path / "scan", "51 bytes follow the pixels", MedsrError)
    files[1].write_bytes(whole + bytes(512))
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)


def test_rows_beyond_the_standard_are_a_fault(tmp_path):
    def change(_, dataset):
        dataset.add_new("Columns", "UL", 70000)

    dicom_series(tmp_path / "scan", change=change)
    refused(tmp_path / "scan", "more than 65535 rows or columns", MedsrError)

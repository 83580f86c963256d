"""What shows no anatomy is not read, and the sentence says what it is."""

import pytest

from medsr.errors import Refused
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.choose import list_series
from medsr.volume.dicom.read.series import read_series
from tests.dicom_factory import dicom_series, edit, enhanced_file, stored_values

ORIGINAL, DERIVED = ("ORIGINAL", "PRIMARY"), ("DERIVED", "SECONDARY")


@pytest.mark.parametrize(
    ("image_type", "words"),
    [
        ((*ORIGINAL, "P", "ND"), "is a phase image"),
        ((*ORIGINAL, "PHASE MAP", "P", "FFE"), "is a phase image"),
        ((*ORIGINAL, "R_IR", "R", "IR"), "is the real part"),
        ((*ORIGINAL, "IMAGINARY"), "is the imaginary part"),
        (("DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"), "is a map"),
        (("DERIVED", "PRIMARY", "DIFFUSION", "FA"), "is a map"),
        ((*DERIVED, "T1MAP"), "is a map"),
        ((*DERIVED, "OTHER", "NULL_SPACE"), "is a map"),
        ((*ORIGINAL, "B0 MAP", "B0"), "is a field map"),
        ((*DERIVED, "PERFUSION", "TTP"), "is a perfusion"),
        ((*DERIVED, "MIP"), "is a projection"),
        ((*DERIVED, "SEGMENTATION"), "is a mask"),
        ((*ORIGINAL, "SURVEY"), "is a localizer"),
        ((*DERIVED, "SCREEN SAVE"), "is a screen capture or a report"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else None,
)
def test_image_type_tells(tmp_path, image_type, words):
    def change(_, dataset):
        dataset.ImageType = list(image_type)

    dicom_series(tmp_path / "scan", change=change)
    with pytest.raises(Refused, match=f"^scan: {words}"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize(
    "image_type",
    [
        (*ORIGINAL, "M", "ND", "NORM"),
        (*ORIGINAL, "M_FFE", "M", "FFE"),
        (*ORIGINAL, "IN_PHASE"),
        (*ORIGINAL, "T1", "NONE"),
        ("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"),
        ORIGINAL,
    ],
    ids=str,
)
def test_anatomy_is_read(tmp_path, image_type):
    def change(_, dataset):
        dataset.ImageType = list(image_type)

    dicom_series(tmp_path / "scan", change=change)
    assert read_series(tmp_path / "scan").shape == (10, 8, 5)


@pytest.mark.parametrize(
    ("component", "words"),
    [("PHASE", "is a phase image"), ("REAL", "is the real"), ("IMAGINARY", "is the imaginary")],
)
def test_the_complex_component_tells(tmp_path, component, words):
    def change(_, dataset):
        dataset.ComplexImageComponent = component

    dicom_series(tmp_path / "scan", change=change)
    with pytest.raises(Refused, match=words):
        read_series(tmp_path / "scan")

    def per_frame(dataset):
        for group in dataset.PerFrameFunctionalGroupsSequence:
            item = type(group)()
            item.FrameType, item.ComplexImageComponent = [*ORIGINAL, "M"], component
            group.MRImageFrameTypeSequence = [item]

    path = enhanced_file(tmp_path / "one.dcm", change=per_frame)
    with pytest.raises(Refused, match=words):
        read_series(path)


@pytest.mark.parametrize(("value", "words"), [(1, "phase"), (2, "real part"), (3, "imaginary")])
def test_ge_tells_in_an_element_of_its_own(tmp_path, value, words):
    def change(_, dataset):
        dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", value)

    dicom_series(tmp_path / "scan", change=change)
    with pytest.raises(Refused, match=words):
        read_series(tmp_path / "scan")


def test_magnitude_beside_phase_in_one_series_is_the_scan(tmp_path):
    def phase(_, dataset):
        dataset.ImageType = [*ORIGINAL, "P"]

    dicom_series(tmp_path / "scan", uid="1.2.3")
    dicom_series(tmp_path / "scan", uid="1.2.3", prefix="P", seed=1, change=phase)
    assert (read_series(tmp_path / "scan").voxels == stored_values().transpose(2, 1, 0)).all()
    assert {(s.kind, s.slices) for s in list_series(tmp_path / "scan")} == {
        ("image", 5),
        ("phase", 5),
    }


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"SeriesDescription": "AX DWI ADC", "ImageType": [*ORIGINAL, "OTHER"]}, "is a map"),
        ({"SeriesDescription": "localizer", "ImageType": [*ORIGINAL, "M"]}, "is a localizer"),
        ({"SeriesDescription": "T1map", "ImageType": [*ORIGINAL, "M"]}, ""),
        ({"SeriesDescription": "cine ADC", "ComplexImageComponent": "MAGNITUDE"}, ""),
        ({"VolumeBasedCalculationTechnique": "MIN_IP"}, "is a projection"),
        ({"VolumeBasedCalculationTechnique": "MULTI_ECHO"}, ""),
    ],
)
def test_other_attributes_tell_where_they_are_not_contradicted(tmp_path, attributes, words):
    def change(_, dataset):
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    dicom_series(tmp_path / "scan", change=change)
    if words:
        with pytest.raises(Refused, match=words):
            read_series(tmp_path / "scan")
    else:
        assert read_series(tmp_path / "scan").shape == (10, 8, 5)


def test_a_uid_that_is_none_is_not_shown(tmp_path):
    for k, uid in enumerate(("1.2.3", "Erika \x1b[31m", "")):
        for file in dicom_series(tmp_path / "scan", uid="1.9", prefix=f"S{k}_"):
            with parse_quietly():
                edit(file, SeriesInstanceUID=uid)
    with pytest.raises(Refused) as fault:
        read_series(tmp_path / "scan")
    shown = str(fault.value) + repr(list_series(tmp_path / "scan"))
    assert "Erika" not in shown
    assert "\x1b" not in shown
    assert "1.2.3 (MR image" in shown
    assert "its UID is not valid" in shown
    assert read_series(tmp_path / "scan", series="1.2.3").shape == (10, 8, 5)

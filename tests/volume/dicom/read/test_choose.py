"""A series is chosen by UID, number or description; errors list series but no descriptions."""

import pytest

from medsr.errors import Refused, UsageError
from medsr.volume.formats import open_scan
from tests.dicom_factory import SECRET, dicom_series
from tests.nifti_factory import nifti_file


def named(number, description):
    def change(_, dataset):
        dataset.SeriesNumber = number
        dataset.SeriesDescription = description

    return change


@pytest.fixture
def dump(tmp_path):
    """Four series of one folder: told apart by slices, two of them of one number."""
    folder = tmp_path / "dump"
    dicom_series(folder, uid="1.1", slices=3, prefix="A", change=named(3, "T1 MPRAGE sag"))
    dicom_series(folder, uid="1.2", slices=4, prefix="B", change=named(5, "t2_tse tra"))
    dicom_series(folder, uid="1.3", slices=5, prefix="C", change=named(7, f"FLAIR {SECRET}"))
    dicom_series(folder, uid="1.4", slices=6, prefix="D", change=named(7, "T2 FLAIR cor 3"))
    return folder


@pytest.mark.parametrize(
    ("series", "slices"),
    [
        ("1.3", 5),
        ("3", 3),
        ("5", 4),
        ("mprage", 3),
        ("T2_TSE*", 4),
        ("*t2*tra", 4),
        ("?1 mprage*", 3),
        ("[t]2 flair*", 6),
    ],
)
def test_one_is_chosen(dump, series, slices):
    with open_scan(dump, series=series) as scan:
        assert scan.volume.shape[2] == slices


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (None, "contains 4 image series. Choose one with --series"),
        ("7", "contains 2 image series that match --series"),
        ("*flair*", "contains 2 image series that match --series"),
        ("4", "has no series 4. It contains number 7, 1.4"),
        (SECRET + "x", "has no series of that description. It contains number 7, 1.4"),
        ("FLAI", "number 7, 1.4 (MR image, 6 slices); number 7, 1.3 (MR image, 5 slices)"),
        (None, "number 5 (MR image, 4 slices); number 3 (MR image, 3 slices)"),
    ],
)
def test_none_or_several_are_listed_without_free_text(dump, series, words):
    with pytest.raises(Refused) as fault, open_scan(dump, series=series):
        pass
    assert words in str(fault.value)
    for secret in (SECRET, "FLAIR", "MPRAGE"):
        assert secret not in str(fault.value)


def test_an_image_file_has_no_series(tmp_path):
    path = nifti_file(tmp_path / "scan.nii")
    with pytest.raises(UsageError, match="no DICOM series"), open_scan(path, series="5"):
        pass

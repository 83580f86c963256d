"""Values of a data set are those that pydicom converts, also where they are taken as written."""

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from medsr.volume.dicom.values import text, texts


def as_read(description, character_set):
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.SeriesDescription = character_set, description
    file = BytesIO()
    dataset.save_as(file, implicit_vr=False, little_endian=True)
    file.seek(0)
    return dcmread(file, force=True)


@pytest.mark.parametrize(
    ("description", "character_set"),
    [
        ("t1 mprage sag", "ISO_IR 100"),
        ("Schädel", "ISO_IR 100"),
        ("Schädel", "ISO_IR 192"),
        ("頭部", ["", "ISO 2022 IR 87"]),
        ("", "ISO_IR 100"),
    ],
)
def test_a_description_is_what_was_written(description, character_set):
    assert text(as_read(description, character_set), "SeriesDescription") == description


def test_several_values_are_told_apart():
    assert texts(as_read(["one ", "two"], "ISO_IR 100"), "SeriesDescription") == ("one", "two")

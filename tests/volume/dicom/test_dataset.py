"""A header that never ends is damaged, and is said to be so at once."""

import struct

import pytest

from medsr.errors import InputError
from medsr.volume.dicom.dataset import open_dataset, parse_quietly
from tests.dicom_factory import dicom_series


@pytest.mark.parametrize(
    "element",
    [bytes(8), b"\2\0\1\0OB\0\0" + bytes(4), b"\x08\0\x60\0CS\0\0", b"\x08\0\x60\0" + bytes(4)],
    ids=["command set", "meta group", "explicit", "implicit"],
)
@pytest.mark.parametrize("tags", [None, ["Modality"]])
def test_millions_of_empty_elements_are_no_header(tmp_path, element, tags):
    path = tmp_path / "zeros.dcm"
    path.write_bytes(bytes(128) + b"DICM" + element * 400_000)
    with parse_quietly(), pytest.raises(InputError, match=r"zeros\.dcm: .* damaged"):
        open_dataset(path, tags)


def test_a_sound_header_is_read_as_far_as_the_pixels(tmp_path):
    file = dicom_series(tmp_path / "scan")[0]
    assert "PixelData" in open_dataset(file, pixels=True)
    header = open_dataset(file)
    assert "PixelData" not in header
    assert header.Modality == "MR"
    assert struct.unpack_from("<H", file.read_bytes(), 132) == (2,)

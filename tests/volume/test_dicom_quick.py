"""The quick header is the full parser's, or nothing."""

import struct

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from medsr.errors import MedsrError
from medsr.volume.dicom_head import TAG_NUMBERS, TAGS, head_of
from medsr.volume.dicom_open import looks_like_dicom, open_dataset, parse_quietly
from medsr.volume.dicom_quick import READ_BYTES, quick_header
from tests.dicom_factory import dicom_series, edit, enhanced_file
from tests.real_data import REAL_DATA, needs_real_data


def same_as_full_parser(path):
    """Whether the quick header was taken; fails when it differs."""
    quick, full = quick_header(path, TAG_NUMBERS), open_dataset(path, TAGS)
    if quick is None:
        return False
    for keyword in TAGS:
        assert quick.get(keyword) == full.get(keyword), (path.name, keyword)
    assert quick.preamble == full.preamble
    for keyword in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
        assert quick.file_meta.get(keyword) == full.file_meta.get(keyword)
    return True


def test_plain_files_are_taken(tmp_path):
    (file, *_) = dicom_series(tmp_path)
    edit(file, InversionTime="")
    assert same_as_full_parser(file)
    assert same_as_full_parser(enhanced_file(tmp_path / "enhanced.dcm"))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_are_left_to_the_full_parser(tmp_path, syntax):
    (file, *_) = dicom_series(tmp_path)
    whole = pydicom.dcmread(file)
    dataset = Dataset({element.tag: element for element in whole})  # free of its encoding
    dataset.file_meta, dataset.preamble = whole.file_meta, whole.preamble
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(
        file,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    assert quick_header(file, TAG_NUMBERS) is None
    assert head_of(file).shape == (8, 10)


def test_a_cut_header_is_left_to_the_full_parser(tmp_path):
    (file, *_) = dicom_series(tmp_path)
    whole = file.read_bytes()
    for length in range(0, len(whole) - 170, 7):
        file.write_bytes(whole[:length])
        assert quick_header(file, TAG_NUMBERS) is None


def test_an_early_long_element_is_left_to_the_full_parser(tmp_path):
    (file, *_) = dicom_series(tmp_path)
    edit(file, ImageComments="x" * 2000)  # group 0020
    assert same_as_full_parser(file)
    whole = file.read_bytes()
    at = whole.index(struct.pack("<HH", 0x0020, 0x4000))
    comments = struct.pack("<HH2sHI", 0x0019, 0x1001, b"OB", 0, READ_BYTES) + bytes(READ_BYTES)
    file.write_bytes(whole[:at] + comments + whole[at:])
    assert quick_header(file, TAG_NUMBERS) is None


@needs_real_data
def test_real_files_of_every_kind():
    files = [path for path in sorted(REAL_DATA.rglob("*")) if path.is_file()]
    taken = 0
    with parse_quietly():
        for path in files:
            try:
                if not looks_like_dicom(path):
                    continue
                open_dataset(path, TAGS)
            except MedsrError:
                continue  # the full parser refuses it too
            taken += same_as_full_parser(path)
    assert taken > 20

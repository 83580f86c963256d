"""The quick header is the full parser's, or nothing."""

import struct

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medsr.errors import MedsrError
from medsr.volume.dicom.dataset import looks_like_dicom, open_dataset, parse_quietly
from medsr.volume.dicom.read.elements import READ_BYTES
from medsr.volume.dicom.read.fast_header import read_fast_header
from medsr.volume.dicom.read.header import TAG_NUMBERS, TAGS, read_header
from medsr.volume.dicom.values import numbers, texts
from tests.dicom_factory import dicom_series, edit, encoded, enhanced_file
from tests.real_data import REAL_DATA, needs_real_data


def plainly(dataset, keyword):
    """What the other rooms ask of a header; pydicom's conversion must not change the answer."""
    return texts(dataset, keyword), *(numbers(dataset, keyword, n) for n in (1, 2, 3, 6))


def same_as_full_parser(path):
    """Whether the quick header was taken; fails when it differs."""
    found, full = read_fast_header(path, TAG_NUMBERS), open_dataset(path, TAGS)
    if found is None:
        return False
    quick = found.dataset
    for keyword in TAGS:
        unconverted = plainly(quick, keyword)
        assert quick.get(keyword) == full.get(keyword), (path.name, keyword)
        assert unconverted == plainly(full, keyword) == plainly(quick, keyword)
    assert quick.preamble == full.preamble
    for keyword in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
        assert quick.file_meta.get(keyword) == full.file_meta.get(keyword)
    if found.pixels is not None:
        with path.open("rb") as stream:
            stream.seek(found.pixels.offset)
            stored = stream.read(found.pixels.length)
        assert stored == open_dataset(path, pixels=True).PixelData
    return True


def test_plain_files_are_taken(tmp_path):
    (file, *_) = dicom_series(tmp_path)
    edit(file, InversionTime="")
    assert same_as_full_parser(file)
    assert same_as_full_parser(enhanced_file(tmp_path / "enhanced.dcm"))


def test_implicit_files_are_taken(tmp_path):
    (file, *_) = dicom_series(tmp_path)
    assert same_as_full_parser(encoded(file, ImplicitVRLittleEndian))
    assert read_fast_header(file, TAG_NUMBERS).pixels.length == 160
    enhanced = encoded(enhanced_file(tmp_path / "enhanced.dcm"), ImplicitVRLittleEndian)
    assert same_as_full_parser(enhanced)


def test_other_encodings_are_left_to_the_full_parser(tmp_path):
    (file, *_) = dicom_series(tmp_path)
    encoded(file, ExplicitVRBigEndian)
    assert read_fast_header(file, TAG_NUMBERS) is None
    assert read_header(file).shape == (8, 10)


@pytest.mark.parametrize("implicit", [False, True])
def test_a_file_that_lies_about_its_encoding_is_left_to_the_full_parser(tmp_path, implicit):
    (file, *_) = dicom_series(tmp_path)
    said, true = b"1.2.840.10008.1.2\0\0\0", b"1.2.840.10008.1.2.1\0"
    if implicit:
        encoded(file, ImplicitVRLittleEndian)
        said, true = true[:18], said[:18]  # implicit, and the group says "1.2.840.10008.1.2."
    file.write_bytes(file.read_bytes().replace(true, said))
    with parse_quietly():
        assert read_fast_header(file, TAG_NUMBERS) is None
        assert read_header(file).shape == (8, 10)


def nested(depth):
    """A private sequence in a sequence and so on, as elements of explicit little endian."""
    inside = struct.pack("<HH2sH", 0x0019, 0x1001, b"LO", 4) + b"word"
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inside
        item += struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        item += struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside
        inside = struct.pack("<HH2sHI", 0x0019, 0x1002, b"SQ", 0, 0xFFFFFFFF) + item
        inside += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return inside


def with_element(file, element, before):
    """Put the bytes of an element into a file, before the first with a tag."""
    whole = file.read_bytes()
    at = whole.index(struct.pack("<HH", *before))
    file.write_bytes(whole[:at] + element + whole[at:])
    return file


@pytest.mark.parametrize("before", [(0x0020, 0x000D), (0x7FE0, 0x0010)])
def test_sequences_of_undefined_length_are_stepped_over(tmp_path, before):
    for depth, file in zip((1, 3, 9), dicom_series(tmp_path), strict=False):
        element = nested(depth)
        if before[0] == 0x7FE0:
            element = struct.pack("<H", 0x0040) + element[2:]
        assert same_as_full_parser(with_element(file, element, before))
        assert read_fast_header(file, TAG_NUMBERS).pixels is not None


def test_sequences_without_end_are_left_to_the_full_parser(tmp_path):
    first, second, *_ = dicom_series(tmp_path)
    assert read_fast_header(with_element(first, nested(20), (0x0020, 0x000D)), TAG_NUMBERS) is None
    endless = struct.pack("<HH2sHI", 0x0040, 0x1002, b"SQ", 0, 0xFFFFFFFF)
    with_element(second, endless, (0x7FE0, 0x0010))
    assert read_fast_header(second, TAG_NUMBERS) is None


def test_what_is_no_sequence_by_the_dictionary_is_left_to_the_full_parser(tmp_path):
    """Implicit InstanceNumber with items: pydicom takes the end of the first one for its end."""
    file = encoded(dicom_series(tmp_path)[0], ImplicitVRLittleEndian)
    item = struct.pack("<HHIHHI", 0xFFFE, 0xE000, 0xFFFFFFFF, 0xFFFE, 0xE00D, 0)
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    number = struct.pack("<HHI", 0x0020, 0x0013, 0xFFFFFFFF) + item + end
    content = file.read_bytes()
    at = content.index(struct.pack("<HH", 0x0020, 0x0032))
    file.write_bytes(content[:at] + number + content[at:])
    assert read_fast_header(file, TAG_NUMBERS) is None


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_cut_file_has_no_plain_pixels(tmp_path, syntax):
    file = encoded(dicom_series(tmp_path)[0], syntax)
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        found = read_fast_header(file, TAG_NUMBERS)
        assert found is None or found.pixels is None


def test_long_elements_are_stepped_over(tmp_path):
    first, second, *_ = dicom_series(tmp_path)
    long = bytes(3 * READ_BYTES)
    element = struct.pack("<HH2sHI", 0x0019, 0x1001, b"OB", 0, len(long)) + long
    assert same_as_full_parser(with_element(first, element, (0x0020, 0x000D)))
    element = struct.pack("<HH2sHI", 0x0029, 0x1001, b"OB", 0, len(long)) + long
    assert same_as_full_parser(with_element(second, element, (0x7FE0, 0x0010)))
    assert read_fast_header(second, TAG_NUMBERS).pixels is not None


def test_a_wanted_value_beyond_belief_is_left_to_the_full_parser(tmp_path):
    (file, *_) = dicom_series(tmp_path)
    edit(file, EchoTime=["1"] * 10000)
    assert read_fast_header(file, TAG_NUMBERS) is None


@needs_real_data
def test_real_files_of_every_kind():
    files = [path for path in sorted(REAL_DATA.rglob("*")) if path.is_file()]
    taken = plain = 0
    with parse_quietly():
        for path in files:
            try:
                if not looks_like_dicom(path):
                    continue
                open_dataset(path, TAGS)
            except MedsrError:
                continue  # the full parser refuses it too
            taken += same_as_full_parser(path)
            found = read_fast_header(path, TAG_NUMBERS)
            plain += found is not None and found.pixels is not None
    assert taken > 120
    assert plain > 70

"""Pixels are what the header declares, or a sentence says in what they differ."""

from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.announced import announced, check_size
from medsr.volume.dicom.read.decode import decode_compressed, decode_native
from medsr.volume.dicom.read.header import read_header
from tests.dicom_factory import SECRET, dicom_series, edit, encoded, stored_values

SHAPE = (40, 48)
COMPRESSED = [RLELossless, JPEGLSLossless, JPEG2000Lossless]
OF_THE_JPEG_FAMILY = COMPRESSED[1:]


@pytest.fixture(autouse=True)
def quiet():
    with parse_quietly():
        yield


def slice_file(folder, syntax, change=None):
    (file,) = dicom_series(folder, slices=1, shape=SHAPE, change=change)
    return encoded(file, syntax)


def by_name(uid):
    return uid.name


@pytest.mark.parametrize("syntax", COMPRESSED, ids=by_name)
def test_compressed_pixels_are_as_announced(tmp_path, syntax):
    file = slice_file(tmp_path, syntax)
    said, pixels = announced(file), decode_compressed(file)
    assert said.is_compressed
    assert (pixels.shape, pixels.dtype) == ((1, *SHAPE), np.uint16) == (said.shape, said.dtype)
    np.testing.assert_array_equal(pixels[0], stored_values(1, *SHAPE)[0])


def test_native_pixels_are_as_announced(tmp_path):
    file = slice_file(tmp_path, ExplicitVRBigEndian)
    assert not announced(file).is_compressed
    np.testing.assert_array_equal(decode_native(file), stored_values(1, *SHAPE))


def test_few_bits_come_in_the_announced_type(tmp_path):
    """A codec gives bytes where the codestream has 8 bits; the header may announce 16."""
    values = (stored_values(1, *SHAPE)[0] % 256).astype(np.uint8)

    def change(_, dataset):
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = values.tobytes()

    file = slice_file(tmp_path, JPEG2000Lossless, change)
    edit(file, BitsAllocated=16)
    pixels = decode_compressed(file)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels[0], values)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=by_name)
@pytest.mark.parametrize(
    "other",
    [
        {"Rows": 39},
        {"Columns": 49},
        {"Rows": 48, "Columns": 40},
        {"NumberOfFrames": 2},
        {"Rows": 20, "NumberOfFrames": 2},
    ],
    ids=str,
)
def test_another_size_than_announced_is_refused(tmp_path, syntax, other):
    file = slice_file(tmp_path, syntax)
    if syntax == RLELossless and other == {"Rows": 48, "Columns": 40}:
        pytest.skip("RLE does not say how its values are divided into rows")
    edit(file, **other)
    with pytest.raises(InputError, match=r"^IMG0000\.dcm: the pixel data \(.*Copy or export"):
        decode_compressed(file)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=by_name)
@pytest.mark.parametrize("count", [0, 2])
def test_more_frames_than_announced_are_refused(tmp_path, syntax, count):
    file = slice_file(tmp_path, syntax)
    dataset = pydicom.dcmread(file)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame] * max(count, 1), has_bot=False)
    if not count:
        dataset.PixelData = dataset.PixelData[:8]  # the empty table alone
    dataset.save_as(file)
    with pytest.raises(InputError, match=r"^IMG0000\.dcm: the pixel data .* frame"):
        decode_compressed(file)


@pytest.mark.parametrize("syntax", OF_THE_JPEG_FAMILY, ids=by_name)
def test_more_bits_than_announced_are_refused_where_values_need_them(tmp_path, syntax):
    file = slice_file(tmp_path / "12", syntax)
    edit(file, BitsStored=10, HighBit=9)
    with pytest.raises(InputError, match="values outside the range that the header declares"):
        decode_compressed(file)

    def change(_, dataset):
        dataset.PixelData = (stored_values(1, *SHAPE)[0] % 1024).tobytes()

    file = slice_file(tmp_path / "10", syntax, change)
    edit(file, BitsStored=10, HighBit=9)
    np.testing.assert_array_equal(decode_compressed(file), stored_values(1, *SHAPE) % 1024)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=by_name)
def test_negative_values_in_more_bits_than_announced(tmp_path, syntax):
    values = stored_values(1, *SHAPE).astype(np.int16) - 2048

    def change(_, dataset):
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.PixelData = values.tobytes()

    file = slice_file(tmp_path, syntax, change)
    np.testing.assert_array_equal(decode_compressed(file), values)
    edit(file, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(decode_compressed(file), values)


def jpeg_file(folder, mode, **attributes):
    """8-bit baseline JPEG of one colour in place of the pixels, and its header changed."""
    file = slice_file(folder, RLELossless)
    target = BytesIO()
    Image.new(mode, SHAPE[::-1], "grey").save(target, "JPEG")
    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([target.getvalue()])
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)
    return file


def test_jpeg_of_another_kind_than_announced(tmp_path):
    assert decode_compressed(jpeg_file(tmp_path / "1", "L")).max() == 128
    with pytest.raises(InputError, match="images of 40 x 48 x 3, and the header declares"):
        decode_compressed(jpeg_file(tmp_path / "2", "RGB"))
    wide = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}
    with pytest.raises(InputError, match="has 8 bits per value, and the header declares 12 of 16"):
        decode_compressed(jpeg_file(tmp_path / "3", "L", **wide))


def test_jpeg_of_12_bits_has_no_decoder(tmp_path):
    file = jpeg_file(tmp_path, "L", BitsAllocated=16, BitsStored=12, HighBit=11)
    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    dataset.save_as(file)
    with pytest.raises(Refused, match="which this installation cannot decode"):
        decode_compressed(file)


def replaced(file, old, new):
    """Bytes of a file replaced by as many others."""
    whole = file.read_bytes()
    assert whole.count(old) == 1
    file.write_bytes(whole.replace(old, new))
    return file


RLE_UID, NATIVE_UID = (f"{uid}\0".encode() for uid in (RLELossless, ExplicitVRLittleEndian))


def test_compressed_pixels_that_are_announced_as_native(tmp_path):
    file = replaced(slice_file(tmp_path, RLELossless), RLE_UID, NATIVE_UID)
    with pytest.raises(InputError, match="has compressed pixels, but its header says"):
        decode_native(file)
    with pytest.raises(InputError, match="has compressed pixels, but its header says"):
        decode_native(slice_file(tmp_path / "rle", RLELossless))


def test_native_pixels_that_are_announced_as_compressed(tmp_path):
    file = replaced(slice_file(tmp_path, ExplicitVRLittleEndian), NATIVE_UID, RLE_UID)
    with pytest.raises(InputError, match=r"the pixel data \(RLE Lossless\) .*not divided"):
        decode_compressed(file)


@pytest.mark.parametrize("syntax", ["1.2.3.4", f"1.2.3\x1b[2J{SECRET}"])
def test_an_unknown_syntax_is_refused_without_its_words(tmp_path, syntax):
    file = slice_file(tmp_path, RLELossless)
    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(file, implicit_vr=False, little_endian=True, enforce_file_format=False)
    assert announced(file).is_compressed
    with pytest.raises(Refused) as refusal:
        decode_compressed(file)
    assert SECRET not in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_pixel_data_of_another_kind(tmp_path):
    """A sequence, or a value representation that does not exist."""
    file = slice_file(tmp_path, RLELossless)
    for kind, known in ((b"SQ", True), (b"XX", False), (b"UN", True)):
        whole = file.read_bytes()
        start = whole.index(b"\xe0\x7f\x10\x00") + 4
        changed = tmp_path / f"{kind.decode()}.dcm"
        changed.write_bytes(whole[:start] + kind + whole[start + 2 :])
        try:
            decode_compressed(changed)
            words = ""
        except InputError as fault:
            words = str(fault)
        assert known or "is not written as DICOM writes it" in words  # not: is cut


@pytest.mark.parametrize("syntax", [RLELossless, ExplicitVRLittleEndian], ids=by_name)
def test_a_size_that_the_file_cannot_hold_is_refused(tmp_path, syntax):
    file = slice_file(tmp_path, syntax)
    edit(file, NumberOfFrames=20000)
    for check in (lambda: announced(file), lambda: check_size(read_header(file))):
        with pytest.raises(InputError, match="but the file has"):
            check()
    edit(file, NumberOfFrames=2**31 - 1)
    with pytest.raises(Refused, match="Check the header, or crop the scan"):
        announced(file)


def test_a_file_that_is_gone_is_named(tmp_path):
    file = slice_file(tmp_path, RLELossless)
    head = read_header(file)
    file.unlink()
    with pytest.raises(InputError, match=r"^IMG0000\.dcm: can no longer be read"):
        check_size(head)

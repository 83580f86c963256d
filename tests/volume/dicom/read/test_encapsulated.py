"""Compressed pixel data is compared with what announces it before a decoder sees it."""

import struct
from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medsr.volume.dicom.read.encapsulated import (
    Damaged,
    Picture,
    codestreams,
    picture_of,
    rle_length,
)
from tests.dicom_factory import dicom_series, encoded

#: The end of all items, as it may stand in a file.
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"


def stream(size=20, value=b"x"):
    """What looks like a codestream of JPEG from outside, an even number of bytes."""
    return b"\xff\xd8" + value * (size - 4) + b"\xff\xd9"


def item(content):
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content


def split(data, count, extended=None, is_rle=False):
    return [frame.bytes for frame in codestreams(data, count, extended, is_rle=is_rle)]


FRAMES = [stream(20), stream(24), stream(22)]


@pytest.mark.parametrize("has_table", [True, False], ids=["table", "no table"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("end", [b"", DELIMITER, b"\0\0\0\0"])
def test_frames_are_found_whole(has_table, parts, end):
    data = encapsulate(FRAMES, fragments_per_frame=parts, has_bot=has_table) + end
    assert split(data, 3) == FRAMES


def test_a_padded_frame_ends_where_it_ends():
    assert split(encapsulate([stream(20) + b"\0\0", stream(20)], has_bot=False), 2)


def test_the_extended_table_is_read():
    data, offsets, lengths = encapsulate_extended(FRAMES)
    assert split(data, 3, (offsets, lengths)) == FRAMES
    odd = [stream(21), stream(20)]
    assert len(split(*_extended(odd))) == 2


def _extended(frames):
    data, offsets, lengths = encapsulate_extended(frames)
    return data, len(frames), (offsets, lengths)


def test_rle_frames_are_its_fragments():
    frames = [b"\1\0", b"\2\0\3\0"]
    assert split(encapsulate(frames, has_bot=False), 2, is_rle=True) == frames


@pytest.mark.parametrize("count", [1, 2, 4, 100])
@pytest.mark.parametrize("has_table", [True, False], ids=["table", "no table"])
@pytest.mark.parametrize("is_rle", [True, False], ids=["RLE", "JPEG"])
def test_more_or_fewer_frames_than_announced(count, has_table, is_rle):
    with pytest.raises(Damaged, match=f"has 3 frames, and the header declares {count}"):
        split(encapsulate(FRAMES, has_bot=has_table), count, is_rle=is_rle)


def tables(*offsets, kind="I"):
    return struct.pack(f"<{len(offsets)}{kind}", *offsets)


@pytest.mark.parametrize(
    "table",
    [
        tables(0, 28),
        tables(0, 28, 60, 90),
        tables(0, 28, 28),
        tables(0, 60, 28),
        tables(0, 28, 62),
        tables(8, 36, 68),
        tables(0, 28, 2**32 - 2),
        tables(0, 28, 60)[:-2],
    ],
)
def test_a_basic_table_that_points_elsewhere(table):
    good = tables(0, 28, 60)
    rest = b"".join(item(frame) for frame in FRAMES)
    assert split(item(good) + rest, 3) == FRAMES
    with pytest.raises(Damaged, match="offset table"):
        split(item(table) + rest, 3)


@pytest.mark.parametrize(
    ("offsets", "lengths"),
    [
        (tables(0, 28, kind="Q"), tables(20, 24, 22, kind="Q")),
        (tables(0, 28, 2**63, kind="Q"), tables(20, 24, 22, kind="Q")),
        (tables(0, 28, 60, kind="Q"), tables(20, 24, kind="Q")),
        (tables(0, 28, 60, kind="Q"), tables(20, 24, 2**63, kind="Q")),
        (tables(0, 28, 60, kind="Q"), tables(20, 12, 22, kind="Q")),
        (tables(0, 28, 60, kind="Q"), b""),
        (b"", tables(20, 24, 22, kind="Q")),
        (tables(0, 28, 60, kind="Q")[:-1], tables(20, 24, 22, kind="Q")),
    ],
)
def test_an_extended_table_that_points_elsewhere(offsets, lengths):
    data = encapsulate(FRAMES, has_bot=False)
    with pytest.raises(Damaged, match=r"table"):
        split(data, 3, (offsets, lengths))


@pytest.mark.parametrize("lost", [1, 7, 8, 12, 30, 31, 50])
def test_data_that_is_cut(lost):
    with pytest.raises(Damaged):
        split(encapsulate(FRAMES)[:-lost], 3)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 16, item(b""), b"\xff\xd8 native pixels" * 9, item(b"") + DELIMITER]
)
def test_data_without_items(data):
    with pytest.raises(Damaged):
        split(data, 1)


def jpeg(mode="L", size=(12, 9), **options):
    target = BytesIO()
    Image.new(mode, size, 77 if mode == "L" else (1, 2, 3)).save(target, "JPEG", **options)
    return target.getvalue()


def compressed(folder, syntax):
    (file, *_) = dicom_series(folder, shape=(48, 40))
    data = pydicom.dcmread(encoded(file, syntax)).PixelData
    return split(data, 1, is_rle=syntax == RLELossless)[0]


def test_codestreams_say_what_they_are(tmp_path):
    assert picture_of(jpeg()) == Picture(9, 12, 1, 8)
    assert picture_of(jpeg(progressive=True)) == Picture(9, 12, 1, 8)
    assert picture_of(jpeg("RGB")) == Picture(9, 12, 3, 8)
    for syntax in (JPEGLSLossless, JPEG2000Lossless):
        found = compressed(tmp_path / syntax, syntax)
        assert (picture_of(found).rows, picture_of(found).columns) == (48, 40)
        assert picture_of(found + b"\0") == picture_of(found)
        assert picture_of(found).components == 1
        assert 12 <= picture_of(found).bits <= 16


def test_bytes_between_the_segments_of_jpeg_are_passed_over():
    """An encoder in use writes a JFIF segment of one byte more than it says."""
    whole = jpeg()
    for fill in (b"\0", b"\xff", b"\xff\0\x07"):
        assert picture_of(whole[:20] + fill + whole[20:]) == Picture(9, 12, 1, 8)


def test_boxes_around_jpeg_2000(tmp_path):
    target = BytesIO()
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(target, "JPEG2000", no_jp2=False)
    assert target.getvalue()[4:8] == b"jP  "
    assert picture_of(target.getvalue()) == Picture(40, 50, 1, 8)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.name)
def test_every_cut_codestream_is_noticed(tmp_path, syntax):
    whole = compressed(tmp_path, syntax)
    for length in range(0, len(whole), 7):
        with pytest.raises(Damaged):
            picture_of(whole[:length])


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.name)
def test_any_header_is_read_or_refused(tmp_path, syntax):
    """A byte of the header changed to any value: an answer or `Damaged`, and nothing else."""
    whole = compressed(tmp_path, syntax)
    rng = np.random.default_rng(0)
    for _ in range(1000):
        changed = bytearray(whole)
        for place in rng.integers(0, 60, size=2):
            changed[place] = rng.integers(256)
        try:
            picture_of(bytes(changed))
        except Damaged:
            continue


def test_an_end_in_the_middle_is_noticed():
    """A decoder would fill the rest of the picture with grey."""
    whole = bytearray(jpeg(size=(200, 200)))
    scan = whole.index(b"\xff\xda")
    whole[scan + 30 : scan + 32] = b"\xff\xd9"
    with pytest.raises(Damaged, match="a frame continues after its end"):
        picture_of(bytes(whole))


def test_rle_says_how_many_pixels_it_has(tmp_path):
    whole = compressed(tmp_path, RLELossless)
    assert rle_length(whole) == 48 * 40
    assert rle_length(whole[:64]) == 0
    assert rle_length(whole[:164]) <= 100 * 64
    with pytest.raises(Damaged):
        rle_length(whole[:63])
    (second,) = struct.unpack_from("<I", whole, 8)
    assert rle_length(whole[:second] + b"\0" * 999) == 48 * 40

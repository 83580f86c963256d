"""Pixels read where they lie are those of the general road, bit for bit, or are left to it."""

import re

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medsr.errors import MedsrError
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read import frames
from medsr.volume.dicom.read.decode import decode_native
from medsr.volume.dicom.read.frames import frames_of
from medsr.volume.dicom.read.header import IMAGE, read_header
from medsr.volume.dicom.read.raw_pixels import raw_pixels_of
from medsr.volume.dicom.read.raw_pixels import stored_values as values_at
from medsr.volume.dicom.read.series import open_series, read_series
from tests.dicom_factory import dicom_series, edit, encoded, enhanced_file, stored_values
from tests.real_data import REAL_DATA, needs_real_data


def plain_frames(path):
    """How many frames of a file are read plainly; fails where they differ from pydicom's."""
    with parse_quietly():
        header = read_header(path)
        plain = [raw_pixels_of(header, index) for index in range(header.frames)]
        if not any(plain):
            return 0
        for one, expected in zip(plain, decode_native(path), strict=True):
            found = values_at(path.read_bytes(), one, header.shape)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    return len(plain)


def outcome(path):
    """What reading gives: all of a volume, or the sentence."""
    try:
        volume = read_series(path)
    except MedsrError as fault:
        return type(fault), str(fault)
    return volume.voxels.tobytes(), volume.affine.tobytes(), volume.stored_as_integers


def outcome_of_the_general_road(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(frames, "raw_pixels_of", lambda header, index: None)
        return outcome(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [16, 12, 9])
def test_every_width_and_sign_is_that_of_the_general_road(tmp_path, syntax, signed, bits):
    """The bits that mean nothing hold rubbish."""

    def change(k, dataset):
        rubbish = np.random.default_rng(k).integers(0, 1 << 16, (8, 10), dtype=np.uint16)
        dataset.PixelRepresentation = int(signed)
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        dataset.PixelData = rubbish.tobytes()

    for file in dicom_series(tmp_path / "scan", change=change):
        assert plain_frames(encoded(file, syntax)) == 1


def test_frames_of_a_multi_frame_file_are_read_one_by_one(tmp_path):
    path = enhanced_file(tmp_path / "one.dcm")
    assert plain_frames(path) == 5
    assert all(frame.raw for frame in frames_of(read_header(path)))
    np.testing.assert_array_equal(read_series(path).voxels, stored_values().transpose(2, 1, 0))


@pytest.mark.parametrize(
    "syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_other_syntaxes_are_left_to_the_general_road(tmp_path, syntax):
    for file in dicom_series(tmp_path / "scan"):
        assert plain_frames(encoded(file, syntax)) == 0
    np.testing.assert_array_equal(
        read_series(tmp_path / "scan").voxels, stored_values().transpose(2, 1, 0)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"BitsStored": None},
        {"BitsStored": 17},
        {"PixelRepresentation": None},
        {"PixelRepresentation": 2},
        {"PhotometricInterpretation": None},
        {"SamplesPerPixel": None},
        {"BitsAllocated": 32, "Columns": 5},
        {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Columns": 20},
        {"PixelData": bytes(162)},
        {"PixelData": bytes(158)},
        {"PixelData": b""},
        {"NumberOfFrames": 2},
    ],
    ids=str,
)
def test_an_odd_header_fares_as_on_the_general_road(tmp_path, monkeypatch, change):
    for file in dicom_series(tmp_path / "scan"):
        with parse_quietly():
            edit(file, **change)
        assert plain_frames(file) == 0
    found = outcome(tmp_path / "scan")
    assert found == outcome_of_the_general_road(tmp_path / "scan", monkeypatch)


def test_a_file_cut_anywhere_gives_the_sentence_of_the_general_road(tmp_path, monkeypatch):
    file = dicom_series(tmp_path / "scan")[2]
    whole = file.read_bytes()
    for left in range(140, len(whole), 37):
        file.write_bytes(whole[:left])
        found = outcome(tmp_path / "scan")
        assert issubclass(found[0], MedsrError)
        assert found == outcome_of_the_general_road(tmp_path / "scan", monkeypatch)


def test_cut_pixels_are_named(tmp_path):
    file = dicom_series(tmp_path / "scan", shape=(64, 64))[2]
    file.write_bytes(file.read_bytes()[:-400])
    words = (
        "IMG0002.dcm: the pixel data (Explicit VR Little Endian) cannot be decoded; it is shorter "
        "than the header says or damaged. Copy or export it again."
    )
    with pytest.raises(MedsrError, match=f"^{re.escape(words)}$"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "high"), [(12, 15), (12, 13), (8, 15), (16, 15)])
def test_values_are_read_from_the_bits_that_the_header_names(tmp_path, bits, high, signed):
    """What lies in the other bits, such as an overlay, is no value."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 1 << 16, (5, 8, 10), dtype=np.uint16)

    def change(k, dataset):
        dataset.BitsStored, dataset.HighBit = bits, high
        dataset.PixelRepresentation, dataset.PixelData = int(signed), cells[k].tobytes()

    dicom_series(tmp_path / "scan", change=change)
    expected = (cells.astype(np.int64) >> (high + 1 - bits)) & ((1 << bits) - 1)
    if signed:
        expected -= (expected >> (bits - 1)) << bits
    np.testing.assert_array_equal(
        read_series(tmp_path / "scan").voxels, expected.transpose(2, 1, 0)
    )


def test_upper_bits_of_compressed_files_are_refused(tmp_path):
    for file in dicom_series(tmp_path / "scan"):
        edit(encoded(file, RLELossless), HighBit=15)
    with pytest.raises(MedsrError, match=r"IMG0000\.dcm: keeps its values in the upper bits"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize("change", [{"BitsStored": 17}, {"HighBit": 16}, {"HighBit": 10}])
def test_bits_that_contradict_each_other_are_refused(tmp_path, change):
    for file in dicom_series(tmp_path / "scan"):
        edit(file, **change)
    with pytest.raises(MedsrError, match="contradict each other"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize("left", [0, 300])
def test_a_file_that_changes_after_its_header_was_read_is_an_input_error(tmp_path, left):
    files = dicom_series(tmp_path / "scan", shape=(64, 64))
    with open_series(tmp_path / "scan") as series:
        assert all(frame.raw for frame in series.frames)
        files[3].write_bytes(files[3].read_bytes()[:left])
        with pytest.raises(
            MedsrError, match=r"^IMG0003\.dcm: changed while the series was being read"
        ):
            series.volume()
        files[3].unlink()
        with pytest.raises(MedsrError, match=r"^IMG0003\.dcm: there is no such file"):
            series.volume()


def test_plain_and_compressed_files_make_one_series(tmp_path):
    for file in dicom_series(tmp_path / "scan")[1:3]:
        dataset = pydicom.dcmread(file)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(file)
    np.testing.assert_array_equal(
        read_series(tmp_path / "scan").voxels, stored_values().transpose(2, 1, 0)
    )


@needs_real_data
def test_every_frame_of_real_files_is_that_of_the_general_road():
    plain = 0
    with parse_quietly():
        for path in sorted((REAL_DATA / "robustness_dicom").rglob("*")):
            try:
                head = read_header(path) if path.is_file() else None
            except MedsrError:
                continue
            if head is not None and head.kind == IMAGE:
                plain += plain_frames(path)
    assert plain > 60


@needs_real_data
def test_every_real_series_is_that_of_the_general_road(monkeypatch):
    paths = {path.parent for path in (REAL_DATA / "robustness_dicom").rglob("*.dcm")}
    for path in sorted(paths):
        assert outcome(path) == outcome_of_the_general_road(path, monkeypatch), path

"""Worker processes decode what this process would, and their faults are this process's words."""

import multiprocessing
import subprocess
import sys

import numpy as np
import psutil
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read import decode_pool
from medsr.volume.dicom.read.decode import decode
from medsr.volume.dicom.read.header import read_header
from medsr.volume.dicom.read.series import read_series
from tests.dicom_factory import dicom_series, edit, encoded, enhanced_file, stored_values
from tests.real_data import REAL_DATA, needs_real_data

SYNTAXES = [RLELossless, JPEGLSLossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian]


@pytest.fixture
def eager(monkeypatch):
    """Two workers for any series, three files each at once, and the files that they gave back."""
    answered = []
    answer = decode_pool._Worker.answer

    def listen(worker):
        path, pixels = answer(worker)
        if pixels is not None:
            answered.append(path.name)
        return path, pixels

    monkeypatch.setattr(decode_pool, "MIN_VOXELS", 0)
    monkeypatch.setattr(decode_pool.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(decode_pool, "AHEAD", 3)
    monkeypatch.setattr(decode_pool._Worker, "answer", listen)
    return answered


def workers_left():
    """Decoding processes that outlived their work."""
    name = decode_pool.__name__
    return [p for p in psutil.Process().children() if any(name in word for word in p.cmdline())]


def packed_series(folder, syntax=RLELossless, **options):
    return [encoded(file, syntax) for file in dicom_series(folder, **options)]


def spoil(file, syntax):
    """Cut the pixels of a compressed file, and leave the file whole."""
    dataset = pydicom.dcmread(file)
    (stream,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([stream[: len(stream) // 4 * 2]])
    dataset.save_as(file)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_workers_decode_the_same_pixels(tmp_path, eager, syntax):
    files = packed_series(tmp_path / "scan", syntax, shape=(64, 48))
    voxels = read_series(tmp_path / "scan").voxels
    np.testing.assert_array_equal(voxels, stored_values(5, 64, 48).transpose(2, 1, 0))
    assert sorted(eager) == [file.name for file in files]
    assert workers_left() == []


def test_signed_values_and_every_slope_come_through(tmp_path, eager):
    def change(k, dataset):
        dataset.PixelRepresentation, dataset.RescaleSlope = 1, f"{1 + 0.25 * k}"
        dataset.PixelData = (stored_values()[k].astype(np.int16) - 2000).tobytes()
        dataset.BitsStored, dataset.HighBit = 16, 15

    packed_series(tmp_path / "scan", change=change)
    voxels = read_series(tmp_path / "scan").voxels
    assert len(eager) == 5
    for k in range(5):
        expected = (stored_values()[k].T.astype(float) - 2000) * (1 + 0.25 * k)
        np.testing.assert_allclose(voxels[..., k], expected, rtol=1e-6)


def test_multi_frame_files_come_whole(tmp_path, eager):
    """Enhanced files of two frames, one and one."""
    uid = pydicom.uid.generate_uid()
    for first, count in ((0, 2), (2, 1), (3, 1)):

        def change(dataset, first=first, count=count):
            groups = dataset.PerFrameFunctionalGroupsSequence[first : first + count]
            dataset.PerFrameFunctionalGroupsSequence = groups
            dataset.SeriesInstanceUID, dataset.NumberOfFrames = uid, count
            dataset.PixelData = stored_values()[::-1][first : first + count].tobytes()

        encoded(enhanced_file(tmp_path / "scan" / f"{first}.dcm", change=change), RLELossless)
    voxels = read_series(tmp_path / "scan").voxels
    np.testing.assert_array_equal(voxels, stored_values()[1:].transpose(2, 1, 0))
    assert len(eager) == 3


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless], ids=lambda uid: uid.name)
def test_the_first_damaged_file_is_named_as_without_workers(tmp_path, eager, monkeypatch, syntax):
    files = packed_series(tmp_path / "scan", syntax, slices=12, shape=(32, 32))
    for k in (7, 4, 9):
        spoil(files[k], syntax)
    with pytest.raises(InputError, match=r"^IMG0004\.dcm: the pixel data") as with_workers:
        read_series(tmp_path / "scan")
    assert workers_left() == []
    monkeypatch.setattr(decode_pool, "MIN_VOXELS", 10**9)
    with pytest.raises(InputError) as alone:
        read_series(tmp_path / "scan")
    assert str(alone.value) == str(with_workers.value)


def test_damaged_pixels_are_refused(tmp_path, eager):
    file = packed_series(tmp_path / "scan")[2]
    edit(file, PixelData=pydicom.encaps.encapsulate([b"\0" * 64]))
    with pytest.raises(InputError, match=r"IMG0002\.dcm"):
        read_series(tmp_path / "scan")


@pytest.mark.parametrize("how", ["absent", "broken", "dying"])
def test_without_workers_this_process_decodes(tmp_path, eager, monkeypatch, how):
    packed_series(tmp_path / "scan")
    if how == "absent":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    elif how == "broken":
        monkeypatch.setattr(decode_pool, "__name__", "no.such.module")
    else:
        ask = decode_pool._Worker.ask

        def ask_and_kill(worker, path):
            ask(worker, path)
            worker._process.kill()
            worker._process.wait()

        monkeypatch.setattr(decode_pool._Worker, "ask", ask_and_kill)
    voxels = read_series(tmp_path / "scan").voxels
    np.testing.assert_array_equal(voxels, stored_values().transpose(2, 1, 0))
    assert eager == []


def test_a_syntax_without_a_decoder_is_refused(tmp_path, eager, monkeypatch):
    def none(_):
        raise NotImplementedError

    packed_series(tmp_path / "scan")
    monkeypatch.setattr(decode_pool, "__name__", "no.such.module")
    monkeypatch.setattr("medsr.volume.dicom.read.decode.get_decoder", none)
    with pytest.raises(Refused, match=r"IMG0000\.dcm: is compressed as RLE Lossless"):
        read_series(tmp_path / "scan")


def test_few_voxels_and_workers_of_others_start_none(monkeypatch):
    enough = decode_pool.MIN_VOXELS
    monkeypatch.setattr(
        decode_pool.os, "sched_getaffinity", lambda _: set(range(64)), raising=False
    )
    assert decode_pool._process_count(400, enough) == decode_pool.MAX_PROCESSES
    assert decode_pool._process_count(1, enough) == 1
    assert decode_pool._process_count(400, enough - 1) == 1
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the one that has a pool")
    assert decode_pool._process_count(400, enough) == 1


def test_the_callers_script_runs_once(tmp_path):
    """Unguarded, as most scripts are."""
    packed_series(tmp_path / "scan")
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from medsr.volume.dicom.read import decode_pool\n"
        "from medsr.volume.dicom.read.series import read_series\n"
        "dicom_workers.MIN_VOXELS = 0\n"
        "dicom_workers._process_count = lambda files, voxels: 2\n"
        f"print(read_series(Path({str(tmp_path / 'scan')!r})).shape)\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("(10, 8, 5)\n", "")


@needs_real_data
def test_real_files_of_every_syntax_come_through():
    worker, answered = decode_pool._Worker(), set()
    try:
        with parse_quietly():
            for path in sorted((REAL_DATA / "robustness_dicom").rglob("*.dcm")):
                try:
                    syntax, expected = read_header(path).syntax, decode(path)
                except MedsrError:
                    worker.ask(path)
                    assert worker.answer() == (path, None)
                    continue
                worker.ask(path)
                _, found = worker.answer()
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected)
                answered.add(syntax)
    finally:
        worker.stop()
    assert len(answered) >= 7

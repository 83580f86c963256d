"""Worker processes decode all that is compressed; whatever becomes of them, this process lives."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read import decode, decode_pool
from medsr.volume.dicom.read.announced import announced
from medsr.volume.dicom.read.decode import decode_native
from medsr.volume.dicom.read.decode_worker import ANSWER
from medsr.volume.dicom.read.series import read_series
from tests.dicom_factory import dicom_series, edit, encoded, enhanced_file, stored_values
from tests.real_data import REAL_DATA, needs_real_data

COMPRESSED = [RLELossless, JPEGLSLossless, JPEG2000Lossless]

#: In place of the decoder in a worker, for one of the files.
FAULTS = {
    "abort": "os.abort()",
    "segmentation fault": "ctypes.string_at(0)",
    "exit": "os._exit(0)",
    "exception": "raise KeyError('Mustermann')",
    "too much memory": "b = bytearray(1 << 40)",
    "hang": "time.sleep(60)",
    "hang in C": "re.match('(a+)+b', 'a' * 99)",
    "garbage": "sys.__stdout__.flush(); os.write(3, os.urandom(4096)); os._exit(0)",
    "another shape": "return whole(path)[:, 1:]",
    "more pixels": "return np.zeros((1, 1 << 20, 10), np.uint16)",
    "another type": "return whole(path).astype(np.float32)",
}


def worker_that(fault, name="IMG0002.dcm"):
    """What a worker runs, with a fault at one file."""
    return (
        "import ctypes, os, re, sys, time\n"
        "import numpy as np\n"
        "from medsr.volume.dicom.read import decode_worker\n"
        "whole = decode_worker.decode_compressed\n"
        "def decode(path):\n"
        f"    if path.name == {name!r}:\n"
        f"        {fault}\n"
        "    return whole(path)\n"
        "decode_worker.decode_compressed = decode\n"
        "decode_worker.serve()\n"
    )


@pytest.fixture
def eager(monkeypatch):
    """Several workers for any series, and the files that they decoded."""
    answered = []
    decode = decode_pool._Worker.decode

    def listen(worker, path, said):
        pixels = decode(worker, path, said)
        answered.append(path.name)
        return pixels

    monkeypatch.setattr(decode_pool, "VOXELS_A_WORKER", 1)
    monkeypatch.setattr(decode_pool.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(decode_pool._Worker, "decode", listen)
    return answered


@pytest.fixture(autouse=True)
def nothing_is_decoded_here_and_nothing_is_left(monkeypatch):
    """No compressed pixels reach a codec of this process; no process, thread or pipe is left."""
    original, here = decode.pixel_array, []

    def guarded(dataset, **options):
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            here.append(dataset)
        return original(dataset, **options)

    monkeypatch.setattr(decode, "pixel_array", guarded)
    process = psutil.Process()
    before = len(process.children()), pipes_open(), threading.active_count()
    yield
    assert here == []
    assert (len(process.children()), pipes_open(), threading.active_count()) == before


def pipes_open():
    """Pipes of this process, where the system lists them."""
    folder = Path("/proc/self/fd")
    ends = [os.path.realpath(end) for end in folder.iterdir()] if folder.is_dir() else []
    return sum("pipe:" in end for end in ends)


def compressed_series(folder, syntax=RLELossless, **options):
    return [encoded(file, syntax) for file in dicom_series(folder, **options)]


def spoil(file):
    """Cut the pixels of a compressed file, and leave the file whole."""
    dataset = pydicom.dcmread(file)
    (stream,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([stream[: len(stream) // 4 * 2]])
    dataset.save_as(file)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda uid: uid.name)
def test_workers_decode_the_same_pixels(tmp_path, eager, syntax):
    files = compressed_series(tmp_path / "scan", syntax, shape=(64, 48))
    voxels = read_series(tmp_path / "scan").voxels
    np.testing.assert_array_equal(voxels, stored_values(5, 64, 48).transpose(2, 1, 0))
    assert sorted(eager) == [file.name for file in files]


@pytest.mark.parametrize(
    "syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian], ids=lambda uid: uid.name
)
def test_what_is_not_compressed_needs_no_worker(tmp_path, monkeypatch, syntax):
    compressed_series(tmp_path / "scan", syntax)
    monkeypatch.setattr(sys, "executable", "")
    voxels = read_series(tmp_path / "scan").voxels
    np.testing.assert_array_equal(voxels, stored_values().transpose(2, 1, 0))


def test_a_series_may_be_compressed_in_part(tmp_path, eager):
    files = dicom_series(tmp_path / "scan")
    encoded(files[1], JPEGLSLossless)
    encoded(files[2], ExplicitVRBigEndian)
    voxels = read_series(tmp_path / "scan").voxels
    np.testing.assert_array_equal(voxels, stored_values().transpose(2, 1, 0))
    assert eager == [files[1].name]


def test_signed_values_and_every_slope_come_through(tmp_path, eager):
    def change(k, dataset):
        dataset.PixelRepresentation, dataset.RescaleSlope = 1, f"{1 + 0.25 * k}"
        dataset.PixelData = (stored_values()[k].astype(np.int16) - 2000).tobytes()
        dataset.BitsStored, dataset.HighBit = 16, 15

    compressed_series(tmp_path / "scan", change=change)
    voxels = read_series(tmp_path / "scan").voxels
    assert len(eager) == 5
    for k in range(5):
        expected = (stored_values()[k].T.astype(float) - 2000) * (1 + 0.25 * k)
        np.testing.assert_allclose(voxels[..., k], expected, rtol=1e-6)


def test_multi_frame_files_come_whole(tmp_path, eager):
    """Enhanced files of two frames, one and one."""
    uid = generate_uid()
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


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_ends_its_decoder_is_refused_in_words(tmp_path, eager, monkeypatch, fault):
    compressed_series(tmp_path / "scan", JPEG2000Lossless, shape=(32, 32))
    monkeypatch.setattr(decode_pool, "WORKER", worker_that(FAULTS[fault]))
    if "hang" in fault:
        monkeypatch.setattr(decode_pool, "SECONDS", 2.0)
    with pytest.raises(InputError) as refusal:
        read_series(tmp_path / "scan")
    assert str(refusal.value) == (
        "IMG0002.dcm: the pixel data (JPEG 2000 Image Compression (Lossless Only)) cannot be "
        f"decoded: the decoder {'did not finish in 2 s' if 'hang' in fault else 'stopped'}. "
        "Copy or export it again."
    )


def test_the_next_file_gets_a_new_worker(tmp_path, monkeypatch):
    files = compressed_series(tmp_path / "scan", JPEGLSLossless)
    monkeypatch.setattr(decode_pool, "WORKER", worker_that("os.abort()"))
    worker, decoded = decode_pool._Worker(), []
    with parse_quietly(), worker.ended():
        for file in files:
            try:
                worker.decode(file, announced(file))
            except InputError:
                continue
            decoded.append(file.name)
    assert decoded == [file.name for file in files if file.name != "IMG0002.dcm"]


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda uid: uid.name)
def test_the_first_damaged_file_is_named(tmp_path, eager, monkeypatch, syntax):
    files = compressed_series(tmp_path / "scan", syntax, slices=12, shape=(32, 32))
    for k in (7, 4, 9):
        spoil(files[k])
    with pytest.raises(InputError, match=r"^IMG0004\.dcm: the pixel data") as several:
        read_series(tmp_path / "scan")
    monkeypatch.setattr(decode_pool, "VOXELS_A_WORKER", 10**9)
    with pytest.raises(InputError) as one:
        read_series(tmp_path / "scan")
    assert str(one.value) == str(several.value)


@pytest.mark.parametrize("how", ["absent", "none", "frozen", "broken", "mute"])
def test_without_workers_compressed_files_are_refused(tmp_path, eager, monkeypatch, how):
    compressed_series(tmp_path / "scan")
    if how == "absent":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    elif how == "none":
        monkeypatch.setattr(sys, "executable", "")
    elif how == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    elif how == "broken":
        monkeypatch.setattr(decode_pool, "WORKER", "import no_such_module")
    else:
        monkeypatch.setattr(decode_pool, "START_SECONDS", 0.5)
        monkeypatch.setattr(decode_pool, "WORKER", "import time; time.sleep(60)")
    with pytest.raises(Refused, match=r"IMG000.\.dcm: is compressed, .* cannot be started"):
        read_series(tmp_path / "scan")
    assert eager == []


def test_a_syntax_without_a_decoder_is_refused(tmp_path):
    for file in compressed_series(tmp_path / "scan"):
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
        dataset.save_as(file)
    with pytest.raises(Refused, match=r"IMG0000\.dcm: is compressed as MPEG2 .* cannot decode"):
        read_series(tmp_path / "scan")


def test_one_worker_for_few_voxels_and_in_workers_of_others(monkeypatch):
    enough = 64 * 512 * 512
    monkeypatch.setattr(
        decode_pool.os, "sched_getaffinity", lambda _: set(range(64)), raising=False
    )
    assert decode_pool._worker_count(400, 100 * enough) == decode_pool.MAX_WORKERS
    assert decode_pool._worker_count(1, enough) == 1
    assert decode_pool._worker_count(400, enough) == 2
    assert decode_pool._worker_count(400, enough - 1) == 1
    assert decode_pool._worker_count(400, 0) == 1
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the one that has a pool")
    assert decode_pool._worker_count(400, enough) == 1


def test_an_error_of_the_caller_ends_the_workers(tmp_path, eager):
    files = compressed_series(tmp_path / "scan")

    def use(path, pixels):
        raise KeyError(path.name)

    with pytest.raises(KeyError), parse_quietly():
        decode_pool.decode_each(files, 10**6, use)


def script(tmp_path, *lines):
    """A script, unguarded as most are, that reads the series of a folder."""
    path = tmp_path / "script.py"
    head = (
        "from pathlib import Path",
        "from medsr.volume.dicom.read import decode_pool",
        "from medsr.volume.dicom.read.series import read_series",
    )
    reading = f"print(read_series(Path({str(tmp_path / 'scan')!r})).shape)\n"
    path.write_text("\n".join([*head, *lines, reading]))
    return [sys.executable, str(path)]


def test_the_callers_script_runs_once(tmp_path):
    compressed_series(tmp_path / "scan")
    several = ("decode_pool._worker_count = lambda files, voxels: 2",)
    run = subprocess.run(
        script(tmp_path, *several), capture_output=True, text=True, check=True, timeout=60
    )
    assert (run.stdout, run.stderr) == ("(10, 8, 5)\n", "")


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path, end):
    """Interrupted from the keyboard, or killed while a decoder hangs."""
    compressed_series(tmp_path / "scan")
    hanging = worker_that("open(f'{path}.begun', 'w').close(); time.sleep(60)")
    begun = tmp_path / "scan" / "IMG0002.dcm.begun"
    lines = ("decode_pool.SECONDS = 4", f"decode_pool.WORKER = {hanging!r}")
    parent = psutil.Popen(script(tmp_path, *lines), stderr=subprocess.PIPE)
    wait_until(begun.exists)
    (worker,) = parent.children()
    began = time.monotonic()
    parent.send_signal(end)
    parent.communicate(timeout=30)
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    if end == signal.SIGINT:
        assert time.monotonic() - began < 30, "it waited for the decoder"


def wait_until(condition, seconds=30):
    """Wait for what other processes do."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.05)


def test_no_answer_takes_more_memory_than_announced(tmp_path):
    """An answer is read only where it is of the announced shape and type."""
    (file, *_) = compressed_series(tmp_path / "scan")
    with parse_quietly():
        said = announced(file)
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as source, os.fdopen(write, "wb") as answers:
        for fields in (
            (b"<u2", 1 << 40, 8, 10, 0),
            (b"<f8", 1, 8, 10, 0),
            (b"|O", 1, 8, 10, 0),
            (b"\xff", 1, 8, 10, 0),
            (b"", 0, 0, 0, 1 << 31),
        ):
            answers.write(ANSWER.pack(*fields))
            answers.flush()
            assert decode_pool._answer(source, said) is None
        for words in (b'["KeyError", "x"]', b'[["InputError"], "x"]', b"{}", b"7"):
            answers.write(ANSWER.pack(b"", 0, 0, 0, len(words)) + words)
            answers.flush()
            assert decode_pool._answer(source, said) is None


@needs_real_data
def test_real_files_of_every_syntax_come_through():
    worker, syntaxes = decode_pool._Worker(), set()
    folder = REAL_DATA / "robustness_dicom"
    with parse_quietly(), worker.ended():
        for path in sorted(folder.rglob("*.dcm")):
            try:
                said = announced(path)
                if not said.is_compressed:
                    decode_native(path)
                    continue
                found = worker.decode(path, said)
            except MedsrError:
                continue
            expected = pydicom.dcmread(path).pixel_array
            np.testing.assert_array_equal(found, expected.reshape(said.shape))
            syntaxes.add(said.syntax)
    assert len(syntaxes) >= 4


def test_damaged_pixels_are_refused(tmp_path, eager):
    file = compressed_series(tmp_path / "scan")[2]
    edit(file, PixelData=pydicom.encaps.encapsulate([b"\0" * 64]))
    with pytest.raises(InputError, match=r"IMG0002\.dcm"):
        read_series(tmp_path / "scan")

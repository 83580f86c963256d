"""A folder appears whole or not at all: faults, full disks, kills, two at once."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from medsr.errors import OutputError
from medsr.volume.atomic import atomic_folder, check_target
from medsr.volume.dicom.read.series import read_series
from medsr.volume.dicom.write.single_frame import FILE_PATTERN, write_series
from tests.dicom_factory import dicom_series
from tests.dicom_tools import derivation, read_source

SLOW_WRITER = """
import sys, time
from pathlib import Path
from medsr.volume.atomic import atomic_folder
with atomic_folder(Path(sys.argv[1])) as partial:
    for k in range(1000):
        (partial / f"slice_{k:04d}.dcm").write_bytes(b"x")
        time.sleep(0.02)
"""


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_fault_midway_leaves_nothing(tmp_path):
    def fill():
        with atomic_folder(tmp_path / "out") as partial:
            (partial / "slice_0001.dcm").write_bytes(b"x")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"out: cannot be written \(the disk is full\)"):
        fill()
    assert names(tmp_path) == []


def test_a_full_disk_leaves_nothing_of_a_series(tmp_path):
    """The system's own limit on a file's size fails a write as a full disk does, midway."""
    dicom_series(tmp_path / "in", shape=(64, 64))
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from medsr.errors import OutputError\n"
        "from medsr.volume.dicom.read.series import read_series\n"
        "from tests.dicom_tools import read_source\n"
        "from medsr.volume.dicom.write.single_frame import write_series\n"
        "from tests.dicom_tools import derivation\n"
        "place = Path(sys.argv[1])\n"
        "scan, source = read_series(place / 'in'), read_source(place / 'in')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_series(scan, source, derivation(), place / 'out')\n"
        "except OutputError as fault:\n"
        "    print(fault)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert "out: cannot be written (File too large); no partial output was left." in run.stdout
    assert names(tmp_path) == ["in"]


def test_a_kill_leaves_no_series_and_the_next_run_cleans_up(tmp_path):
    out, partial = tmp_path / "out", tmp_path / ".out.partial"
    writer = subprocess.Popen([sys.executable, "-c", SLOW_WRITER, out])
    deadline = time.monotonic() + 60
    while len(list(partial.glob("content/*"))) <= 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert names(tmp_path) == [".out.partial"]
    with atomic_folder(out) as again:
        assert not list(again.iterdir())
        (again / "slice_0001.dcm").write_bytes(b"whole")
    assert names(tmp_path) == ["out"]
    assert names(out) == ["slice_0001.dcm"]


def test_two_writers_of_one_folder_do_not_mix(tmp_path):
    with atomic_folder(tmp_path / "out") as partial:
        (partial / "slice_0001.dcm").write_bytes(b"first")
        with (
            pytest.raises(OutputError, match="another medsr process is writing this folder"),
            atomic_folder(tmp_path / "out"),
        ):
            pass
    assert (tmp_path / "out" / "slice_0001.dcm").read_bytes() == b"first"


def test_a_new_version_replaces_the_old_one_whole(tmp_path):
    dicom_series(tmp_path / "in")
    scan, source = read_series(tmp_path / "in"), read_source(tmp_path / "in")
    write_series(scan, source, derivation(identity="old"), tmp_path / "out")
    (tmp_path / "out" / "slice_0099.dcm").write_bytes(b"left over")
    write_series(scan, source, derivation(identity="new"), tmp_path / "out")
    assert names(tmp_path / "out") == [f"slice_{k:04d}.dcm" for k in range(1, 6)]
    assert names(tmp_path) == ["in", "out"]


def test_a_kill_between_the_two_renames_of_a_replacement_is_undone(tmp_path):
    old = tmp_path / ".out.partial" / "replaced.out"
    old.mkdir(parents=True)
    (old / "slice_0001.dcm").write_bytes(b"old")

    def fail():
        with atomic_folder(tmp_path / "out"):
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OutputError):
        fail()
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "slice_0001.dcm").read_bytes() == b"old"


def test_what_medsr_did_not_write_is_never_replaced(tmp_path):
    target = tmp_path / "thesis"
    check_target(target, FILE_PATTERN, overwrite=False)
    target.mkdir()
    check_target(target, FILE_PATTERN, overwrite=False)
    (target / "slice_0001.dcm").touch()
    with pytest.raises(OutputError, match="already exists; use --overwrite"):
        check_target(target, FILE_PATTERN, overwrite=False)
    check_target(target, FILE_PATTERN, overwrite=True)
    (target / "chapter.txt").touch()
    with pytest.raises(OutputError, match="contains 1 files that medsr did not write"):
        check_target(target, FILE_PATTERN, overwrite=True)
    with pytest.raises(OutputError, match="is a file"):
        check_target(target / "chapter.txt", FILE_PATTERN, overwrite=True)

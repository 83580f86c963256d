"""A node that is stopped or killed at any moment: nothing is lost, nothing is sent twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medsr.node.spool import key_of
from tests.dicom_factory import dicom_series
from tests.node.helpers import counting_archive, names, node, peer, store
from tests.orthanc import free_port, listening, wait_until

ROOT = Path(__file__).parents[2]
KEY = key_of("2.25.1")


def start(spool, port, archive_port, seconds):
    """A node as a process, listening."""
    words = ["-m", "tests.node.helpers", spool, port, archive_port, seconds]
    command = [sys.executable, *map(str, words)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: listening(port))
    return process


@pytest.mark.parametrize("moment", ["receiving", "work", "outbox"])
def test_a_kill_loses_nothing(tmp_path, moment):
    """The same as in test_survival, with a peer that needs no tools."""
    files = dicom_series(tmp_path / "in", uid="2.25.1")
    spool, port, archive_port = tmp_path / "spool", free_port(), free_port()
    process = start(spool, port, archive_port, 300 if moment == "work" else 0)
    try:
        assert store(port, files) == [0] * 5
        wait_until(lambda: names(spool / moment), every=0.02)
    finally:
        process.kill()
        process.communicate()
    with counting_archive(archive_port) as counts:
        process = start(spool, port, archive_port, 0)
        try:
            wait_until(lambda: len(counts.received) == 5)
            wait_until(lambda: names(spool / "done") == [KEY])
            assert store(port, files) == [0] * 5
            time.sleep(1)
        finally:
            process.kill()
            process.communicate()
    assert list(counts.received.values()) == [1] * 5
    assert not any(names(spool / stage) for stage in ("receiving", "ready", "outbox", "aside"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_midst_of_an_enhancement(tmp_path, number):
    files = dicom_series(tmp_path / "in", uid="2.25.1")
    spool, port = tmp_path / "spool", free_port()
    process = start(spool, port, free_port(), 300)
    try:
        assert store(port, files) == [0] * 5
        idle = peer(port)
        wait_until(lambda: names(spool / "work"))
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not idle.is_established, seconds=10)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert names(spool / "work") == []
    assert len(names(spool / "ready" / KEY)) == 5  # and no count of tries


def test_a_stop_while_the_archive_is_slow(tmp_path):
    """What was on its way is asked for, or sent again, at the next start."""
    files = dicom_series(tmp_path / "in", uid="2.25.1")
    spool, archive_port = tmp_path / "spool", free_port()
    with counting_archive(archive_port, delay=20) as counts:
        with node(spool, archive_port) as port:
            assert store(port, files) == [0] * 5
            wait_until(lambda: counts.received, seconds=20)
            start = time.monotonic()
        assert time.monotonic() - start < 18
    assert len(list((spool / "outbox" / KEY / "source").glob("*.dcm"))) == 5

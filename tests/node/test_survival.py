"""A destination that is down, and a node that is killed: nothing lost, nothing sent twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medsr.node.forward import Waits
from medsr.node.rules import NodeSettings
from medsr.node.spool import key_of
from tests.dicom_factory import dicom_series
from tests.dicom_tools import needs, program
from tests.node.helpers import counting_archive, names, node
from tests.orthanc import arrivals, free_port, orthanc, send, wait_until

ROOT = Path(__file__).parents[2]

#: pynetdicom leaves the socket of a refused connection to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def test_waits_double_up_to_a_limit():
    waits = Waits(NodeSettings(retry_seconds=10, longest_retry_seconds=60))
    assert [waits.failed("", 0.0) for _ in range(5)] == [10, 20, 40, 60, 60]
    assert not waits.is_due("", 59.0)
    assert waits.is_due("", 60.0)
    waits.worked("")
    assert waits.is_due("", 0.0)
    assert waits.failed("", 0.0) == 10


@needs("storescu")
def test_a_destination_that_is_down_gets_it_when_it_is_up(tmp_path, caplog):
    dicom_series(tmp_path / "in", uid="2.25.1")
    spool, archive_port = tmp_path / "spool", free_port()
    with node(spool, archive_port) as port:
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        wait_until(lambda: caplog.text.count("destination does not answer") >= 3)
        assert names(spool / "outbox") == [key_of("2.25.1")]
        with counting_archive(archive_port) as counts:
            wait_until(lambda: not names(spool / "outbox"))
            assert list(counts.received.values()) == [1] * 5


@needs("storescu")
def test_an_archive_that_refuses_gets_it_again_later(tmp_path, caplog):
    dicom_series(tmp_path / "in", uid="2.25.1")
    spool, archive_port = tmp_path / "spool", free_port()
    with node(spool, archive_port) as port:
        with counting_archive(archive_port, answer=0xA700):
            assert send(tmp_path / "in", port, called="MEDSR") == 0
            wait_until(lambda: "rejected by the destination; next attempt" in caplog.text)
        with counting_archive(archive_port) as counts:
            wait_until(lambda: not names(spool / "outbox"))
            assert len(counts.received) == 5


def start(spool, port, archive_port, seconds=0.0):
    """A node as a process, listening."""
    command = ["tests.node.helpers", spool, port, archive_port, seconds]
    process = subprocess.Popen([sys.executable, "-m", *map(str, command)], cwd=ROOT)
    echo = [program("echoscu"), "-aet", "ECHOSCU", "-aec", "MEDSR", "127.0.0.1", str(port)]
    wait_until(lambda: subprocess.run(echo, capture_output=True).returncode == 0)
    return process


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@needs("storescu", "echoscu")
@pytest.mark.parametrize("moment", ["receiving", "work", "outbox"])
def test_a_killed_node_loses_nothing_and_sends_nothing_twice(tmp_path, moment):
    """Killed in the quiet wait, in the midst of an enhancement, and with results to send."""
    dicom_series(tmp_path / "in", uid="2.25.1")
    spool, port, archive_port = tmp_path / "spool", free_port(), free_port()
    seconds = 30.0 if moment == "work" else 0.0
    process = start(spool, port, archive_port, seconds)
    try:
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        wait_until(lambda: names(spool / moment))
    finally:
        kill(process)
    with counting_archive(archive_port) as counts:
        process = start(spool, port, archive_port)
        try:
            wait_until(lambda: len(counts.received) == 5)
            wait_until(lambda: not names(spool / "outbox"))
            time.sleep(1)
        finally:
            kill(process)
    assert list(counts.received.values()) == [1] * 5
    assert all(not names(spool / stage) for stage in ("receiving", "ready", "work", "aside"))


@needs("storescu", "echoscu")
def test_killed_while_sending_at_most_one_instance_is_in_doubt(tmp_path):
    """An archive that answers no queries may get that one again: the same UID, the same bytes."""
    dicom_series(tmp_path / "in", slices=12, uid="2.25.1")
    spool, port, archive_port = tmp_path / "spool", free_port(), free_port()
    with counting_archive(archive_port, delay=0.3) as counts:
        process = start(spool, port, archive_port)
        try:
            assert send(tmp_path / "in", port, called="MEDSR") == 0
            wait_until(lambda: len(counts.received) >= 4, every=0.02)
        finally:
            kill(process)
        assert len(counts.received) < 12
        process = start(spool, port, archive_port)
        try:
            wait_until(lambda: len(counts.received) == 12)
            wait_until(lambda: not names(spool / "outbox"))
        finally:
            kill(process)
    assert sorted(counts.received.values())[:-1] == [1] * 11
    assert max(counts.received.values()) <= 2


@needs("storescu", "echoscu", "Orthanc")
def test_an_instance_in_doubt_is_asked_for_before_it_is_sent(tmp_path):
    """The journal as a kill leaves it: one sent, one on its way, and Orthanc has both."""
    dicom_series(tmp_path / "in", uid="2.25.1")
    spool, port, archive_port = tmp_path / "spool", free_port(), free_port()
    process = start(spool, port, archive_port)
    try:
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        (job,) = wait_until(lambda: list((spool / "outbox").iterdir()))
    finally:
        kill(process)
    with orthanc(tmp_path / "archive", dicom=archive_port) as archive:
        done = sorted((job / "enhanced").glob("*.dcm"))[:2]
        first = tmp_path / "first"
        first.mkdir()
        for file in done:
            (first / file.name).write_bytes(file.read_bytes())
        assert send(first, archive_port) == 0
        before = arrivals(archive)
        assert len(before) == 2
        lines = ["sending enhanced/slice_0001.dcm", "sent enhanced/slice_0001.dcm"]
        lines += ["sending enhanced/slice_0002.dcm", ""]
        (job / "journal").write_text("\n".join(lines))
        process = start(spool, port, archive_port)
        try:
            wait_until(lambda: not names(spool / "outbox"))
        finally:
            kill(process)
        assert archive.get("/statistics")["CountInstances"] == 5
        after = arrivals(archive)
        assert {identifier: after[identifier] for identifier in before} == before

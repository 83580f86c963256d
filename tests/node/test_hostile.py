"""Damaged conversations with a running node, beside an honest peer.

MEDSR_FUZZ_ROUNDS sets the number of mutated conversations.
"""

import logging
import os
import random
import struct
import threading
import time
from contextlib import suppress

import pydicom
import pytest

from medsr.node.spool import key_of
from tests.dicom_factory import dicom_series
from tests.node.conversation import (
    ABORT,
    RELEASE,
    connection,
    is_closed,
    pdu,
    request,
    stored,
    stores_soon,
)
from tests.node.helpers import names, node
from tests.orthanc import free_port, wait_until

resource = pytest.importorskip("resource")  # not on Windows

ROUNDS = int(os.environ.get("MEDSR_FUZZ_ROUNDS", "40"))


@pytest.fixture
def files(tmp_path):
    return dicom_series(tmp_path / "in", uid="2.25.1")


def test_a_thread_that_fails_leaves_nothing_behind(tmp_path, files, caplog):
    """A fragment without its header byte: pynetdicom's thread dies of it, in words of its own."""
    with (
        node(tmp_path / "spool", free_port(), interrupted_seconds=0.5) as port,
        connection(port, request()) as line,
    ):
        line.recv(4096)
        for word in stored(pydicom.dcmread(files[0])):
            line.sendall(word)
        line.recv(4096)
        line.sendall(pdu(0x04, struct.pack(">LB", 1, 1)))
        assert is_closed(line, 5)
        wait_until(lambda: names(tmp_path / "spool" / "aside") == [key_of("2.25.1")], seconds=10)


def mutated(words, random):
    """A conversation with one to three faults, as a list of what is sent at a time."""
    words = [bytearray(word) for word in words]
    for _ in range(random.randint(1, 3)):
        word = random.choice(words)
        place = random.randrange(len(word))
        match random.randrange(6):
            case 0:
                word[place] = random.randrange(256)
            case 1:
                del word[place:]
                word += b"\x00"
            case 2:
                word[place:place] = random.randbytes(random.choice([1, 7, 300]))
            case 3:
                word[2:6] = struct.pack(
                    ">L", random.choice([0, 1, 5, 70, 2**20, 2**31, 2**32 - 1])
                )
            case 4:
                words.insert(random.randrange(len(words)), bytearray(random.choice(words)))
            case 5:
                words.insert(
                    random.randrange(len(words)), bytearray(random.choice([ABORT, RELEASE]))
                )
    return [bytes(word) for word in words]


def test_mutated_conversations(tmp_path, files, caplog):
    """None stops the node, leaves a thread behind or writes raw bytes to the log."""
    caplog.set_level(logging.INFO, "medsr.node")
    sound = [request(), *stored(pydicom.dcmread(files[0])), RELEASE]
    draw = random.Random(ROUNDS)
    with node(tmp_path / "spool", free_port(), associations=8) as port:
        before = threading.active_count()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(ROUNDS):
            first, *rest = mutated(sound, draw)
            with suppress(OSError), connection(port, first) as line:
                line.settimeout(0.05)
                with suppress(TimeoutError):
                    line.recv(4096)
                for word in rest:
                    line.sendall(word)
                    time.sleep(draw.choice([0.0, 0.001]))
                line.recv(4096)
            if number % 50 == 0:
                assert stores_soon(port, files)
        assert stores_soon(port, files)
        wait_until(lambda: threading.active_count() <= before, seconds=30)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 100 * 1024  # kB
    assert all(c.isprintable() or c == "\n" for c in caplog.text)

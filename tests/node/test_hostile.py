"""Strangers, liars and damaged conversations against a running node, beside an honest peer.

MEDSR_FUZZ_ROUNDS sets the number of mutated conversations.
"""

import logging
import os
import random
import resource
import socket
import struct
import threading
import time
import tracemalloc
from contextlib import ExitStack, contextmanager, suppress

import pydicom
import pytest
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import MRImageStorage

from medsr.node import door, guard
from medsr.node.spool import key_of
from tests.dicom_factory import dicom_series
from tests.node.helpers import names, node, peer, refuse_ct, store
from tests.orthanc import free_port, wait_until

ROUNDS = int(os.environ.get("MEDSR_FUZZ_ROUNDS", "40"))

IMPLICIT = b"1.2.840.10008.1.2"


def item(kind, content):
    return struct.pack(">BxH", kind, len(content)) + content


def pdu(kind, content):
    return struct.pack(">BxL", kind, len(content)) + content


def request(calling="STORESCU", called="MEDSR", contexts=1):
    """An A-ASSOCIATE-RQ."""
    titles = called.ljust(16).encode("latin-1") + calling.ljust(16).encode("latin-1")
    inner = item(0x30, MRImageStorage.encode()) + item(0x40, IMPLICIT)
    items = item(0x10, b"1.2.840.10008.3.1.1.1")
    items += b"".join(
        item(0x20, struct.pack(">Bxxx", (2 * k + 1) % 256) + inner) for k in range(contexts)
    )
    items += item(0x50, item(0x51, struct.pack(">L", 16382)) + item(0x52, b"1.2.3"))
    return pdu(0x01, struct.pack(">Hxx", 1) + titles + bytes(32) + items)


def uid_element(number, text):
    """A UID of group 0008 or 0020 in Implicit VR Little Endian."""
    raw = text.encode("latin-1") + b"\0" * (len(text) % 2)
    return struct.pack("<HHL", *number, len(raw)) + raw


def stored(dataset, **changes):
    """The P-DATA-TF PDUs of a C-STORE request in context 1; UIDs changed on request."""
    new = {"announced": dataset.SOPInstanceUID, "instance": dataset.SOPInstanceUID}
    new = {**new, "series": dataset.SeriesInstanceUID, **changes}
    command = pydicom.Dataset()
    command.AffectedSOPClassUID = MRImageStorage
    command.CommandField, command.MessageID, command.Priority = 0x0001, 1, 0
    command.CommandDataSetType = 0x0000
    command.AffectedSOPInstanceUID = "2.25.0"
    command.CommandGroupLength = len(encode(command, True, True))
    order = encode(command, True, True)
    del dataset.file_meta
    raw = encode(dataset, True, True)
    for number, old, key in (
        ((0x8, 0x18), dataset.SOPInstanceUID, "instance"),
        ((0x20, 0xE), dataset.SeriesInstanceUID, "series"),
    ):
        assert uid_element(number, old) in raw
        raw = raw.replace(uid_element(number, old), uid_element(number, new[key]))
    order = order.replace(
        uid_element((0, 0x1000), "2.25.0"), uid_element((0, 0x1000), new["announced"])
    )
    parts = [(3, order)] + [(0, raw[k : k + 4000]) for k in range(0, len(raw), 4000)]
    parts[-1] = (2, parts[-1][1])
    return [pdu(0x04, struct.pack(">LBB", len(p) + 2, 1, mark) + p) for mark, p in parts]


def status_of(answer):
    """Status (0000,0900) in a C-STORE response."""
    place = answer.index(b"\x00\x00\x00\x09\x02\x00\x00\x00") + 8
    return struct.unpack("<H", answer[place : place + 2])[0]


RELEASE, ABORT = pdu(0x05, bytes(4)), pdu(0x07, bytes(4))


@contextmanager
def connection(port, *words):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        for word in words:
            line.sendall(word)
        yield line


def is_closed(line, seconds):
    """Whether the node ends a connection within so long."""
    deadline = time.monotonic() + seconds
    line.settimeout(0.2)
    while time.monotonic() < deadline:
        with suppress(TimeoutError):
            try:
                if not line.recv(4096):
                    return True
            except ConnectionError:
                return True
    return False


@pytest.fixture
def files(tmp_path):
    return dicom_series(tmp_path / "in", uid="2.25.1")


def stores_soon(port, files, seconds=5.0):
    start = time.monotonic()
    assert store(port, files) == [0] * len(files)
    return time.monotonic() - start < seconds


@pytest.mark.parametrize("words", [b"", request()[:10], b"\x01"])
def test_silent_connections_do_not_keep_a_peer_out(tmp_path, files, words):
    with node(tmp_path / "spool", free_port()) as port, ExitStack() as crowd:
        before = threading.active_count()
        for _ in range(100):
            crowd.enter_context(connection(port, words))
        assert threading.active_count() == before
        assert stores_soon(port, files)


def test_trickling_connections_do_not_keep_a_peer_out(tmp_path, files):
    def trickle(line):
        with suppress(OSError):
            for byte in request():
                line.sendall(bytes([byte]))
                time.sleep(0.05)

    with node(tmp_path / "spool", free_port()) as port, ExitStack() as crowd:
        lines = [crowd.enter_context(connection(port)) for _ in range(16)]
        threads = [threading.Thread(target=trickle, args=(line,)) for line in lines]
        for thread in threads:
            thread.start()
        assert stores_soon(port, files)
        assert all(is_closed(line, guard.ASSOCIATE_SECONDS + 3) for line in lines)
        for thread in threads:
            thread.join()


def test_allowed_peers_that_do_nothing_make_way(tmp_path, files, monkeypatch):
    monkeypatch.setattr(door, "IDLE_SECONDS", 0.5)
    with node(tmp_path / "spool", free_port(), associations=2) as port, ExitStack() as crowd:
        for _ in range(2):
            crowd.enter_context(connection(port, request()))
        time.sleep(1)
        assert stores_soon(port, files)


def test_one_peer_does_not_take_the_places_of_another(tmp_path, files, caplog):
    with node(tmp_path / "spool", free_port(), associations=2) as port:
        busy = [peer(port, "ECHOSCU") for _ in range(2)]
        assert not peer(port, "ECHOSCU").is_established
        assert stores_soon(port, files)
        assert all(one.send_c_echo().Status == 0 for one in busy)
        for one in busy:
            one.release()
    assert "refused ECHOSCU at 127.0.0.1 for now: it has 2 associations" in caplog.text


def test_an_association_without_progress_is_closed(tmp_path, monkeypatch, files):
    """Small PDUs of a message that never ends; each of them is in time."""
    monkeypatch.setattr(door, "STALLED_SECONDS", 1.0)
    with (
        node(tmp_path / "spool", free_port()) as port,
        connection(port, request()) as line,
    ):
        start = time.monotonic()
        with suppress(OSError):
            while time.monotonic() < start + 10:
                line.sendall(pdu(0x04, struct.pack(">LBB", 3, 1, 1) + b"x"))
                time.sleep(0.1)
        assert time.monotonic() < start + 8
        assert stores_soon(port, files)


LIE = b"\x00\xff\xff\xff\xff"


@pytest.mark.parametrize("words", [[b"\x01" + LIE], [request(), b"\x04" + LIE], [b"\x04" + LIE]])
def test_a_pdu_that_announces_4_gb_is_not_read(tmp_path, files, words):
    chunk = bytes(1024**2)
    with node(tmp_path / "spool", free_port()) as port:
        tracemalloc.start()
        with connection(port, *words) as line, suppress(OSError):
            for _ in range(200):
                line.sendall(chunk)
            pytest.fail("it was read")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 1024**2
        assert stores_soon(port, files)


def test_a_request_with_too_many_contexts_is_not_believed(tmp_path):
    with (
        node(tmp_path / "spool", free_port()) as port,
        connection(port, request(contexts=129)) as line,
    ):
        assert is_closed(line, 2)


def test_messages_of_all_peers_together_are_bounded(tmp_path, files, caplog):
    dicom_series(tmp_path / "large", shape=(700, 700), uid="2.25.2")
    dataset = pydicom.dcmread(next((tmp_path / "large").iterdir()))
    most = b"".join(stored(dataset)[:-30])
    with (
        node(tmp_path / "spool", free_port(), largest_object_mb=1, associations=4) as port,
        ExitStack() as crowd,
    ):
        for _ in range(3):
            line = crowd.enter_context(connection(port, request()))
            line.recv(4096)
            line.sendall(most)
        wait_until(lambda: "objects of more than 2 MB at one time" in caplog.text, seconds=10)
        assert store(port, files[:1]) == [0]


def test_a_stranger_is_named_with_the_way_to_let_it_in(tmp_path, caplog):
    with node(tmp_path / "spool", free_port()) as port:
        for calling in ("SCANNER 7", "\x1b[2J\nROOT\x85"):
            with connection(port, request(calling)) as line:
                assert line.recv(100) == pdu(0x03, bytes([0, 1, 1, 3]))
                assert is_closed(line, 2)
        with connection(port, request(called="OTHER")) as line:
            assert line.recv(100) == pdu(0x03, bytes([0, 1, 1, 7]))
    assert "refused SCANNER 7 at 127.0.0.1" in caplog.text
    assert "--allow 'SCANNER 7'" in caplog.text
    assert "refused ?[2J?ROOT? at 127.0.0.1" in caplog.text
    assert "it called OTHER, not MEDSR" in caplog.text
    assert all(c.isprintable() or c == "\n" for c in caplog.text)


@pytest.mark.parametrize(
    ("instance", "series"),
    [
        ("../../../etc/cron.d/x", "2.25.1"),
        ("1.2.3", "../x"),
        ("1.2.3", "1.2\x1b[2J"),
        ("1.2.3", "1" * 65),
        ("", "2.25.1"),
        ("1..2", "2.25.1"),
    ],
)
def test_uids_that_are_none_are_not_taken(tmp_path, files, caplog, instance, series):
    changes = {"instance": instance, "announced": instance or "1.2.3", "series": series}
    with node(tmp_path / "spool", free_port()) as port, connection(port, request()) as line:
        line.recv(4096)
        for word in stored(pydicom.dcmread(files[0]), **changes):
            line.sendall(word)
        assert status_of(line.recv(4096)) in (0xA900, 0xC000)
        assert names(tmp_path / "spool" / "receiving") == []
    assert all(c.isprintable() or c == "\n" for c in caplog.text)


def test_an_instance_under_another_name_is_not_taken(tmp_path, files):
    words = stored(pydicom.dcmread(files[0]), announced="1.2.3")
    with node(tmp_path / "spool", free_port()) as port, connection(port, request()) as line:
        line.recv(4096)
        for word in words:
            line.sendall(word)
        assert status_of(line.recv(4096)) == 0xA900


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


def test_a_damaged_series_is_set_aside_and_the_next_goes_on(tmp_path):
    damaged = dicom_series(tmp_path / "a", modality="CT", uid="2.25.1")
    sound = dicom_series(tmp_path / "b", uid="2.25.2")
    spool = tmp_path / "spool"
    with node(spool, free_port(), enhance=refuse_ct) as port:
        assert store(port, sound) == [0] * 5
        assert store(port, damaged) == [0] * 5
        wait_until(lambda: names(spool / "aside") and names(spool / "outbox"), seconds=20)


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

"""Which connections become associations, and that none of them blocks the others."""

import struct
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from medsr.node import limits, listener
from tests.dicom_factory import dicom_series
from tests.node.conversation import connection, is_closed, pdu, request, stores_soon
from tests.node.helpers import node, peer
from tests.orthanc import free_port


@pytest.fixture
def files(tmp_path):
    return dicom_series(tmp_path / "in", uid="2.25.1")


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
        assert all(is_closed(line, limits.ASSOCIATE_SECONDS + 3) for line in lines)
        for thread in threads:
            thread.join()


def test_allowed_peers_that_do_nothing_make_way(tmp_path, files, monkeypatch):
    monkeypatch.setattr(listener, "IDLE_SECONDS", 0.5)
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
    assert "rejected ECHOSCU at 127.0.0.1 for now: it has 2 associations" in caplog.text


def test_an_association_without_progress_is_closed(tmp_path, monkeypatch, files):
    """Small PDUs of a message that never ends; each of them is in time."""
    monkeypatch.setattr(listener, "STALLED_SECONDS", 1.0)
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


def test_a_stranger_is_named_with_the_way_to_let_it_in(tmp_path, caplog):
    with node(tmp_path / "spool", free_port()) as port:
        for calling in ("SCANNER 7", "\x1b[2J\nROOT\x85"):
            with connection(port, request(calling)) as line:
                assert line.recv(100) == pdu(0x03, bytes([0, 1, 1, 3]))
                assert is_closed(line, 2)
        with connection(port, request(called="OTHER")) as line:
            assert line.recv(100) == pdu(0x03, bytes([0, 1, 1, 7]))
    assert "rejected SCANNER 7 at 127.0.0.1" in caplog.text
    assert "--allow 'SCANNER 7', or allow: [\"SCANNER 7\"] in the rules," in caplog.text
    assert "rejected ?[2J?ROOT? at 127.0.0.1" in caplog.text
    assert "it called OTHER and not MEDSR" in caplog.text
    assert all(c.isprintable() or c == "\n" for c in caplog.text)

"""The lengths that a peer announces are checked before anything is read."""

import tracemalloc
from contextlib import suppress

import pytest

from medsr.node.limits import Request, parse_request
from tests.dicom_factory import dicom_series
from tests.node.conversation import connection, is_closed, request, stores_soon
from tests.node.helpers import node
from tests.orthanc import free_port


@pytest.fixture
def files(tmp_path):
    return dicom_series(tmp_path / "in", uid="2.25.1")


def test_a_request_is_believed_when_it_is_whole():
    words = request("SCANNER", "MEDSR")
    assert parse_request(b"") is None
    assert parse_request(words[:5]) is None
    assert parse_request(words[:-1]) is None
    assert parse_request(words) == Request(calling="SCANNER", called="MEDSR")
    for wrong in (b"GET / HTTP/1.1", b"\x01\x00\x00\x00\x00\x05", b"\x01\x00\x7f\x00\x00\x00"):
        with pytest.raises(ValueError, match="request"):
            parse_request(wrong)


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

"""What is taken, what is not, and with which answer."""

from contextlib import ExitStack

import pydicom
import pytest

from tests.dicom_factory import dicom_series
from tests.node.conversation import connection, request, status_of, stored
from tests.node.helpers import names, node, refuse_ct, store
from tests.orthanc import free_port, wait_until


@pytest.fixture
def files(tmp_path):
    return dicom_series(tmp_path / "in", uid="2.25.1")


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
        wait_until(lambda: "instances of more than 2 MB at one time" in caplog.text, seconds=10)
        assert store(port, files[:1]) == [0]


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


def test_a_damaged_series_is_set_aside_and_the_next_goes_on(tmp_path):
    damaged = dicom_series(tmp_path / "a", modality="CT", uid="2.25.1")
    sound = dicom_series(tmp_path / "b", uid="2.25.2")
    spool = tmp_path / "spool"
    with node(spool, free_port(), enhance=refuse_ct) as port:
        assert store(port, sound) == [0] * 5
        assert store(port, damaged) == [0] * 5
        wait_until(lambda: names(spool / "aside") and names(spool / "outbox"), seconds=20)

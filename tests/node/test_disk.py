"""A full disk: nothing that was promised is lost, and the outbox drains all the same."""

import errno
import os
import shutil
from contextlib import suppress

import pydicom
import pytest

from medsr.node.disk import RESERVE_BYTES, keep_reserve, note, with_reserve, write_durably
from tests.dicom_factory import dicom_series
from tests.node.helpers import counting_archive, names, node, peer, store
from tests.orthanc import free_port, wait_until
from tests.small_disk import small_disk_at

SIZE = 16 * 1024**2


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 16 MB."""
    with small_disk_at(tmp_path / "disk", SIZE) as place:
        yield place


def fill(path):
    """Take all that is left of a disk, as another program may."""
    with suppress(OSError), path.open("wb", buffering=0) as stream:
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while True:
                    stream.write(os.urandom(size))
    assert shutil.disk_usage(path).free == 0


def test_a_full_disk_drains(tmp_path, small_disk):
    """No room for instances, then none for anything: what is made is sent, and noted as sent."""
    first = dicom_series(tmp_path / "a", shape=(256, 256), slices=8, uid="2.25.1")
    more = dicom_series(tmp_path / "b", shape=(256, 256), slices=90, uid="2.25.2")
    spool, archive_port = small_disk / "spool", free_port()
    with node(spool, archive_port, free_gb=0.0, longest_retry_seconds=0.5) as port:
        assert store(port, first) == [0] * 8
        wait_until(lambda: names(spool / "outbox"), seconds=30)
        association = peer(port)
        statuses = [association.send_c_store(pydicom.dcmread(f)).Status for f in more]
        assert set(statuses) == {0, 0xA700}
        assert len(list((spool / "receiving").glob("*/*.dcm"))) == statuses.count(0)
        assert (spool / "reserve").stat().st_size == RESERVE_BYTES
        assert shutil.disk_usage(small_disk).free >= RESERVE_BYTES
        fill(small_disk / "ballast")
        with counting_archive(archive_port) as counts:
            wait_until(lambda: not names(spool / "outbox"), seconds=30)
            assert list(counts.received.values()) == [1] * 8
        (small_disk / "ballast").unlink(missing_ok=True)
        wait_until(lambda: (spool / "reserve").exists(), seconds=10)
        assert len(list((spool / "receiving").glob("*/*.dcm"))) == statuses.count(0)
        association.abort()


def test_the_reserve_is_for_notes(tmp_path, small_disk):
    keep_reserve(small_disk)
    fill(small_disk / "ballast")
    with pytest.raises(OSError, match="No space"):
        write_durably(small_disk / "instance", os.urandom(8192))
    assert names(small_disk) == ["ballast", "reserve"]
    with_reserve(small_disk, lambda: note(small_disk / "journal", "sent 1"))
    assert (small_disk / "journal").read_text() == "sent 1\n"
    assert names(small_disk) == ["ballast", "journal"]


def test_a_note_that_fails_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    note(tmp_path / "journal", "sent 1")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("medsr.node.disk.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        note(tmp_path / "journal", "sent 2")
    assert (tmp_path / "journal").read_text() == "sent 1\n"


def test_other_faults_leave_the_reserve_alone(tmp_path):
    keep_reserve(tmp_path)
    assert (tmp_path / "reserve").stat().st_size == RESERVE_BYTES

    def fail():
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(PermissionError):
        with_reserve(tmp_path, fail)
    assert (tmp_path / "reserve").exists()

"""What comes in, what goes out, and who may send: DCMTK and Orthanc on both sides."""

import logging
import shutil
import socket
import subprocess

import pydicom
import pytest

from medsr.errors import OutputError
from medsr.node.spool import key_of, open_spool
from tests.dicom_factory import SECRET, dicom_series
from tests.dicom_tools import needs, program
from tests.node.helpers import counting_archive, names, node, peer, refuse_ct
from tests.orthanc import free_port, orthanc, send, wait_until


def held(spool, stage):
    return names(spool / stage)


def is_idle(spool):
    return not any(held(spool, stage) for stage in ("receiving", "ready", "work", "outbox"))


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@needs("Orthanc", "storescu", "echoscu")
def test_a_series_comes_in_and_its_derived_series_reaches_the_archive(spool, tmp_path, caplog):
    caplog.set_level(logging.INFO, "medsr.node")
    dicom_series(tmp_path / "in", uid="2.25.77")
    with orthanc(tmp_path / "archive") as archive, node(spool, archive.dicom) as port:
        echo = [program("echoscu"), "-aet", "ECHOSCU", "-aec", "MEDSR", "127.0.0.1", str(port)]
        assert subprocess.run(echo, timeout=30).returncode == 0
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        wait_until(lambda: archive.get("/statistics")["CountInstances"] == 5)
        wait_until(lambda: is_idle(spool))
        (series,) = archive.get("/series?expand")
        assert series["MainDicomTags"]["SeriesInstanceUID"] != "2.25.77"
        assert "research use only" in series["MainDicomTags"]["SeriesDescription"]
    assert held(spool, "aside") == []
    assert SECRET not in caplog.text
    assert key_of("2.25.77") in caplog.text


@needs("storescu")
def test_a_duplicate_instance_and_a_series_sent_twice_count_once(spool, tmp_path):
    files = dicom_series(tmp_path / "in")
    shutil.copy(files[2], tmp_path / "in" / "again.dcm")
    archive_port = free_port()
    with counting_archive(archive_port) as counts, node(spool, archive_port) as port:
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        wait_until(lambda: len(counts.received) == 5)
        wait_until(lambda: is_idle(spool))
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        with pytest.raises(AssertionError, match="waited too long"):
            wait_until(lambda: sum(counts.received.values()) > 5, seconds=3)
    assert set(counts.received.values()) == {1}


@needs("storescu")
def test_other_pixels_under_a_known_uid_are_not_taken(spool, tmp_path):
    files = dicom_series(tmp_path / "in")
    (tmp_path / "forged").mkdir()
    dataset = pydicom.dcmread(files[0])
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(tmp_path / "forged" / "x.dcm")
    with node(spool, free_port(), quiet_seconds=60) as port:
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        association = peer(port)
        status = association.send_c_store(dataset)
        association.release()
        assert status.Status == 0x0111
        (folder,) = (spool / "receiving").iterdir()
        pixels = {pydicom.dcmread(file).PixelData for file in folder.glob("*.dcm")}
        assert bytes(len(dataset.PixelData)) not in pixels


@needs("storescu")
def test_a_peer_that_aborts_midway_and_comes_back(spool, tmp_path):
    files = dicom_series(tmp_path / "in")
    archive_port = free_port()
    with counting_archive(archive_port) as counts, node(spool, archive_port) as port:
        association = peer(port)
        for file in files[:3]:
            assert association.send_c_store(pydicom.dcmread(file)).Status == 0
        association.abort()
        with pytest.raises(AssertionError, match="waited too long"):
            wait_until(lambda: counts.received, seconds=2)  # three slices are not the series
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        wait_until(lambda: len(counts.received) == 5)


@needs("storescu")
def test_a_peer_that_never_comes_back_is_kept_aside_until_it_does(spool, tmp_path):
    files = dicom_series(tmp_path / "in")
    archive_port = free_port()
    settings = {"interrupted_seconds": 0.5}
    with counting_archive(archive_port) as counts, node(spool, archive_port, **settings) as port:
        association = peer(port)
        for file in files[:3]:
            association.send_c_store(pydicom.dcmread(file))
        association.abort()
        (folder,) = wait_until(lambda: list((spool / "aside").iterdir()))
        assert "stopped after 3 instances" in (folder / "reason.txt").read_text()
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        wait_until(lambda: len(counts.received) == 5)
        assert held(spool, "aside") == []


@needs("storescu")
def test_a_refused_series_is_kept_aside_and_the_rest_goes_on(spool, tmp_path, caplog):
    dicom_series(tmp_path / "a", modality="CT", uid="2.25.1")
    dicom_series(tmp_path / "b", uid="2.25.2", skip=(2,))  # a slice is missing
    dicom_series(tmp_path / "c", uid="2.25.3")
    archive_port = free_port()
    with (
        counting_archive(archive_port) as counts,
        node(spool, archive_port, enhance=refuse_ct) as port,
    ):
        for name in "abc":
            assert send(tmp_path / name, port, called="MEDSR") == 0
        wait_until(lambda: len(counts.received) == 5 and is_idle(spool))
    assert held(spool, "aside") == sorted(key_of(uid) for uid in ("2.25.1", "2.25.2"))
    reason = (spool / "aside" / key_of("2.25.2") / "reason.txt").read_text()
    assert "1 slice is missing" in reason
    assert len(list((spool / "aside" / key_of("2.25.1")).glob("*.dcm"))) == 5
    assert SECRET not in caplog.text + reason
    assert "refused and set aside" in caplog.text


@needs("storescu")
def test_a_bug_in_one_series_does_not_stop_the_next(spool, tmp_path, caplog):
    def broken(series, output, rule):
        raise KeyError(SECRET)

    dicom_series(tmp_path / "in", uid="2.25.1")
    with node(spool, free_port(), enhance=broken) as port:
        assert send(tmp_path / "in", port, called="MEDSR") == 0
        wait_until(lambda: held(spool, "aside"))
    assert "Internal error (KeyError)" in caplog.text
    assert SECRET not in caplog.text


@needs("storescu")
def test_rules_choose_and_what_they_leave_is_not_kept(spool, tmp_path):
    dicom_series(tmp_path / "thick", step_mm=4.0, uid="2.25.1")
    dicom_series(tmp_path / "thin", step_mm=1.0, uid="2.25.2")
    archive_port = free_port()
    rules = [{"name": "thick MR", "modality": "MR", "min_slice_spacing_mm": 3}]
    with counting_archive(archive_port) as counts, node(spool, archive_port, rules=rules) as port:
        for name in ("thin", "thick"):
            assert send(tmp_path / name, port, called="MEDSR") == 0
        wait_until(lambda: len(counts.received) == 5 and is_idle(spool))
    assert held(spool, "aside") == []


@needs("storescu", "echoscu")
def test_strangers_are_rejected(spool, tmp_path):
    dicom_series(tmp_path / "in")
    with node(spool, free_port()) as port:
        assert send(tmp_path / "in", port, called="MEDSR", calling="STRANGER") != 0
        assert send(tmp_path / "in", port, called="OTHER") != 0
        echo = [program("echoscu"), "-aet", "STRANGER", "-aec", "MEDSR", "127.0.0.1", str(port)]
        assert subprocess.run(echo, capture_output=True, timeout=30).returncode != 0
        assert held(spool, "receiving") == []


def test_storage_is_bounded_and_what_had_no_room_is_not_called_whole(spool, tmp_path, caplog):
    dicom_series(tmp_path / "in", shape=(64, 64), uid="2.25.1")
    archive_port = free_port()
    with (
        counting_archive(archive_port) as counts,
        node(spool, archive_port, storage_gb=40e-6) as port,
    ):
        association = peer(port)
        statuses = [
            association.send_c_store(pydicom.dcmread(file)).Status
            for file in sorted((tmp_path / "in").iterdir())
        ]
        association.release()
        assert statuses == [0, 0, 0, 0, 0xA700]  # four slices would make a volume
        assert "the spool is full" in caplog.text
        wait_until(lambda: held(spool, "aside") == [key_of("2.25.1")])
        assert not counts.received


def test_an_object_past_the_limit_breaks_the_association(spool, tmp_path):
    (file, *_) = dicom_series(tmp_path / "in", shape=(1024, 1024))
    with node(spool, free_port(), largest_object_mb=0.5) as port:
        association = peer(port)
        try:
            status = association.send_c_store(pydicom.dcmread(file))
        except RuntimeError:
            status = {}
        assert "Status" not in status
        wait_until(lambda: not association.is_established)
        assert held(spool, "receiving") == []


def test_it_binds_to_one_loopback_address_alone(spool):
    """A node that listened everywhere would answer at 127.0.0.2 too."""
    with node(spool, free_port()) as port:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_one_node_a_spool(spool):
    with (
        node(spool, free_port()),
        pytest.raises(OutputError, match="another medsr node uses this spool"),
    ):
        open_spool(spool)

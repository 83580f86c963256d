"""A node in a thread or in a process of its own, and an archive that counts what it gets."""

import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification

from medsr.errors import Refused
from medsr.node.forward import Destination
from medsr.node.rules import NodeSettings
from medsr.node.serve import Node, serve, stop_on_signals
from medsr.volume.dicom.write.single_frame import write_series
from tests.dicom_tools import derivation
from tests.orthanc import free_port

QUICK = {"quiet_seconds": 0.5, "retry_seconds": 0.3, "interrupted_seconds": 3.0}


def copy_through(series, output, rule):
    """A stand-in for the model: the scan as it is, as a derived series."""
    scan = series.volume()
    write_series(scan, series, derivation(identity=str(scan.voxels.sum())), output)


def refuse_ct(series, output, rule):
    if series.modality == "CT":
        raise Refused("scan: is CT, and this test refuses it.")
    copy_through(series, output, rule)


def settings(**changes):
    return NodeSettings(**{**QUICK, "allow": ("STORESCU", "ECHOSCU"), **changes})


@contextmanager
def node(spool: Path, archive_port: int, *, enhance=copy_through, aet="ORTHANC", **changes):
    """Run a node in this process; yields its port."""
    port, stop = free_port(), threading.Event()
    destination = Destination(aet, "127.0.0.1", archive_port)
    what = Node("MEDSR", "127.0.0.1", port, destination, spool, settings(**changes))
    faults = []

    def run():
        try:
            serve(what, enhance, stop)
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        time.sleep(0.5)
        yield port
    finally:
        stop.set()
        thread.join(60)
        assert not faults, faults


@dataclass
class Counts:
    """SOPInstanceUID -> times received."""

    received: Counter = field(default_factory=Counter)


@contextmanager
def counting_archive(port: int, *, delay=0.0, answer=0x0000):
    """An archive at a port that counts instances; slow or unwilling on request."""
    counts = Counts()

    def on_store(event):
        counts.received[str(event.request.AffectedSOPInstanceUID)] += 1
        time.sleep(delay)
        return answer

    entity = AE(ae_title="ORTHANC")
    for context in (MRImageStorage, CTImageStorage, Verification):
        entity.add_supported_context(context)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)]
    )
    try:
        yield counts
    finally:
        server.shutdown()


def peer(port, calling="STORESCU"):
    """An open association of a peer that is written here, to be broken at will."""
    entity = AE(ae_title=calling)
    entity.connection_timeout = entity.acse_timeout = 10
    for context in (MRImageStorage, CTImageStorage, Verification):
        entity.add_requested_context(context)
    return entity.associate("127.0.0.1", port, ae_title="MEDSR")


def store(port, files, *, calling="STORESCU", well=True):
    """Send files in one association; the statuses."""
    association = peer(port, calling)
    assert association.is_established
    statuses = [association.send_c_store(pydicom.dcmread(file)).Status for file in files]
    association.release() if well else association.abort()
    return statuses


def names(folder: Path):
    return sorted(entry.name for entry in folder.iterdir())


def main() -> None:
    """A node as a process: SPOOL PORT ARCHIVE_PORT SECONDS_FOR_AN_ENHANCEMENT."""
    spool, port, archive, seconds = sys.argv[1:]

    def slow(series, output, rule):
        time.sleep(float(seconds))
        copy_through(series, output, rule)

    destination = Destination("ORTHANC", "127.0.0.1", int(archive))
    what = Node("MEDSR", "127.0.0.1", int(port), destination, Path(spool), settings())
    stop = threading.Event()
    stop_on_signals(stop)
    serve(what, slow, stop)


if __name__ == "__main__":
    main()

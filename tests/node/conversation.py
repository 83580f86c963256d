"""Conversations of the upper layer (PS3.8 9.3) byte by byte, to be damaged at will."""

import socket
import struct
import time
from contextlib import contextmanager, suppress

import pydicom
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import MRImageStorage

from tests.node.helpers import store

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


def stores_soon(port, files, seconds=5.0):
    start = time.monotonic()
    assert store(port, files) == [0] * len(files)
    return time.monotonic() - start < seconds

"""Limits on what a peer can make the node read and keep in memory.

A PDU starts with its type and its length (PS3.8 9.3.1). The length has four bytes, so a peer can
declare 4 GB. pynetdicom reads whatever is declared; here the length is checked before it is read.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pynetdicom.transport import AssociationSocket

__all__ = [
    "ASSOCIATE_SECONDS",
    "STALLED_SECONDS",
    "BoundedSocket",
    "Request",
    "parse_request",
    "printable",
    "rejection",
]

#: An A-ASSOCIATE-RQ of 128 contexts with ten transfer syntaxes each takes 40 kB; a user identity
#: may add 64 kB.
MAX_REQUEST_BYTES = 256 * 1024

#: A P-DATA-TF PDU is no longer than the node announced (16 kB); some peers exceed that.
MAX_PDU_BYTES = 1024**2

#: From the connection to the whole A-ASSOCIATE-RQ.
ASSOCIATE_SECONDS = 5.0

#: From the first to the last byte of a PDU, and for sending one.
PDU_SECONDS = 20.0

#: An association that delivers neither a whole message nor so many bytes in this time is closed.
STALLED_SECONDS, PROGRESS_BYTES = 60.0, 64 * 1024

#: Context identifiers are the odd numbers of one byte (PS3.8 9.3.2.2).
MAX_CONTEXTS = 128

PDU_HEADER, TITLES_END = 6, 74
ASSOCIATE_RQ, CONTEXT_ITEM = 0x01, 0x20


@dataclass(frozen=True)
class Request:
    """AE titles of an A-ASSOCIATE-RQ, without padding, otherwise as received."""

    calling: str
    called: str


def printable(text: str, longest: int = 16) -> str:
    """Make a peer's text safe for the log: printable ASCII, `?` for all else, cut to a length.

    >>> printable("EVIL" + chr(27) + "[2J")
    'EVIL?[2J'
    """
    return "".join(c if " " <= c <= "~" else "?" for c in text[:longest])


def parse_request(data: bytes | bytearray) -> Request | None:
    """Parse the A-ASSOCIATE-RQ at the start of a connection.

    Args:
        data: all bytes so far.

    Returns:
        None while it is not whole.

    Raises:
        ValueError: it is something else, or larger than any peer needs.
    """
    if data[:1] not in (b"", b"\x01"):
        raise ValueError("no association request")
    if len(data) < PDU_HEADER:
        return None
    (length,) = struct.unpack(">L", data[2:PDU_HEADER])
    if not TITLES_END - PDU_HEADER <= length <= MAX_REQUEST_BYTES:
        raise ValueError("an association request of an impossible length")
    if len(data) < PDU_HEADER + length:
        return None
    place, contexts = TITLES_END, 0
    while place + 4 <= PDU_HEADER + length:
        kind, item = struct.unpack(">BxH", data[place : place + 4])
        contexts += kind == CONTEXT_ITEM
        place += 4 + item
    if contexts > MAX_CONTEXTS:
        raise ValueError("more presentation contexts than there are identifiers")
    called, calling = (bytes(data[k : k + 16]).decode("latin-1").strip(" ") for k in (10, 26))
    return Request(calling=calling, called=called)


def rejection(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU (PS3.8 9.3.4)."""
    return struct.pack(">BxLxBBB", 0x03, 4, result, source, reason)


class BoundedSocket(AssociationSocket):  # type: ignore[misc]
    """The socket of an association, with limits on the size and duration of a PDU.

    Attributes:
        early: bytes that were read before the association was made.
        progress: when the peer last made progress, in monotonic seconds.
    """

    def __init__(self, association: Any, connection: Any, early: bytearray) -> None:
        super().__init__(association, client_socket=connection)
        self.early = early
        self._connection = connection
        self.progress = time.monotonic()
        self._bytes = 0

    @property
    def ready(self) -> bool:
        """Whether to read: not while a message waits, so that few are in memory at a time."""
        if self.early:
            return True
        if self.assoc.dimse.msg_queue.qsize() > 0:
            return False
        return bool(super().ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read a number of bytes, or fewer when the peer has closed the connection.

        Raises:
            OSError: the PDU is too long or too slow; the connection is ended.
        """
        if nr_bytes > MAX_PDU_BYTES:
            self.disconnect()
            raise OSError("a PDU of an impossible length")
        found = self.early[:nr_bytes]
        del self.early[:nr_bytes]
        deadline = time.monotonic() + PDU_SECONDS
        try:
            while len(found) < nr_bytes:
                self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
                part = self.socket.recv(nr_bytes - len(found))
                if not part:
                    break
                found += part
        except OSError:
            self.disconnect()
            raise
        self._bytes += len(found)
        if self._bytes >= PROGRESS_BYTES:
            self.progressed()
        return found

    def send(self, bytestream: bytes) -> None:
        """Send; a peer that does not read in time is disconnected."""
        if self.socket is not None:
            self.socket.settimeout(PDU_SECONDS)
        super().send(bytestream)

    def progressed(self) -> None:
        """Note that the peer made progress."""
        self.progress, self._bytes = time.monotonic(), 0

    def idle_seconds(self) -> float:
        """Time since the peer last made progress."""
        return time.monotonic() - self.progress

    def disconnect(self) -> None:
        """End the connection, from any thread; a thread that waits for it wakes up."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close_connection(self) -> None:
        """Free the connection; called by the last thread that uses it."""
        self.disconnect()
        self._connection.close()

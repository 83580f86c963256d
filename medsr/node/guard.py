"""Bounds on what a peer can make the node hold: a request read before it is believed, a socket
that reads no PDU larger or slower than it may be.

A PDU begins with its type and its length (PS3.8 9.3.1), four bytes that a peer can set to 4 GB.
pynetdicom reads what the length says, so the length is judged here, before anything is read.
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
    "GuardedSocket",
    "Request",
    "parse_request",
    "printable",
    "rejection",
]

#: An A-ASSOCIATE-RQ of 128 contexts with ten transfer syntaxes each takes 40 kB; a user identity
#: may add 64 kB.
MAX_REQUEST_BYTES = 256 * 1024

#: A P-DATA-TF PDU is no longer than the node announced (16 kB); some peers do not look.
MAX_PDU_BYTES = 1024**2

#: From the connection to the whole A-ASSOCIATE-RQ.
ASSOCIATE_SECONDS = 5.0

#: From the first to the last byte of a PDU, and for sending one.
PDU_SECONDS = 20.0

#: An association is closed that brings neither a whole message nor so many bytes in so long.
STALLED_SECONDS, PROGRESS_BYTES = 60.0, 64 * 1024

#: Context identifiers are the odd numbers of one byte (PS3.8 9.3.2.2).
MAX_CONTEXTS = 128

PDU_HEADER, TITLES_END = 6, 74
ASSOCIATE_RQ, CONTEXT_ITEM = 0x01, 0x20


@dataclass(frozen=True)
class Request:
    """Who asks whom for an association: AE titles without padding, as they came."""

    calling: str
    called: str


def printable(text: str, longest: int = 16) -> str:
    """A peer's text for the log: printable ASCII, `?` for all else, cut to a length.

    >>> printable("EVIL" + chr(27) + "[2J")
    'EVIL?[2J'
    """
    return "".join(c if " " <= c <= "~" else "?" for c in text[:longest])


def parse_request(data: bytes | bytearray) -> Request | None:
    """The A-ASSOCIATE-RQ that a connection began with.

    Args:
        data: all bytes so far.

    Returns:
        None while it is not whole.

    Raises:
        ValueError: the bytes are something else, or more than any peer needs.
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


class GuardedSocket(AssociationSocket):  # type: ignore[misc]
    """The socket of an association that the door let in.

    Attributes:
        early: what was read of it at the door.
        progress: when (monotonic seconds) it last brought something of worth.
    """

    def __init__(self, association: Any, connection: Any, early: bytearray) -> None:
        super().__init__(association, client_socket=connection)
        self.early = early
        self._connection = connection
        self.progress = time.monotonic()
        self._bytes = 0

    @property
    def ready(self) -> bool:
        """Whether to read on: not while a whole message waits, so that one is held at a time."""
        if self.early:
            return True
        if self.assoc.dimse.msg_queue.qsize() > 0:
            return False
        return bool(super().ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read so many bytes, or what there is when the peer has closed.

        Raises:
            OSError: more bytes than a PDU may have, or they came too slowly; it is closed then.
        """
        if nr_bytes > MAX_PDU_BYTES:
            self.break_off()
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
            self.break_off()
            raise
        self._bytes += len(found)
        if self._bytes >= PROGRESS_BYTES:
            self.progressed()
        return found

    def send(self, bytestream: bytes) -> None:
        """Send, or close on a peer that does not read."""
        if self.socket is not None:
            self.socket.settimeout(PDU_SECONDS)
        super().send(bytestream)

    def progressed(self) -> None:
        """Note that the peer did something of worth."""
        self.progress, self._bytes = time.monotonic(), 0

    def idle_seconds(self) -> float:
        """For how long it has not."""
        return time.monotonic() - self.progress

    def break_off(self) -> None:
        """End the connection, from any thread; the one that reads or writes it wakes up."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Close it, when no thread uses it any more."""
        self.break_off()
        self._connection.close()

"""Accepts connections in one thread until they request an association.

A connection uses no thread of its own, and at most `MAX_REQUEST_BYTES` of memory, until it has
sent a whole A-ASSOCIATE-RQ with an AE title that may send. Silent connections are closed after
`ASSOCIATE_SECONDS`. When there are more than `MAX_PENDING`, the oldest one of the address with the
most connections is closed. So strangers in any number do not block a peer that sends its request.

The limit of simultaneous associations applies to each AE title, so one peer cannot block another.
"""

from __future__ import annotations

import json
import logging
import select
import shlex
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from socketserver import TCPServer
from typing import Any

from pynetdicom import AE
from pynetdicom.transport import AssociationServer, RequestHandler

from medsr.node.limits import (
    ASSOCIATE_SECONDS,
    STALLED_SECONDS,
    BoundedSocket,
    Request,
    parse_request,
    printable,
    rejection,
)

__all__ = ["Listener"]

log = logging.getLogger("medsr.node")

#: Limit of connections without an association.
MAX_PENDING = 64

#: An association that has been idle for so long makes way for a new one of the same AE title.
IDLE_SECONDS = 5.0

#: A refusal is logged once in this time, and no more than so many different ones.
QUIET_SECONDS, MAX_NAMED = 60.0, 20

#: Result, source, reason (PS3.8 9.3.4): calling or called title not known; no room for now.
NOT_CALLING, NOT_CALLED, FULL = (1, 1, 3), (1, 1, 7), (2, 3, 2)


@dataclass
class Pending:
    """A connection without an association, and what it has sent so far."""

    connection: socket.socket
    address: tuple[Any, ...]
    data: bytearray = field(default_factory=bytearray)
    since: float = field(default_factory=time.monotonic)
    calling: str = ""


class _Handler(RequestHandler):  # type: ignore[misc]
    """Makes the association of a connection that was admitted."""

    request: Any

    def _create_association(self) -> Any:
        pending: Pending = self.request
        self.request = pending.connection
        association = super()._create_association()
        association.dul.event_queue.get_nowait()  # BoundedSocket adds its own
        association.dul.socket = BoundedSocket(association, pending.connection, pending.data)
        for thread in (association, association.dul):
            thread.run = _guarded(thread.run, association)
            thread.daemon = True
        self.server.associations[association] = pending.calling
        return association


def _guarded(run: Callable[[], None], association: Any) -> Callable[[], None]:
    """Wrap the work of a thread: a fault that pynetdicom does not catch ends the association."""

    def guarded() -> None:
        is_association = threading.current_thread() is association
        try:
            run()
        except Exception as fault:  # its words may quote a header
            log.warning("disconnected a peer that sent invalid data (%s)", _name(fault))
            association.dul.to_user_queue.put(None)  # its other thread may wait for a request
        finally:
            if is_association:
                association.dul.kill_dul()
                association.dul.socket.disconnect()
            else:
                association.dul.socket.close_connection()

    return guarded


def _name(fault: Exception) -> str:
    return type(fault).__name__


class Listener(AssociationServer):  # type: ignore[misc]
    """Listens at a port and admits peers that may send.

    Args:
        entity: with the contexts that it supports.
        address: host and port.
        allow: AE titles that may send.
        places: simultaneous associations of one AE title.
        left: called with an association that has ended, however it ended.
        handlers: of pynetdicom's events.
    """

    request_queue_size = 128

    def __init__(
        self,
        entity: AE,
        address: tuple[str, int],
        *,
        allow: tuple[str, ...],
        places: int,
        left: Callable[[Any], None],
        handlers: list[Any],
    ) -> None:
        self.allow, self.places, self.left = allow, places, left
        self.pending: list[Pending] = []
        self.associations: dict[Any, str] = {}  # association -> its calling AE title
        self._named: dict[str, float] = {}
        super().__init__(
            entity,
            address,
            entity.ae_title,
            entity.supported_contexts,
            evt_handlers=handlers,
            request_handler=_Handler,
        )

    def start(self) -> None:
        """Work in the background until `shutdown`."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def shutdown(self) -> None:
        """Close the port and every connection."""
        TCPServer.shutdown(self)
        self.server_close()
        for pending in self.pending:
            pending.connection.close()
        for association in self.associations:
            association.dul.socket.disconnect()
        for association in self.associations:
            association.join(timeout=2)
            self.left(association)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Keep a new connection until it has sent its request."""
        request.setblocking(False)
        self.pending.append(Pending(request, client_address))
        if len(self.pending) > MAX_PENDING:
            most, _ = Counter(one.address[0] for one in self.pending).most_common(1)[0]
            self._close(next(one for one in self.pending if one.address[0] == most), b"")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a fault of one connection; its message may quote a header."""
        log.warning("a connection could not be served")

    def service_actions(self) -> None:
        """Do what is due; called in a loop, which no fault may end."""
        try:
            self._serve()
        except Exception as fault:
            log.error("listening failed with %s; it continues", _name(fault))

    def _serve(self) -> None:
        """Read pending connections, and close those that take too long."""
        if self.pending:
            heard, _, _ = select.select([one.connection for one in self.pending], [], [], 0)
            for pending in [one for one in self.pending if one.connection in heard]:
                self._read(pending)
        now = time.monotonic()
        for pending in [one for one in self.pending if now - one.since > ASSOCIATE_SECONDS]:
            self._close(pending, b"")
        for association in [one for one in self.associations if not one.is_alive()]:
            del self.associations[association]
            self.left(association)
        for association in self.associations:
            if association.dul.socket.idle_seconds() > STALLED_SECONDS:
                association.dul.socket.disconnect()

    def _read(self, pending: Pending) -> None:
        try:
            part = pending.connection.recv(65536)
            pending.data += part
            request = parse_request(pending.data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self._close(pending, b"")
            return
        if not part:
            self._close(pending, b"")
        elif request is not None:
            refusal = self._refusal(request, pending.address[0])
            if refusal is None:
                pending.calling = request.calling
                self._admit(pending)
            else:
                self._close(pending, rejection(*refusal))

    def _refusal(self, request: Request, host: str) -> tuple[int, int, int] | None:
        """Result, source and reason of a rejection; None to accept the peer."""
        name = printable(request.calling)
        if request.called != self.ae_title.strip():
            called = printable(request.called)
            self._log_once(
                f"rejected {name} at {host}: it called {called} and not {self.ae_title}"
            )
            return NOT_CALLED
        if request.calling not in self.allow:
            way = f"--allow {shlex.quote(name)}, or allow: [{json.dumps(name)}] in the rules,"
            self._log_once(f"rejected {name} at {host}: it may not send; {way} would allow it")
            return NOT_CALLING
        own = [one for one, calling in self.associations.items() if calling == request.calling]
        own = [one for one in own if one.is_alive() and one.dul.is_alive()]
        if len(own) < self.places:
            return None
        idlest = max(own, key=lambda one: one.dul.socket.idle_seconds())
        if idlest.dul.socket.idle_seconds() < IDLE_SECONDS:
            self._log_once(f"rejected {name} at {host} for now: it has {len(own)} associations")
            return FULL
        idlest.dul.socket.disconnect()
        return None

    def _admit(self, pending: Pending) -> None:
        self.pending.remove(pending)
        pending.connection.setblocking(True)
        try:
            self.finish_request(pending, pending.address)
        except Exception as fault:  # no more threads, or the peer is gone
            log.warning("a connection could not be served (%s)", _name(fault))
            pending.connection.close()

    def _close(self, pending: Pending, answer: bytes) -> None:
        self.pending.remove(pending)
        with suppress(OSError):
            if answer:
                pending.connection.send(answer)
            pending.connection.shutdown(socket.SHUT_WR)
        pending.connection.close()

    def _log_once(self, words: str) -> None:
        now = time.monotonic()
        self._named = {said: at for said, at in self._named.items() if now - at < QUIET_SECONDS}
        if words not in self._named and len(self._named) < MAX_NAMED:
            self._named[words] = now
            log.warning("%s", words)

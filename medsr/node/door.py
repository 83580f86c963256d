"""Who gets in: each connection is read by one thread until it has said who it is.

A connection costs no thread, and no more than `MAX_REQUEST_BYTES`, before it has sent a whole
A-ASSOCIATE-RQ with an AE title that may send. Those that stay silent are closed after
`ASSOCIATE_SECONDS`, and sooner when more come than may wait: first the oldest of the address that
has most. So strangers in any number do not keep out a peer that speaks.

Inside, each AE title has its own places, so that one peer cannot take those of another.
"""

from __future__ import annotations

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

from medsr.node.guard import (
    ASSOCIATE_SECONDS,
    STALLED_SECONDS,
    GuardedSocket,
    Request,
    parse_request,
    printable,
    rejection,
)

__all__ = ["Door"]

log = logging.getLogger("medsr.node")

#: Connections that have not said who they are.
MAX_WAITING = 64

#: A peer whose places are all taken gets that of its association that did nothing for so long.
IDLE_SECONDS = 5.0

#: The same peer is named in the log once in so long, and in that time no more than so many.
QUIET_SECONDS, MAX_NAMED = 60.0, 20

#: Result, source, reason (PS3.8 9.3.4): calling or called title not known; no room for now.
NOT_CALLING, NOT_CALLED, FULL = (1, 1, 3), (1, 1, 7), (2, 3, 2)


@dataclass
class Waiting:
    """A connection that has not said who it is."""

    connection: socket.socket
    address: tuple[Any, ...]
    data: bytearray = field(default_factory=bytearray)
    since: float = field(default_factory=time.monotonic)
    calling: str = ""


class _Handler(RequestHandler):  # type: ignore[misc]
    """Makes the association of a connection that was let in."""

    request: Any

    def _create_association(self) -> Any:
        waiting: Waiting = self.request
        self.request = waiting.connection
        association = super()._create_association()
        association.dul.event_queue.get_nowait()  # of the plain socket; ours puts its own
        association.dul.socket = GuardedSocket(association, waiting.connection, waiting.data)
        for thread in (association, association.dul):
            thread.run = _guarded(thread.run, association)
            thread.daemon = True
        self.server.guests[association] = waiting.calling
        return association


def _guarded(run: Callable[[], None], association: Any) -> Callable[[], None]:
    """A thread's work that ends its association where pynetdicom does not foresee a fault."""

    def guarded() -> None:
        is_association = threading.current_thread() is association
        try:
            run()
        except Exception as fault:  # its words may quote a header
            log.warning("broke off with a peer that could not be understood (%s)", _name(fault))
            association.dul.to_user_queue.put(None)  # it may wait there for a request
        finally:
            if is_association:
                association.dul.kill_dul()
                association.dul.socket.break_off()
            else:
                association.dul.socket.let_go()

    return guarded


def _name(fault: Exception) -> str:
    return type(fault).__name__


class Door(AssociationServer):  # type: ignore[misc]
    """Listens, and lets in who may send.

    Args:
        entity: with the contexts that it supports.
        address: host and port.
        allow: AE titles that may send.
        places: associations at one time of one AE title.
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
        self.waiting: list[Waiting] = []
        self.guests: dict[Any, str] = {}  # association -> its calling AE title
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
        for waiting in self.waiting:
            waiting.connection.close()
        for guest in self.guests:
            guest.dul.socket.break_off()
        for guest in self.guests:
            guest.join(timeout=2)
            self.left(guest)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Let a connection wait for its first words."""
        request.setblocking(False)
        self.waiting.append(Waiting(request, client_address))
        if len(self.waiting) > MAX_WAITING:
            most, _ = Counter(one.address[0] for one in self.waiting).most_common(1)[0]
            self._turn_away(next(one for one in self.waiting if one.address[0] == most), b"")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say a fault of one connection without its words."""
        log.warning("a connection could not be served")

    def service_actions(self) -> None:
        """Do what is due; called again and again, so no fault may end it."""
        try:
            self._look_round()
        except Exception as fault:
            log.error("the door failed with %s and goes on", _name(fault))

    def _look_round(self) -> None:
        """Hear who waits, see off who stays too long."""
        if self.waiting:
            heard, _, _ = select.select([one.connection for one in self.waiting], [], [], 0)
            for waiting in [one for one in self.waiting if one.connection in heard]:
                self._hear(waiting)
        now = time.monotonic()
        for waiting in [one for one in self.waiting if now - one.since > ASSOCIATE_SECONDS]:
            self._turn_away(waiting, b"")
        for guest in [one for one in self.guests if not one.is_alive()]:
            del self.guests[guest]
            self.left(guest)
        for guest in self.guests:
            if guest.dul.socket.idle_seconds() > STALLED_SECONDS:
                guest.dul.socket.break_off()

    def _hear(self, waiting: Waiting) -> None:
        try:
            part = waiting.connection.recv(65536)
            waiting.data += part
            request = parse_request(waiting.data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self._turn_away(waiting, b"")
            return
        if not part:
            self._turn_away(waiting, b"")
        elif request is not None:
            refusal = self._judge(request, waiting.address[0])
            if refusal is None:
                waiting.calling = request.calling
                self._let_in(waiting)
            else:
                self._turn_away(waiting, rejection(*refusal))

    def _judge(self, request: Request, host: str) -> tuple[int, int, int] | None:
        """Why not to let a peer in; None to let it in."""
        name = printable(request.calling)
        if request.called != self.ae_title.strip():
            called = printable(request.called)
            self._say_once(f"refused {name} at {host}: it called {called}, not {self.ae_title}")
            return NOT_CALLED
        if request.calling not in self.allow:
            way = f"--allow {shlex.quote(name)}"
            self._say_once(f"refused {name} at {host}: it is not allowed to send; {way} allows it")
            return NOT_CALLING
        own = [one for one, calling in self.guests.items() if calling == request.calling]
        own = [one for one in own if one.is_alive() and one.dul.is_alive()]
        if len(own) < self.places:
            return None
        idlest = max(own, key=lambda one: one.dul.socket.idle_seconds())
        if idlest.dul.socket.idle_seconds() < IDLE_SECONDS:
            self._say_once(f"refused {name} at {host} for now: it has {len(own)} associations")
            return FULL
        idlest.dul.socket.break_off()
        return None

    def _let_in(self, waiting: Waiting) -> None:
        self.waiting.remove(waiting)
        waiting.connection.setblocking(True)
        try:
            self.finish_request(waiting, waiting.address)
        except Exception as fault:  # no more threads, or the peer is gone
            log.warning("a connection could not be served (%s)", _name(fault))
            waiting.connection.close()

    def _turn_away(self, waiting: Waiting, answer: bytes) -> None:
        self.waiting.remove(waiting)
        with suppress(OSError):
            if answer:
                waiting.connection.send(answer)
            waiting.connection.shutdown(socket.SHUT_WR)
        waiting.connection.close()

    def _say_once(self, words: str) -> None:
        now = time.monotonic()
        self._named = {said: at for said, at in self._named.items() if now - at < QUIET_SECONDS}
        if words not in self._named and len(self._named) < MAX_NAMED:
            self._named[words] = now
            log.warning("%s", words)

"""Runs the node: receive in the background, enhance in one thread, forward in another."""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medsr.node.disk import keep_reserve
from medsr.node.forward import Destination, Line, Waits, forward_due
from medsr.node.process import IDLE_SECONDS, Enhance, enhance_next, promote, put_back_all
from medsr.node.receive import Intake, start_receiving
from medsr.node.rules import NodeSettings
from medsr.node.spool import forget_old, held_bytes, open_spool
from medsr.volume.dicom.dataset import parse_quietly

__all__ = ["Node", "serve", "stop_on_signals"]

log = logging.getLogger("medsr.node")

#: How long a stop waits for the archive to answer.
LAST_SECONDS = 5.0


@dataclass(frozen=True)
class Node:
    """Who listens where, and what for.

    Attributes:
        ae_title: its own.
        host, port: to listen at.
        destination: where results go.
        spool: folder of all that waits.
        settings: rules and limits.
    """

    ae_title: str
    host: str
    port: int
    destination: Destination
    spool: Path
    settings: NodeSettings

    @property
    def allowed(self) -> tuple[str, ...]:
        """AE titles that may send: those of the settings, and the destination."""
        return (*dict.fromkeys((*self.settings.allow, self.destination.ae_title)),)


def serve(node: Node, enhance: Enhance, stop: threading.Event) -> None:
    """Run until `stop` is set.

    Args:
        node: who and where.
        enhance: does the work of one series.
        stop: set it to end; a series that is being enhanced is finished first. A
            KeyboardInterrupt ends it at once; the series is then enhanced at the next start.

    Raises:
        OutputError: the spool or the port is not available.
    """
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # its words quote headers
    lock = open_spool(node.spool)
    try:
        with parse_quietly():  # and so do pydicom's
            _run(node, enhance, stop)
    finally:
        lock.release()


def stop_on_signals(stop: threading.Event) -> list[int]:
    """Make SIGINT and SIGTERM end a `serve` in the main thread at once, without a traceback.

    Returns:
        The signals that have come; empty for now.
    """
    came: list[int] = []

    def on_signal(number: int, _: object) -> None:
        came.append(number)
        if not stop.is_set():
            stop.set()
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return came


def _run(node: Node, enhance: Enhance, stop: threading.Event) -> None:
    intake = Intake(node.spool, node.settings)
    server = start_receiving(
        intake, ae_title=node.ae_title, host=node.host, port=node.port, allow=node.allowed
    )
    me, archive, senders = (node.ae_title, node.host, node.port), node.destination, node.allowed
    log.info("listening as %s on %s:%d for %s", *me, ", ".join(senders))
    log.info("forwarding to %s at %s:%d", archive.ae_title, archive.host, archive.port)
    line = Line()
    sender = threading.Thread(target=_send_until, args=(node, line, stop), daemon=True)
    sender.start()
    try:
        _work_until(intake, enhance, stop)
    except KeyboardInterrupt:
        log.info("stopping")
    finally:
        stop.set()
        server.shutdown()
        with suppress(OSError):
            put_back_all(intake)
        sender.join(timeout=LAST_SECONDS)
        if sender.is_alive():
            line.cut()
            sender.join(timeout=LAST_SECONDS)
    log.info("stopped")


def _work_until(intake: Intake, enhance: Enhance, stop: threading.Event) -> None:
    cleaned = time.monotonic()
    while not stop.is_set():
        try:
            promote(intake, time.time())
            wait = enhance_next(intake, enhance)
        except OSError as fault:  # a full disk passes; what could not be moved is where it was
            log.error("the spool cannot be written (%s)", fault.strerror)
            wait = intake.settings.retry_seconds
        with intake.lock:
            keep_reserve(intake.spool)
            intake.held = held_bytes(intake.spool)
            if time.monotonic() - cleaned > 3600:
                forget_old(intake.spool)
                cleaned = time.monotonic()
        stop.wait(wait)


def _send_until(node: Node, line: Line, stop: threading.Event) -> None:
    waits, who = Waits(node.settings), (node.ae_title, node.destination)
    while not stop.is_set():
        try:
            forward_due(node.spool, *who, waits, time.monotonic(), line, stop)
        except Exception as fault:  # the thread must live; its words may quote a header
            wait = waits.failed("", time.monotonic())
            log.error("sending failed with %s; next attempt in %g s", type(fault).__name__, wait)
        stop.wait(IDLE_SECONDS)

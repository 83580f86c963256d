"""Forwards results to an archive by C-STORE, each instance once.

Before an instance goes out the journal says `sending NAME`, after the archive's answer `sent
NAME`. A kill or a broken line between the two leaves one instance whose state is unknown; before
it is sent again the archive is asked for it by C-FIND (PS3.4 C.6.2.1). An archive that cannot
answer gets it again: the same UID with the same bytes.

A destination that is down is tried again after `retry_seconds`, then twice as long, up to
`longest_retry_seconds`. An archive's refusal of one series does not hold up the next.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from medsr.node.disk import note, with_reserve
from medsr.node.receive import IMAGES
from medsr.node.rules import NodeSettings
from medsr.node.spool import remember, remove

__all__ = ["Destination", "Line", "Waits", "forward_due"]

log = logging.getLogger("medsr.node")

#: Statuses of C-STORE (PS3.4 B.2.3, PS3.7 C): taken, taken with a warning, there already.
TAKEN = (0x0000, 0xB000, 0xB006, 0xB007, 0x0111)

#: Status of C-FIND with a match to come.
PENDING = (0xFF00, 0xFF01)


@dataclass(frozen=True)
class Destination:
    """An archive."""

    ae_title: str
    host: str
    port: int


@dataclass
class Line:
    """The current association with the archive, so that another thread can end it."""

    association: Any = None

    def cut(self) -> None:
        """End it now; the state of the instance on its way is unknown, as after a kill."""
        if self.association is not None:
            self.association.abort()


@dataclass
class Waits:
    """When to try what again; key of a series, or "" for the destination itself."""

    settings: NodeSettings
    tries: dict[str, int] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)

    def failed(self, key: str, now: float) -> float:
        """Note a failure; the wait in seconds."""
        doubled = self.settings.retry_seconds * 2.0 ** min(self.tries.get(key, 0), 30)
        wait = min(doubled, self.settings.longest_retry_seconds)
        self.tries[key] = self.tries.get(key, 0) + 1
        self.due[key] = now + wait
        return wait

    def worked(self, key: str) -> None:
        """Forget failures."""
        self.tries.pop(key, None)
        self.due.pop(key, None)

    def is_due(self, key: str, now: float) -> bool:
        """Whether it may be tried now."""
        return now >= self.due.get(key, 0.0)


def forward_due(
    spool: Path,
    ae_title: str,
    destination: Destination,
    waits: Waits,
    now: float,
    line: Line,
    stop: threading.Event,
) -> None:
    """Send what waits in the outbox and is due.

    Args:
        spool: of the node.
        ae_title: its own.
        destination: where to.
        waits: failures so far.
        now: seconds, of any clock.
        line: holds the association for the thread that may end it.
        stop: no further instance is sent once it is set.
    """
    jobs = sorted((spool / "outbox").iterdir(), key=lambda folder: folder.stat().st_mtime)
    due = [job for job in jobs if waits.is_due(job.name, now)]
    if not due or not waits.is_due("", now):
        return
    with _association(ae_title, destination) as association:
        if association is None:
            wait = waits.failed("", now)
            log.warning(
                "the destination does not answer; %d series are waiting, next attempt in %g s",
                len(jobs),
                wait,
            )
            return
        waits.worked("")
        line.association = association
        for job in due:
            sent = _send(spool, job, association, stop)
            if stop.is_set():
                return
            if sent:
                waits.worked(job.name)
                _remember(spool, job)
                remove(spool, job, job.name)
                log.info("series %s: forwarded", job.name)
            else:
                wait = waits.failed(job.name, now)
                log.warning(
                    "series %s: rejected by the destination; next attempt in %g s", job.name, wait
                )
            if not association.is_established:
                return


@contextmanager
def _association(ae_title: str, destination: Destination) -> Iterator[Any]:
    """An association with the archive, released at the end; None when there is none."""
    entity = AE(ae_title=ae_title)
    entity.connection_timeout, entity.acse_timeout = 10, 30
    entity.dimse_timeout, entity.network_timeout = 120, 120
    for image in IMAGES:
        entity.add_requested_context(image, ExplicitVRLittleEndian)
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = entity.associate(
        destination.host, destination.port, ae_title=destination.ae_title
    )
    if not association.is_established:
        yield None
        return
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _remember(spool: Path, job: Path) -> None:
    try:
        remember(spool, job.name, job / "source")
    except OSError as fault:  # what follows makes room
        log.warning(
            "series %s: not recorded as sent (%s); it is enhanced again if it is sent again",
            job.name,
            fault.strerror,
        )


def _send(spool: Path, job: Path, association: Any, stop: threading.Event) -> bool:
    """Send what the journal does not call sent; whether all of it is now."""
    journal = job / "journal"
    begun, sent = _read_journal(journal)
    for file in sorted(job.glob("enhanced*/*.dcm")):
        name = f"{file.parent.name}/{file.name}"
        if name in sent:
            continue
        if stop.is_set():
            return False
        if name not in begun:
            _note(spool, journal, f"sending {name}")
        elif _is_there(file, association):
            _note(spool, journal, f"sent {name}")
            continue
        if not _store(file, association):
            return False
        _note(spool, journal, f"sent {name}")
    return True


def _store(file: Path, association: Any) -> bool:
    try:
        status = association.send_c_store(pydicom.dcmread(file))
    except Exception as fault:  # no association any more, no context accepted, a damaged file
        log.warning("an instance could not be sent (%s)", type(fault).__name__)
        return False
    return "Status" in status and status.Status in TAKEN


def _is_there(file: Path, association: Any) -> bool:
    """Whether the archive holds an instance; False when it does not say."""
    header = pydicom.dcmread(file, stop_before_pixels=True)
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(query, keyword, header[keyword].value)
    try:
        answers = association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
        return any(
            "Status" in status
            and status.Status in PENDING
            and found is not None
            and found.get("SOPInstanceUID") == header.SOPInstanceUID
            for status, found in list(answers)
        )
    except (RuntimeError, ValueError):
        return False


def _read_journal(journal: Path) -> tuple[set[str], set[str]]:
    lines = journal.read_text().split("\n") if journal.exists() else []
    begun = {line.removeprefix("sending ") for line in lines if line.startswith("sending ")}
    return begun, {line.removeprefix("sent ") for line in lines if line.startswith("sent ")}


def _note(spool: Path, journal: Path, line: str) -> None:
    with_reserve(spool, lambda: note(journal, line))

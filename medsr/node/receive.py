"""Receives series: who may associate, what is accepted, when an association ends well.

Verification answers C-ECHO (PS3.4 A); Storage takes MR and CT image objects (PS3.4 B). Status
codes of C-STORE: 0000 kept (see the invariant in `medsr.node.spool`), 0111 another content
under a known UID, A700 no room, A900 no valid series or instance UID, C000 cannot be understood.
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from medsr.errors import OutputError
from medsr.node.disk import RESERVE_BYTES, free_bytes, with_reserve
from medsr.node.limits import ASSOCIATE_SECONDS, STALLED_SECONDS
from medsr.node.listener import Listener
from medsr.node.rules import NodeSettings
from medsr.node.spool import ENDED, digest_of, held_bytes, keep_instance, key_of, merge

__all__ = ["IMAGES", "Intake", "end_association", "keep", "start_receiving"]

log = logging.getLogger("medsr.node")

IMAGES = (
    MRImageStorage,
    CTImageStorage,
    EnhancedMRImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
)
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    RLELossless,
)

TAKEN, DUPLICATE, NO_ROOM, NO_UID, NOT_UNDERSTOOD = 0x0000, 0x0111, 0xA700, 0xA900, 0xC000

#: PS3.5 9.1, but for leading zeros, which some scanners write.
UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass
class Intake:
    """What the receiving threads share; every use holds the lock.

    Attributes:
        spool: the folder.
        settings: of the node.
        lock: guards the rest, and moves into and out of `receiving` and `aside`.
        touched: association -> key of a series that it sent -> whether all of it was taken.
        sizes: association -> bytes of the message that it is sending.
        held: bytes in the spool.
    """

    spool: Path
    settings: NodeSettings
    lock: threading.Lock = field(default_factory=threading.Lock)
    touched: dict[Any, dict[str, bool]] = field(default_factory=dict)
    sizes: dict[Any, int] = field(default_factory=dict)
    held: int = 0

    def busy(self) -> set[str]:
        """Keys of series that an open association has touched."""
        return {key for keys in self.touched.values() for key in keys}

    def has_room(self, size: int) -> bool:
        """Whether this number of further bytes leaves room for results and for the reserve."""
        left = free_bytes(self.spool) - size
        return (
            self.held + size <= self.settings.storage_gb * 1e9
            and left >= self.settings.free_gb * 1e9 + RESERVE_BYTES
        )

    def refuse(self, association: Any, key: str) -> int:
        """Answer that there is no room; the series is incomplete until it is sent again."""
        self.touched[association][key] = False
        (self.spool / "receiving" / key / ENDED).unlink(missing_ok=True)
        return NO_ROOM


def start_receiving(
    intake: Intake, *, ae_title: str, host: str, port: int, allow: tuple[str, ...]
) -> Listener:
    """Listen in the background; the server returned has `shutdown()`.

    Raises:
        OutputError: the port is not available.
    """
    intake.held = held_bytes(intake.spool)
    entity = AE(ae_title=ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(allow)
    entity.maximum_associations = 1000  # the listener counts them for each AE title
    entity.acse_timeout, entity.network_timeout = ASSOCIATE_SECONDS, STALLED_SECONDS
    entity.add_supported_context(Verification)
    for image in IMAGES:
        entity.add_supported_context(image, list(SYNTAXES))
    handlers: list[Any] = [
        (evt.EVT_C_STORE, _on_store, [intake]),
        (evt.EVT_DATA_RECV, _on_data, [intake]),
        (evt.EVT_DIMSE_RECV, _on_message, [intake]),
        (evt.EVT_RELEASED, lambda event: end_association(intake, event.assoc, True)),
        (evt.EVT_ABORTED, lambda event: end_association(intake, event.assoc, False)),
    ]
    try:
        listener = Listener(
            entity,
            (host, port),
            allow=allow,
            places=intake.settings.associations,
            left=lambda association: end_association(intake, association, False),
            handlers=handlers,
        )
    except OSError as fault:
        raise OutputError(
            f"cannot listen on port {port} of {host} ({fault.strerror}). Choose another "
            "with --port."
        ) from None
    listener.start()
    return listener


def _on_data(event: Any, intake: Intake) -> None:
    """Disconnect a peer whose message exceeds the limit, before it fills the memory."""
    limit = intake.settings.largest_object_mb * 1e6
    with intake.lock:
        sizes = intake.sizes
        sizes[event.assoc] = sizes.get(event.assoc, 0) + len(event.data)
        if sizes[event.assoc] > limit:
            log.warning("an instance larger than %g MB was rejected", limit / 1e6)
            event.assoc.dul.socket.disconnect()
        elif sum(sizes.values()) > 2 * limit:
            log.warning("instances of more than %g MB at one time were rejected", 2 * limit / 1e6)
            max(sizes, key=lambda association: sizes[association]).dul.socket.disconnect()


def _on_message(event: Any, intake: Intake) -> None:
    """A whole message has come."""
    event.assoc.dul.socket.progressed()
    with intake.lock:
        intake.sizes[event.assoc] = 0


def _on_store(event: Any, intake: Intake) -> int:
    try:
        dataset = event.dataset
        instance, series = dataset.get("SOPInstanceUID"), dataset.get("SeriesInstanceUID")
        announced = str(event.request.AffectedSOPInstanceUID)
        data = event.encoded_dataset()
        content = digest_of(event.request.DataSet.getbuffer())
    except Exception:  # on damaged bytes pydicom raises whatever it met first
        log.warning("an instance that cannot be read as DICOM was rejected")
        return NOT_UNDERSTOOD
    if not _is_uid(instance) or not _is_uid(series) or instance != announced:
        log.warning("an instance without valid UIDs was rejected")
        return NO_UID
    status = keep(intake, event.assoc, key_of(series), instance, data, content)
    event.assoc.dul.socket.progressed()
    return status


def _is_uid(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 64 and UID.fullmatch(value) is not None


def keep(
    intake: Intake, association: Any, key: str, instance: str, data: bytes, content: str
) -> int:
    """Store an instance, unless it is kept already.

    Args:
        intake: of the node.
        association: that brought it.
        key: of its series.
        instance: SOPInstanceUID.
        data: the whole file.
        content: digest of what makes two copies the same.

    Returns:
        The status to answer.
    """
    with intake.lock:
        intake.touched.setdefault(association, {}).setdefault(key, True)
        try:
            if not intake.has_room(len(data)):
                limits = (intake.settings.storage_gb, intake.settings.free_gb)
                log.error("the spool is full (%g GB, %g GB left free); instance rejected", *limits)
                return intake.refuse(association, key)
            outcome = keep_instance(intake.spool, key, instance, data, content)
        except OSError as fault:
            log.error("series %s: cannot be stored (%s)", key, fault.strerror)
            return intake.refuse(association, key)
        if outcome == "too many":
            log.warning("series %s: too many instances; instance rejected", key)
            return intake.refuse(association, key)
        if outcome == "differs":
            log.warning(
                "series %s: other content under a known instance UID; instance rejected", key
            )
            return DUPLICATE
        intake.held += len(data) if outcome == "new" else 0
    return TAKEN


def end_association(intake: Intake, association: Any, well: bool) -> None:
    """Mark the series of an association that ended by release as complete; forget the association.

    If a part of such a series was set aside, both parts are tried again together.
    """
    with intake.lock:
        keys = intake.touched.pop(association, {})
        intake.sizes.pop(association, None)
        for key in (key for key, whole in keys.items() if whole and well):
            try:
                _mark_ended(intake.spool, key)
            except OSError as fault:  # it waits like an interrupted series
                log.error("series %s: cannot be marked as complete (%s)", key, fault.strerror)
    if keys:
        log.info("association ended %s; %d series", "well" if well else "early", len(keys))


def _mark_ended(spool: Path, key: str) -> None:
    folder, aside = (spool / stage / key for stage in ("receiving", "aside"))
    if aside.exists():
        merge(aside, folder)
    if folder.exists():
        with_reserve(spool, (folder / ENDED).touch)

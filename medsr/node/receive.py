"""The receiving side: who may associate, what is taken, and when an association ends well.

Verification answers C-ECHO (PS3.4 A); Storage takes MR and CT image objects (PS3.4 B). Status
codes of C-STORE: 0000 taken (or known already), 0111 another content under a known UID, A700 no
room, A900 no series or instance UID, C000 cannot be understood.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
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
from medsr.node.rules import NodeSettings
from medsr.node.spool import (
    ENDED,
    INTERRUPTED,
    REASON,
    digest_of,
    held_bytes,
    keep_instance,
    key_of,
)

__all__ = ["IMAGES", "Intake", "start_receiving"]

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


@dataclass
class Intake:
    """What the receiving threads share; every use holds the lock.

    Attributes:
        spool: the folder.
        settings: of the node.
        lock: guards the rest, and moves out of `receiving`.
        touched: association -> key of a series that it sent -> whether all of it was taken.
        sizes: association -> bytes since its last whole message.
        held: bytes in the spool.
    """

    spool: Path
    settings: NodeSettings
    lock: threading.Lock = field(default_factory=threading.Lock)
    touched: dict[int, dict[str, bool]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    held: int = 0

    def busy(self) -> set[str]:
        """Keys of series that an open association has touched."""
        return {key for keys in self.touched.values() for key in keys}

    def refuse(self, association: int, key: str) -> int:
        """Answer that there is no room; the series is not whole until it is sent again."""
        self.touched[association][key] = False
        (self.spool / "receiving" / key / ENDED).unlink(missing_ok=True)
        return NO_ROOM


def start_receiving(
    intake: Intake, *, ae_title: str, host: str, port: int, allow: tuple[str, ...]
) -> Any:
    """Listen in the background; the server returned has `shutdown()`.

    Raises:
        OutputError: the port cannot be had.
    """
    intake.held = held_bytes(intake.spool)
    entity = AE(ae_title=ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(allow)
    entity.maximum_associations = intake.settings.associations
    entity.network_timeout = 60
    entity.add_supported_context(Verification)
    for image in IMAGES:
        entity.add_supported_context(image, list(SYNTAXES))
    handlers: list[tuple[Any, Callable[..., Any], list[Any]]] = [
        (evt.EVT_C_STORE, _on_store, [intake]),
        (evt.EVT_DATA_RECV, _on_data, [intake]),
        (evt.EVT_REJECTED, _on_rejected, []),
        (evt.EVT_RELEASED, _on_end, [intake, True]),
        (evt.EVT_ABORTED, _on_end, [intake, False]),
        (evt.EVT_CONN_CLOSE, _on_end, [intake, False]),
    ]
    try:
        return entity.start_server((host, port), block=False, evt_handlers=handlers)
    except OSError as fault:
        raise OutputError(
            f"port {port} on {host}: cannot be listened at ({fault.strerror}). Choose another "
            "with --port."
        ) from None


def _on_data(event: Any, intake: Intake) -> None:
    """Break off with a peer whose one message grows past the limit, before it fills memory."""
    who = id(event.assoc)
    with intake.lock:
        intake.sizes[who] = intake.sizes.get(who, 0) + len(event.data)
        too_large = intake.sizes[who] > intake.settings.largest_object_mb * 1e6
    if too_large:
        log.warning("an object larger than %g MB: broke off", intake.settings.largest_object_mb)
        threading.Thread(target=event.assoc.abort, daemon=True).start()


def _on_store(event: Any, intake: Intake) -> int:
    try:
        dataset = event.dataset
        instance, series = (
            str(dataset.get(k, "")) for k in ("SOPInstanceUID", "SeriesInstanceUID")
        )
        data = event.encoded_dataset()
    except Exception:  # on damaged bytes pydicom raises whatever it met first
        log.warning("an instance that cannot be read as DICOM: not taken")
        return NOT_UNDERSTOOD
    if not instance or not series:
        return NO_UID
    key = key_of(series)
    with intake.lock:
        who = id(event.assoc)
        intake.sizes[who] = 0
        intake.touched.setdefault(who, {}).setdefault(key, True)
        if intake.held + len(data) > intake.settings.storage_gb * 1e9:
            log.error("the spool is full (%g GB): not taken", intake.settings.storage_gb)
            return intake.refuse(who, key)
        try:
            outcome = keep_instance(
                intake.spool, key, instance, data, digest_of(event.request.DataSet.getvalue())
            )
        except OSError as fault:
            log.error("series %s: cannot be stored (%s)", key, fault.strerror)
            return intake.refuse(who, key)
        if outcome == "too many":
            return intake.refuse(who, key)
        intake.held += len(data) if outcome == "new" else 0
    if outcome == "differs":
        log.warning("series %s: another content under a known instance UID: not taken", key)
        return DUPLICATE
    return TAKEN


def _on_rejected(event: Any) -> None:
    log.warning("an association was rejected: its AE title or ours is not allowed")


def _on_end(event: Any, intake: Intake, well: bool) -> None:
    """Mark the series of an association that ended by release; forget the association."""
    with intake.lock:
        keys = intake.touched.pop(id(event.assoc), {})
        intake.sizes.pop(id(event.assoc), None)
        for key in (key for key, whole in keys.items() if whole and well):
            folder, aside = (intake.spool / stage / key for stage in ("receiving", "aside"))
            if (aside / INTERRUPTED).exists() and not folder.exists():
                (aside / INTERRUPTED).unlink()
                (aside / REASON).unlink(missing_ok=True)
                aside.rename(folder)
            if folder.exists():
                (folder / ENDED).touch()
    if keys:
        log.info("association ended %s; %d series", "well" if well else "early", len(keys))

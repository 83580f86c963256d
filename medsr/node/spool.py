"""The node's memory: folders on disk, moved by renames, so that a kill loses nothing.

A series is known by its key, a digest of its SeriesInstanceUID; folders and logs show keys alone::

    receiving/KEY   instances as they come; `.ended` once an association that sent some has ended
    ready/KEY       whole and quiet, waits for its turn
    work/KEY        source/ and what is being made of it; on a start source/ goes back to ready
    outbox/KEY      enhanced/ (and enhanced_std/), to be sent; `journal` says which have been
    aside/KEY       refused; reason.txt says why
    known/KEY       a line for each instance ever taken: digest of its UID, digest of its content

An instance in `known` is not taken again, so a series that is sent twice is enhanced once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Literal

from medsr.errors import OutputError
from medsr.volume.atomic import is_mine

__all__ = [
    "ENDED",
    "INTERRUPTED",
    "REASON",
    "STAGES",
    "Outcome",
    "digest_of",
    "forget_old",
    "held_bytes",
    "keep_instance",
    "key_of",
    "open_spool",
    "set_aside",
]

STAGES = ("receiving", "ready", "work", "outbox", "aside", "known")
ENDED, REASON, INTERRUPTED = ".ended", "reason.txt", ".interrupted"

#: A series may be sent again, and is then enhanced again, after so long.
REMEMBERED_SECONDS = 30 * 24 * 3600.0

#: No series is longer; more instances under one UID are refused.
MAX_INSTANCES = 10_000

Outcome = Literal["new", "same", "differs", "too many"]


def digest_of(data: bytes | str) -> str:
    """32 hex digits."""
    raw = data.encode() if isinstance(data, str) else data
    return hashlib.sha256(raw).hexdigest()[:32]


def key_of(series_uid: str) -> str:
    """The name of a series in the spool and in the log: 12 hex digits."""
    return digest_of(series_uid)[:12]


def open_spool(spool: Path) -> int:
    """Make the folders, take the lock, and undo what a kill left half done.

    Returns:
        The lock's file descriptor; the lock lasts until it is closed or the process ends.

    Raises:
        OutputError: not writable, or another node uses it.
    """
    try:
        for stage in STAGES:
            (spool / stage).mkdir(parents=True, exist_ok=True, mode=0o700)
        spool.chmod(0o700)
        lock = os.open(spool / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as fault:
        raise OutputError(
            f"{spool.name}: cannot be used as the node's spool ({fault.strerror}). Choose a "
            "folder that is yours with --spool."
        ) from None
    if not is_mine(lock):
        raise OutputError(
            f"{spool.name}: another medsr node uses this spool; stop it or give another --spool."
        )
    _restore(spool)
    return lock


def _restore(spool: Path) -> None:
    for work in (spool / "work").iterdir():
        source, ready = work / "source", spool / "ready" / work.name
        if source.is_dir() and not ready.exists():
            source.rename(ready)
        shutil.rmtree(work)
    for part in (spool / "receiving").glob("*/*.part"):
        part.unlink()
    forget_old(spool)


def forget_old(spool: Path) -> None:
    """Drop what is known of series that came long ago."""
    for known in (spool / "known").iterdir():
        if time.time() - known.stat().st_mtime > REMEMBERED_SECONDS:
            known.unlink()


def held_bytes(spool: Path) -> int:
    """All that the spool holds."""
    total = 0
    for place, _, names in os.walk(spool):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # moved on meanwhile
                continue
    return total


def keep_instance(spool: Path, key: str, instance_uid: str, data: bytes, content: str) -> Outcome:
    """Write one instance, unless it is known.

    Args:
        spool: the folder.
        key: of its series.
        instance_uid: SOPInstanceUID.
        data: the whole file.
        content: digest of what makes two copies the same.

    Raises:
        OSError: the disk is full.
    """
    known, name = spool / "known" / key, digest_of(instance_uid)
    lines = known.read_text().split("\n") if known.exists() else []
    seen = dict(line.split(" ") for line in lines if " " in line)
    if name in seen:
        return "same" if seen[name] == content else "differs"
    if len(seen) >= MAX_INSTANCES:
        return "too many"
    folder = spool / "receiving" / key
    folder.mkdir(exist_ok=True)
    (folder / ENDED).unlink(missing_ok=True)
    part = folder / f"{name}.part"
    try:
        part.write_bytes(data)
        part.replace(folder / f"{name}.dcm")
    except OSError:
        part.unlink(missing_ok=True)
        raise
    with known.open("a") as stream:
        stream.write(f"{name} {content}\n")
    return "new"


def set_aside(spool: Path, folder: Path, key: str, reason: str, *, interrupted: bool) -> None:
    """Move a series' instances to aside/KEY, with the reason in words.

    Args:
        spool: the folder.
        folder: that holds the instances.
        key: of the series.
        reason: a sentence.
        interrupted: whether it may become whole when the peer sends it again.
    """
    target = spool / "aside" / key
    shutil.rmtree(target, ignore_errors=True)
    (folder / ENDED).unlink(missing_ok=True)
    (folder / REASON).write_text(reason + "\n", encoding="utf-8")
    if interrupted:
        (folder / INTERRUPTED).touch()
    folder.rename(target)

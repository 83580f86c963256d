"""The spool of a node: folders on disk, moved by renames, so that a crash loses nothing.

A series is known by its key, a digest of its SeriesInstanceUID; folders and logs show keys alone::

    receiving/KEY   instances as they come; `.ended` once an association that sent some has ended
    ready/KEY       complete and quiet, waits for its turn
    work/KEY        source/ and what is being made of it; on a start source/ goes back to ready
    outbox/KEY      source/, enhanced/ and further results, to be sent; `journal` says what is
    aside/KEY       refused or interrupted; reason.txt states why
    done/KEY        a line for each instance of a series that was enhanced and sent

**Invariant.** An instance that was answered with success is on the disk (file and name flushed) in
one of the first five places until one of these happens:

- The derived series has reached the archive. Then the instance is listed in `done` for
  `REMEMBERED_SECONDS`, so that a series that is sent twice is enhanced once. The list is dropped
  earlier if more instances arrive that cannot be enhanced alone; the peer can then send the whole
  series again.
- The series was removed on purpose, because no rule selects it or by the operator. Then nothing
  remembers it.

Whether an instance is kept is always read from the disk, never from memory. An instance that is
sent again and is in none of these places is stored again. No move overwrites or deletes an
instance. Files are named after the digests of the instance UID and of the content.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from medsr.errors import OutputError
from medsr.node.disk import keep_reserve, with_reserve, write_durably
from medsr.volume.atomic import flush_folder

__all__ = [
    "ENDED",
    "GONE",
    "REASON",
    "STAGES",
    "Outcome",
    "digest_of",
    "forget_old",
    "held_bytes",
    "keep_instance",
    "kept",
    "key_of",
    "merge",
    "open_spool",
    "remember",
    "remove",
    "set_aside",
]

STAGES = ("receiving", "ready", "work", "outbox", "aside", "done")
ENDED, REASON = ".ended", "reason.txt"

#: A series may be sent again, and is then enhanced again, after so long.
REMEMBERED_SECONDS = 30 * 24 * 3600.0

#: No series is longer; more instances under one UID are refused.
MAX_INSTANCES = 10_000

#: Suffix of folders in `work` that are being deleted; one rename removes a series.
GONE = ".gone"

Outcome = Literal["new", "same", "differs", "too many"]


def digest_of(data: bytes | memoryview | str) -> str:
    """32 hex digits."""
    raw = data.encode() if isinstance(data, str) else data
    return hashlib.sha256(raw).hexdigest()[:32]


def key_of(series_uid: str) -> str:
    """The name of a series in the spool and in the log: 12 hex digits."""
    return digest_of(series_uid)[:12]


def open_spool(spool: Path) -> FileLock:
    """Make the folders, take the lock, and undo what a kill left half done.

    Returns:
        The lock, held until it is released or the process ends.

    Raises:
        OutputError: not writable, or another node uses it.
    """
    try:
        for stage in STAGES:
            (spool / stage).mkdir(parents=True, exist_ok=True, mode=0o700)
        spool.chmod(0o700)
        lock = FileLock(spool / "lock", mode=0o600)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"{spool.name}: another medsr node uses this spool; stop it or choose another "
            "folder with --spool."
        ) from None
    except OSError as fault:
        raise OutputError(
            f"{spool.name}: cannot be used as the node's spool ({fault.strerror}). Choose "
            "a folder that you may write to with --spool."
        ) from None
    _restore(spool)
    keep_reserve(spool)
    return lock


def _restore(spool: Path) -> None:
    for work in (spool / "work").iterdir():
        if work.suffix != GONE and (work / "source").is_dir():
            merge(work / "source", spool / "ready" / work.name)
        shutil.rmtree(work)
    for part in spool.glob("**/*.part"):
        part.unlink()
    forget_old(spool)


def forget_old(spool: Path) -> None:
    """Drop what is known of series that were sent long ago."""
    for done in (spool / "done").iterdir():
        if time.time() - done.stat().st_mtime > REMEMBERED_SECONDS:
            done.unlink()


def held_bytes(spool: Path) -> int:
    """All that the spool holds, without the reserve."""
    total = 0
    for stage in STAGES:
        for place, _, names in os.walk(spool / stage):
            for name in names:
                with suppress(FileNotFoundError):  # moved on meanwhile
                    total += os.stat(os.path.join(place, name)).st_size
    return total


def kept(spool: Path, key: str) -> dict[str, str]:
    """The instances of a series that the node keeps or has forwarded.

    Returns:
        Digest of the instance UID -> digest of the content, "" where that is not known.
    """
    found: dict[str, str] = {}
    for place in ("receiving/{}", "ready/{}", "work/{}/source", "outbox/{}/source", "aside/{}"):
        with suppress(FileNotFoundError):
            for entry in os.scandir(spool / place.format(key)):
                if entry.name.endswith(".dcm"):
                    name, _, content = entry.name.removesuffix(".dcm").partition(".")
                    found[name] = content
    with suppress(FileNotFoundError):
        lines = (spool / "done" / key).read_text().split("\n")
        found.update(line.split(" ", 1) for line in lines if " " in line)  # type: ignore[misc]
    return found


def keep_instance(spool: Path, key: str, instance_uid: str, data: bytes, content: str) -> Outcome:
    """Write one instance, unless it is on the disk already.

    Args:
        spool: the folder.
        key: of its series.
        instance_uid: SOPInstanceUID.
        data: the whole file.
        content: digest of what makes two copies the same.

    Raises:
        OSError: the disk is full.
    """
    seen, name = kept(spool, key), digest_of(instance_uid)
    if name in seen:
        return "same" if seen[name] in (content, "") else "differs"
    if len(seen) >= MAX_INSTANCES:
        return "too many"
    folder = spool / "receiving" / key
    if not folder.exists():
        folder.mkdir()
        flush_folder(folder.parent)
    (folder / ENDED).unlink(missing_ok=True)
    write_durably(folder / f"{name}.{content}.dcm", data)
    return "new"


def merge(folder: Path, target: Path) -> None:
    """Move the files of a series to another place; one by one if some are there already."""
    if not target.exists():
        folder.rename(target)
        return
    for file in sorted(folder.iterdir()):
        file.replace(target / file.name)  # the same name means the same content
    folder.rmdir()


def set_aside(spool: Path, folder: Path, key: str, reason: str) -> None:
    """Move the instances of a series to aside/KEY, next to those already there, with the reason.

    Args:
        spool: the folder.
        folder: that holds the instances.
        key: of the series.
        reason: a sentence.
    """
    text = (reason + "\n").encode()
    with_reserve(spool, lambda: write_durably(folder / REASON, text))
    (folder / ENDED).unlink(missing_ok=True)
    merge(folder, spool / "aside" / key)


def remember(spool: Path, key: str, source: Path) -> None:
    """List the instances of a series that was enhanced and forwarded."""
    names = sorted(file.name.removesuffix(".dcm") for file in source.glob("*.dcm"))
    lines = [" ".join(name.partition(".")[::2]) for name in names]
    done = spool / "done" / key
    if done.exists():
        lines = [*done.read_text().split("\n"), *lines]
    text = "".join(f"{line}\n" for line in dict.fromkeys(lines) if line).encode()
    with_reserve(spool, lambda: write_durably(done, text))


def remove(spool: Path, folder: Path, key: str) -> None:
    """Delete a series on purpose; one rename removes all of it, even if the node is killed."""
    gone = spool / "work" / f"{key}{GONE}"
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone)

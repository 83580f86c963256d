"""Writing that survives a power failure, and a reserve for a full disk.

Freeing space needs space: a series leaves the outbox only after the journal has recorded what the
archive accepted. So the spool contains a file of `RESERVE_BYTES`. When the disk is full, the
node's own records may use its space; received instances and results never do.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from medsr.volume.atomic import flush_folder

__all__ = [
    "RESERVE_BYTES",
    "free_bytes",
    "keep_reserve",
    "note",
    "with_reserve",
    "write_durably",
]

#: Enough for the records of some ten thousand instances.
RESERVE_BYTES = 4 * 1024**2

RESERVE = "reserve"

FULL = (errno.ENOSPC, errno.EDQUOT)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file; when this returns, it is on the disk, complete and under its name.

    Raises:
        OSError: nothing is left of it.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def note(path: Path, line: str) -> None:
    """Append a line and flush it to the disk.

    Raises:
        OSError: the file is as it was.
    """
    raw = f"{line}\n".encode()
    with path.open("ab") as stream:
        before = stream.tell()
        try:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:
            with suppress(OSError):
                os.truncate(path, before)
            raise


def free_bytes(spool: Path) -> int:
    """Free space on the disk of a folder."""
    return shutil.disk_usage(spool).free


def keep_reserve(spool: Path) -> None:
    """Create the reserve if it is missing and there is room for it."""
    reserve = spool / RESERVE
    with suppress(OSError):
        if reserve.exists() and reserve.stat().st_size == RESERVE_BYTES:
            return
        if free_bytes(spool) > 2 * RESERVE_BYTES:
            write_durably(reserve, os.urandom(RESERVE_BYTES))  # random: disks may compress zeros


def with_reserve(spool: Path, act: Callable[[], None]) -> None:
    """Write something small; if the disk is full, free the reserve and try again.

    Args:
        spool: that holds the reserve.
        act: writes it; called a second time after the reserve was freed.

    Raises:
        OSError: there is another reason, or the reserve is already used.
    """
    try:
        act()
    except OSError as fault:
        if fault.errno not in FULL or not (spool / RESERVE).exists():
            raise
        (spool / RESERVE).unlink()
        act()

"""A folder that appears whole or not at all.

It is filled under a hidden name beside its own and renamed once. A fault removes what was
written; after a kill the hidden folder stays, is never taken for the result, and the next run for
the same folder empties it. A lock on a hidden file beside it keeps two runs apart; the system
releases it when its process ends, however it ends.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from medsr.errors import OutputError

__all__ = ["check_target", "is_mine", "whole_folder", "write_text"]


def check_target(folder: Path, pattern: str, *, overwrite: bool) -> None:
    """Refuse a target that is in use, before any work is done.

    Args:
        folder: to be written.
        pattern: of the names that medsr writes there; a folder with others is never replaced.
        overwrite: whether a folder that medsr wrote may be replaced.

    Raises:
        OutputError: it exists, and may not be replaced.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder.name}: is a file; expected a folder to write a series into.")
    held = list(folder.iterdir())
    strangers = [entry for entry in held if not entry.match(pattern)]
    if strangers:
        raise OutputError(
            f"{folder.name}: holds {len(strangers)} files that medsr did not write, so it is not "
            "replaced. Choose a new folder."
        )
    if held and not overwrite:
        raise OutputError(f"{folder.name}: exists already; give --overwrite to replace it.")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder to fill; renamed to `folder` at the end, removed on a fault.

    Raises:
        OutputError: another run is writing it, or the disk is full or not writable.
    """
    folder = folder.absolute()
    partial = folder.with_name(f".{folder.name}.partial")
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"{folder.name}: another medsr is writing it now; wait for it, or choose another."
        ) from None
    except OSError as fault:
        raise _unwritable(folder, fault) from None
    try:
        partial.mkdir(exist_ok=True)
        _empty(partial)
        if _aside(folder).exists() and not folder.exists():
            _aside(folder).rename(folder)  # killed between the two renames below
        yield partial
        _take_place(partial, folder)
    except BaseException as fault:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(fault, OSError):
            raise _unwritable(folder, fault) from None
        raise
    finally:
        with suppress(OSError):  # Windows keeps the name of an open file
            os.unlink(lock.lock_file)
        lock.release()


def is_mine(lock: int) -> bool:
    """Lock an open file or folder until it is closed; where another holds it, close it: False."""
    import fcntl  # not on Windows

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    return True


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        entry.unlink()


def _aside(folder: Path) -> Path:
    """Where an older version waits while the new one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def _take_place(partial: Path, folder: Path) -> None:
    """One rename; an older version steps aside first and is removed afterwards."""
    if not folder.exists() or not any(folder.iterdir()):
        partial.rename(folder)
        return
    old = _aside(folder)
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old)


def _unwritable(folder: Path, fault: OSError) -> OutputError:
    cause = fault.__context__  # pydicom raises anew, without the number
    reason = fault.strerror or (cause.strerror if isinstance(cause, OSError) else None)
    return OutputError(
        f"{folder.name}: cannot be written ({reason or 'unknown reason'}); nothing is "
        "left of it. Choose a folder that is yours and has room."
    )


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text beside its place, then move it there.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as fault:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(
            f"{path.name}: cannot be written ({fault.strerror or 'unknown reason'}). "
            "Choose a folder that exists, is yours and has room."
        ) from None

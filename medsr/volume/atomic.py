"""Files and folders that are written atomically.

Everything is written into a hidden folder beside its place, flushed to the disk, and then renamed.
A fault removes what was written. After a kill the hidden folder stays; it is never taken for a
result, and the next run for the same place empties it. A lock in it keeps two runs apart; the
system releases it when its process ends, however it ends.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from medsr.errors import OutputError

__all__ = [
    "Move",
    "atomic_folder",
    "check_target",
    "check_writable",
    "commit",
    "flush",
    "flush_folder",
    "output_faults",
    "staging",
    "write_text",
]

#: What was written, and its place.
Move = tuple[Path, Path]

#: Begins the name of an older version while the new one takes its place.
REPLACED = "replaced."

LOCK = "lock"


def check_target(folder: Path, pattern: str, *, overwrite: bool) -> None:
    """Refuse a folder that is in use, before any work is done.

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
    found = list(folder.iterdir())
    foreign = [entry for entry in found if not entry.match(pattern)]
    if foreign:
        raise OutputError(
            f"{folder.name}: contains {len(foreign)} files that medsr did not write, so "
            "it is not replaced. Choose a new folder."
        )
    if found and not overwrite:
        raise OutputError(f"{folder.name}: already exists; use --overwrite to replace it.")


def check_writable(path: Path) -> None:
    """Refuse a place that cannot be written, before any work is done.

    Raises:
        OutputError: the path has no name, or an existing parent is not a folder or not writable.
    """
    if not path.name or path.name == "..":
        raise OutputError(
            f"{path}: is a folder with other contents. Choose another name for the result."
        )
    there = next(p for p in path.absolute().parents if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path.name}: the folder is not writable. Choose an existing folder that you "
            "may write to."
        )


@contextmanager
def staging(place: Path) -> Iterator[Path]:
    """A hidden folder beside a place, to write into; removed in the end.

    Raises:
        OutputError: another run is writing there, or the disk is full or not writable.
    """
    check_writable(place)
    place = place.absolute()
    partial = place.with_name(f".{place.name}.partial")
    with output_faults(place.name):
        place.parent.mkdir(parents=True, exist_ok=True)
        _make_own(partial)
        lock = FileLock(partial / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise OutputError(
                f"{place.name}: another medsr process is writing this folder. Wait for "
                "it, or choose another folder."
            ) from None
    try:
        with output_faults(place.name):
            _undo_half_a_replacement(partial, place.parent)
            _empty(partial)
        yield partial
    finally:
        _remove(partial, lock)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes its place at the end, or nothing.

    Args:
        folder: its place; an older version is replaced.

    Raises:
        OutputError: another run is writing it, or the disk is full or not writable.
    """
    with staging(folder) as partial, output_faults(folder.name):
        content = partial / "content"
        content.mkdir()
        yield content
        commit([(content, folder.absolute())], partial)


def commit(moves: Sequence[Move], partial: Path, stale: Iterable[Path] = ()) -> None:
    """Move what was written into place, in order, after removing what is stale.

    Args:
        moves: what was written, on the same disk as its place.
        partial: a folder on that disk, for older versions; see `staging`.
        stale: files and folders that the new version replaces.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    for written, place in moves:
        flush(written)
        place.parent.mkdir(parents=True, exist_ok=True)
    for old in stale:
        _step_aside(old, partial)
    for written, place in moves:
        if place.is_dir() and not place.is_symlink():
            _step_aside(place, partial)
        written.replace(place)
    for folder in {place.parent for _, place in moves}:
        flush_folder(folder)


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text atomically.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    check_writable(path)
    with output_faults(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".medsr-", suffix=".partial", dir=path.parent)
        partial = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
            partial.chmod(0o666 & ~_umask())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def output_faults(name: str) -> Iterator[None]:
    """Turn faults of the disk into an `OutputError` that names the output."""
    try:
        yield
    except OSError as fault:
        cause = fault.__context__  # pydicom raises anew, without the number
        first = cause if fault.errno is None and isinstance(cause, OSError) else fault
        full = first.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else (first.strerror or "unknown reason")
        raise OutputError(
            f"{name}: cannot be written ({why}); no partial output was left. Choose an "
            "existing folder that you may write to, with enough free space."
        ) from None


def flush(path: Path) -> None:
    """Flush a file, or all files of a folder, to the disk before a rename."""
    if path.is_dir():
        for entry in path.iterdir():
            flush(entry)
        flush_folder(path)
        return
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """The same for the names in a folder."""
    with suppress(OSError):  # not every network disk can, nor Windows
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _make_own(folder: Path) -> None:
    """A folder of our own: a link that somebody planted there is not followed."""
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.lstat().st_uid not in (os.getuid(), 0):
        raise PermissionError(errno.EPERM, "the hidden folder belongs to another user")


def _undo_half_a_replacement(partial: Path, parent: Path) -> None:
    """After a kill between the two renames of a replacement the older version comes back."""
    for old in partial.glob(f"{REPLACED}*"):
        place = parent / old.name.removeprefix(REPLACED)
        if not place.exists():
            old.rename(place)


def _step_aside(old: Path, partial: Path) -> None:
    """An old file goes; an old folder goes by one rename, so that it is never seen in part."""
    if old.is_dir() and not old.is_symlink():
        aside = partial / f"{REPLACED}{old.name}"
        shutil.rmtree(aside, ignore_errors=True)
        old.rename(aside)
    else:
        old.unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _remove(partial: Path, lock: FileLock) -> None:
    with suppress(OSError):
        _empty(partial)
        if os.name == "posix":  # an open file cannot be removed elsewhere
            (partial / LOCK).unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        (partial / LOCK).unlink(missing_ok=True)
        partial.rmdir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

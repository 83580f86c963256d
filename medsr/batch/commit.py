"""An output appears whole or not at all: written aside, flushed, renamed.

Order, so that a power cut at any moment leaves a state that `record.state_of` reads rightly: an
old image goes first, then its record is replaced, and the new image appears last.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medsr.batch.job import Item, Job
from medsr.batch.naming import page_path
from medsr.batch.resume import outdated
from medsr.errors import OutputError
from medsr.results.write import Finished, flush_folder, grown

__all__ = [
    "check_room",
    "clear_partials",
    "hidden_folder",
    "write_aside",
    "write_output",
]


def hidden_folder(out: Path) -> Path:
    """Where claims lie and files grow before they are renamed; gone when nothing is under way.

    The claim of a scan stands in it while the scan's files grow, so nobody can remove it then.
    """
    return out / ".medsr"


def check_room(item: Item, job: Job) -> None:
    """Refuse to start work whose result would not fit.

    Raises:
        OutputError: the disk has less room than the output can take.
    """
    free, most = shutil.disk_usage(job.out).free, job.most_bytes(item)
    if free < most:
        raise OutputError(
            f"the disk of the output folder has {free / 1e6:.3g} MB left; this scan can take "
            f"{most / 1e6:.3g} MB. Make room and give the command again."
        )


def write_output(
    item: Item, job: Job, finished: Finished, before_commit: Callable[[], None]
) -> None:
    """Write all that a scan becomes; the image appears last.

    Args:
        item: the scan.
        job: where the outputs go.
        finished: the scan, measured and restored, with its record.
        before_commit: called when all is written and nothing renamed; may raise.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    folder = hidden_folder(job.out)
    stem = folder / f"{item.key}.{os.getpid()}"
    with _in_words(), _removed(folder, item.key):
        moves = grown(item, job, finished, stem)
        before_commit()
        for _, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
        for old in (*outdated(item, job), page_path(job.out, item.key)):
            _step_aside(old, stem)
        for source, target in moves:
            if source.is_dir() and target.is_dir():
                _step_aside(target, stem)
            source.replace(target)
        flush_folder((job.out / item.output).parent)


def _step_aside(old: Path, stem: Path) -> None:
    """An old file goes; an old folder goes by one rename, so that it is never seen in part."""
    if old.is_dir():
        old.rename(stem.with_name(f"{stem.name}.old.{old.name}"))
    else:
        old.unlink(missing_ok=True)


def write_aside(path: Path, words: str) -> None:
    """Write a text whole or not at all.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    folder = hidden_folder(path.parent)
    partial = folder / f"{path.name.replace('.', '_')}.{os.getpid()}.partial"
    with _in_words():
        for last in (False, True):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                partial.write_text(words, encoding="utf-8")
                partial.replace(path)
                return
            except FileNotFoundError:  # another run has just tidied up
                if last:
                    raise
            finally:
                partial.unlink(missing_ok=True)


def clear_partials(out: Path, key: str) -> None:
    """Remove what a dead holder of a scan left behind; for the holder of its claim alone."""
    _remove(hidden_folder(out).glob(f"{key}.*.*"))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _removed(folder: Path, key: str) -> Iterator[None]:
    """Whatever happens, nothing of this process stays in the folder of unfinished files."""
    try:
        yield
    finally:
        _remove(folder.glob(f"{key}.{os.getpid()}.*"))


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        cause = fault.__context__  # pydicom raises anew, without the number
        first = cause if fault.errno is None and isinstance(cause, OSError) else fault
        full = first.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else (first.strerror or "unknown reason")
        raise OutputError(
            f"the output folder cannot be written ({why}). Make room or choose a folder that "
            "exists and is yours, and give the command again."
        ) from None

"""Which files lie below a folder? One at a time, so that a million of them take no memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["Unreadable", "walk", "wanted"]

#: Where macOS keeps its resource forks.
FORK_FOLDER = "__MACOSX"


class Unreadable(str):
    """A folder, relative to the root, that cannot be listed."""


def walk(root: Path, skip: Path, enter: Callable[[str], bool]) -> Iterator[str]:
    """Every file below `root`, as a sorted stream of relative paths with forward slashes.

    Hidden files and folders, and the folder `skip`, are left out. Links to folders are not
    followed: a loop would never end.

    Args:
        root: where to look.
        skip: an absolute folder that is not entered: the output.
        enter: says of a relative folder whether to go into it.

    Returns:
        Relative paths; an `Unreadable` for each folder that cannot be listed.
    """
    return _below(str(root), "", str(skip), enter)


def _below(root: str, folder: str, skip: str, enter: Callable[[str], bool]) -> Iterator[str]:
    try:
        with os.scandir(os.path.join(root, folder)) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        yield Unreadable(folder)
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == FORK_FOLDER:
            continue
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            if os.path.join(root, path) != skip and enter(path):
                yield from _below(root, path, skip, enter)
        elif entry.is_file():
            yield path


def wanted(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a relative path passes the patterns; `*` also crosses folders.

    >>> wanted("a/b/c.dcm", ["a/*"], []), wanted("a/b/c.dcm", [], ["*.dcm"])
    (True, False)
    """
    if include and not any(fnmatchcase(path, pattern) for pattern in include):
        return False
    return not any(fnmatchcase(path, pattern) for pattern in exclude)

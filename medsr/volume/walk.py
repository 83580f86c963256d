"""Lists every file below a folder; follows links, avoids loops, and names missing content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medsr.volume.sidecar import IMAGE_SUFFIXES

__all__ = ["Dangling", "Unreadable", "is_hidden", "walk"]

#: Where macOS keeps its resource forks.
FORK_FOLDER = "__MACOSX"


class Unreadable(str):
    """A folder, relative to the root, that cannot be listed."""


class Dangling(str):
    """A link, relative to the root, to a missing file with the name of an image."""


#: Links to folders that may lie one in another; a study tree has one or two.
DEEPEST_LINKS = 4

#: Which file a folder is: device and number.
Identity = tuple[int, int]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out of a search: its name begins with a dot, or macOS's.

    >>> is_hidden("._IM0001.dcm"), is_hidden("__MACOSX"), is_hidden("IM0001.dcm")
    (True, True, False)
    """
    return name.startswith(".") or name == FORK_FOLDER


def _everywhere(_: str) -> bool:
    return True


def walk(
    root: Path, skip: Path | None = None, enter: Callable[[str], bool] = _everywhere
) -> Iterator[str]:
    """Every file below `root`, as a sorted stream of relative paths with forward slashes.

    Hidden files and folders, and the folder `skip`, are left out. Links to folders are followed,
    but not one that leads back to a folder above itself.

    Args:
        root: where to look.
        skip: a folder that is not entered: the output.
        enter: says of a relative folder whether to go into it.

    Returns:
        Relative paths; an `Unreadable` for each folder that cannot be listed, a `Dangling` for
        each link to a missing image.
    """
    closed = [_identity(str(folder)) for folder in (root, skip) if folder is not None]
    return _below(str(root), "", _Way(tuple(closed), 0), enter)


@dataclass(frozen=True, slots=True)
class _Way:
    """The folders that may not be entered again, and how many links led here."""

    closed: tuple[Identity | None, ...]
    links: int


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _below(root: str, folder: str, way: _Way, enter: Callable[[str], bool]) -> Iterator[str]:
    try:
        with os.scandir(os.path.join(root, folder)) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        yield Unreadable(folder)
        return
    for entry in entries:
        if is_hidden(entry.name):
            continue
        path = f"{folder}/{entry.name}" if folder else entry.name
        if _is(entry.is_dir):
            onward = _onward(entry, way)
            if onward is not None and enter(path):
                yield from _below(root, path, onward, enter)
        elif _is(entry.is_file):
            yield path
        elif entry.is_symlink() and _like_image(entry.name):
            yield Dangling(path)
        elif entry.name.lower().endswith(IMAGE_SUFFIXES):
            yield path  # a pipe, say: the reader has words for it


def _onward(entry: os.DirEntry[str], way: _Way) -> _Way | None:
    """The way into a folder; None for the output, a loop, and links in links in links."""
    identity = _identity(entry.path)
    links = way.links + entry.is_symlink()
    if identity is None or identity in way.closed or links > DEEPEST_LINKS:
        return None
    return _Way((*way.closed, identity), links)


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link that leads back to itself
        return False


def _like_image(name: str) -> bool:
    """Whether an image may have a name: that of an image file, .dcm, a number, no ending."""
    ending = os.path.splitext(name)[1].lower()
    dicom = ending in ("", ".dcm", ".dicom", ".ima") or ending[1:].isdigit()
    return dicom or name.lower().endswith(IMAGE_SUFFIXES)

"""Removes copies of the same SOP instance.

An archive that sends an image again may change its header (who sent it, when) and its transfer
syntax. Files of one instance are one image when their geometry, their scaling and their pixels
agree; otherwise one of them is wrong, and the series is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.volume.dicom.dataset import check_regular, guard
from medsr.volume.dicom.read.decode_pool import decode_each
from medsr.volume.dicom.read.frames import Frame, frames_of
from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.read.raw_pixels import stored_values

__all__ = ["facts_of", "instance_fault", "without_copies"]


def without_copies(files: Sequence[FileHeader]) -> list[FileHeader]:
    """Leave out files that hold an image which another file holds too.

    Args:
        files: of one series; the first of each instance stays.

    Raises:
        InputError: a file can no longer be read.
        Refused: two files have the UID of one image but differ.
    """
    by_instance: dict[str, list[FileHeader]] = {}
    for file in files:
        by_instance.setdefault(file.instance or str(file.path), []).append(file)
    for same in by_instance.values():
        contents = {_digest(file.path): file for file in reversed(same)} if same[1:] else {}
        first = same[0]
        for other in contents.values():
            if other is not first:
                _check_same(first, other)
    return [same[0] for same in by_instance.values()]


def _digest(path: Path) -> bytes:
    return guard(path, lambda: hashlib.sha256(_content(path)).digest())


def _content(path: Path) -> bytes:
    check_regular(path)
    return path.read_bytes()


def instance_fault(first: str, second: str, what: str) -> str:
    """The sentence on two different files with the UID of one image.

    Args:
        first, second: names of the files.
        what: they differ in.
    """
    return (
        f"{first} and {second} have the same SOPInstanceUID, which identifies a single "
        f"image, but differ in {what}. Keep the right one, or export the series again."
    )


def _check_same(first: FileHeader, other: FileHeader) -> None:
    ours, theirs = frames_of(first), frames_of(other)
    names = first.path.name, other.path.name
    if [facts_of(frame) for frame in ours] != [facts_of(frame) for frame in theirs]:
        raise Refused(instance_fault(*names, "position, scaling or kind"))
    if not np.array_equal(_pixels(first, ours), _pixels(other, theirs)):
        raise Refused(instance_fault(*names, "their pixels"))


def facts_of(frame: Frame) -> Frame:
    """All that governs how a frame is read and placed, but for the file that holds it."""
    return replace(frame, path=Path(), raw=None, packed=False)


def _pixels(file: FileHeader, frames: Sequence[Frame]) -> NDArray[Any]:
    """Stored values, [frames, rows, columns]."""
    content = guard(file.path, lambda: _content(file.path))
    raw = [
        stored_values(content, frame.raw, frame.shape) if frame.raw else None for frame in frames
    ]
    planes = [plane for plane in raw if plane is not None]
    if len(planes) == len(frames):
        return np.stack(planes)
    found: list[NDArray[Any]] = []
    rows, columns = file.shape or (0, 0)
    decode_each([file.path], rows * columns * len(frames), lambda _, pixels: found.append(pixels))
    return found[0]

"""The bytes of an image file: opened safely, bounded, and every fault in words."""

from __future__ import annotations

import errno
import gzip
import math
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import psutil
from isal import igzip
from numpy.typing import NDArray

from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.missing import why_not_here

__all__ = [
    "BLOCK",
    "check_declared",
    "check_fits",
    "check_range",
    "damaged",
    "faults_in_words",
    "opened_file",
    "skip",
    "stored_bytes",
    "unpacked",
]

#: A deflated stream is at most 1032 times smaller than its content (zlib, technical details).
MOST_DEFLATED = 1032

#: Bytes read at once.
BLOCK = 1 << 20

#: No scan has larger values; their squares would leave the range of a float.
LARGEST_VALUE = 1e12

_CHECKSUM = "its content does not match its gzip checksum"


@contextmanager
def faults_in_words(path: Path, form: str = "NIfTI") -> Iterator[None]:
    """The one boundary: whatever a file does to a library becomes an error of medsr.

    Args:
        path: the file.
        form: the format that it should have.

    Raises:
        InputError: for any fault that is not an error of medsr already.
    """
    try:
        with np.errstate(all="ignore"):  # numbers that are none are judged, not warned of
            yield
    except MedsrError:
        raise
    except FileNotFoundError:
        raise InputError(why_not_here(path)) from None
    except PermissionError:
        raise InputError(f"{path.name}: no permission to read this file.") from None
    except MemoryError:
        raise InputError(
            f"{path.name}: the header declares more voxels than fit into memory. The file "
            "is damaged, or the scan must be cropped first."
        ) from None
    except EOFError:
        raise InputError(
            f"{path.name}: its gzip content does not end as it should: the file is truncated, or "
            "other bytes follow. Copy or download it again."
        ) from None
    except gzip.BadGzipFile as fault:
        other = "Not a gzipped file" in str(fault)
        raise InputError(
            f"{path.name}: "
            + ("other bytes follow its gzip content" if other else _CHECKSUM)
            + "; it was damaged in storage or transfer. Copy or download it again."
        ) from None
    except OSError as fault:
        if fault.errno is None:
            raise damaged(path, form) from None
        why = os.strerror(fault.errno)
        raise InputError(f"{path.name}: cannot be read ({why}).") from None
    except Exception:  # a header may drive a library anywhere: Key-, Overflow-, RecursionError ...
        raise damaged(path, form) from None


def damaged(path: Path, form: str) -> InputError:
    """The error on a file that cannot be read, where no more is known of its fault."""
    return InputError(
        f"{path.name}: cannot be read as {form}; it is damaged, truncated or another format. "
        "Copy or convert it again."
    )


def check_range(values: NDArray[Any], name: str) -> None:
    """Refuse numbers that no scanner writes; those that are none are counted by `Volume`."""
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high))
    if math.isfinite(largest) and largest > LARGEST_VALUE:
        raise Refused(
            f"{name}: has values from {low:.3g} to {high:.3g}, which are not plausible "
            "for a scan; the file is damaged or was written in another byte order. "
            "Convert it again."
        )


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading; a pipe or a device is never opened."""
    try:
        kind = path.stat().st_mode
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            raise InputError(f"{path.name}: is a link that leads back to itself.") from None
        raise
    if stat.S_ISDIR(kind):
        raise InputError(
            f"{path.name}: is a folder with the name of an image file. Give the file in it."
        )
    if not stat.S_ISREG(kind):
        raise InputError(f"{path.name}: is a pipe or a device, not a file.")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as raw:
        yield raw


@contextmanager
def unpacked(raw: BinaryIO, packed: bool) -> Iterator[BinaryIO]:
    """The content of a file; that of a gzip file is checked at its end."""
    if not packed:
        yield raw
        return
    with igzip.GzipFile(fileobj=raw, mode="rb") as stream:
        yield cast(BinaryIO, stream)


def check_declared(
    shape: Sequence[int], announced: int, size: int, name: str, *, packed: bool
) -> None:
    """Check what a header declares against the size of its file, before anything is read.

    Args:
        shape: declared.
        announced: bytes of header and voxels.
        size: of the file, bytes.
        name: of the file.
        packed: whether its content is compressed.

    Raises:
        InputError: the file is too short.
    """
    if announced > (size * MOST_DEFLATED if packed else size):
        words = " x ".join(str(n) for n in shape)
        raise InputError(
            f"{name}: the header declares {words} voxels ({announced} bytes), and the "
            f"file has {size} bytes{' of gzip' if packed else ''}; it is truncated or "
            "damaged. Copy it again."
        )


def check_fits(stored: int, shape: Sequence[int], name: str) -> None:
    """Refuse what cannot fit into this machine: the stored voxels and those that are read.

    Raises:
        Refused: it needs more than the physical memory.
    """
    needed = stored + 4 * math.prod(int(n) for n in shape)
    there = psutil.virtual_memory().total
    if needed > there:
        words = " x ".join(str(n) for n in shape)
        raise Refused(
            f"{name}: has {words} voxels, which need {needed / 1e9:.0f} GB of memory; this "
            f"machine has {there / 1e9:.0f} GB. Crop the scan first."
        )


def skip(stream: BinaryIO, count: int) -> None:
    """Read so many bytes and forget them; EOFError where the stream ends before."""
    while count > 0:
        block = stream.read(min(count, BLOCK))
        if not block:
            raise EOFError
        count -= len(block)


def stored_bytes(stream: BinaryIO, count: int, name: str) -> NDArray[np.uint8]:
    """The bytes of the voxels; memory is touched only as they arrive."""
    stored = np.empty(count, dtype=np.uint8)
    view = memoryview(cast(Any, stored))
    done = 0
    while done < count:
        got = stream.readinto(view[done : done + BLOCK])  # type: ignore[attr-defined]
        if not got:
            raise InputError(
                f"{name}: the header declares {count} bytes of voxels, and the file has "
                f"{done}; it is truncated. Copy it again."
            )
        done += got
    return stored

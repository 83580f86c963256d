"""One NIfTI file: opened safely, checked against its header, read to its end.

Nothing is allocated before the header has been compared with the file, and a gzip stream is read
to its end, because its checksum stands there. Compression is recognised by content, not by name.
"""

from __future__ import annotations

import errno
import gzip
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import psutil
from isal import igzip
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.missing import why_not_here
from medsr.volume.nifti_header import (
    check_content,
    parse_header,
    slope_and_intercept,
    voxel_bytes,
)

__all__ = ["NiftiFile", "faults_in_words", "open_nifti"]

#: A deflated stream is at most 1032 times smaller than its content (zlib, technical details).
MOST_DEFLATED = 1032

#: What may follow the voxels: padding to a block of some file systems and archives.
MOST_SURPLUS = 4096

#: Bytes read at once.
BLOCK = 1 << 20

#: No scan has larger values; their squares would leave the range of a float.
LARGEST_VALUE = 1e12

#: Read for the header: it and most extensions.
FIRST_BYTES = 1 << 16

#: First bytes of what people also call .nii.
_OTHER_FORMATS = (
    (b"\xfd7zXZ", "is compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd"),
    (b"BZh", "is compressed with bzip2"),
    (b"PK\x03\x04", "is a zip archive"),
    (b"7z\xbc\xaf", "is a 7z archive"),
)


_CHECKSUM = "its content does not match its gzip checksum"


@contextmanager
def faults_in_words(path: Path) -> Iterator[None]:
    """The one boundary: whatever a file does to a library becomes an error of medsr.

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
            raise _damaged(path) from None
        why = os.strerror(fault.errno)
        raise InputError(f"{path.name}: cannot be read ({why}).") from None
    except Exception:  # a header may drive a library anywhere: Key-, Overflow-, RecursionError ...
        raise _damaged(path) from None


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path.name}: cannot be read as NIfTI; it is damaged, truncated or another format. "
        "Copy or convert it again."
    )


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """One NIfTI file whose header agrees with its size.

    Attributes:
        path: the file.
        header: of nibabel, NIfTI-1 or NIfTI-2, repaired as nibabel does.
        packed: whether the content is gzip.
        deflated: how many times larger its voxels are than the file; 1 where it is not packed.
    """

    path: Path
    header: Any
    packed: bool
    deflated: float

    def voxels(self) -> NDArray[np.float32]:
        """All voxels after slope and intercept, float32, in Fortran order.

        Raises:
            InputError: the file ends early, goes on after its voxels, or fails its checksum.
        """
        name = self.path.name
        slope, intercept = slope_and_intercept(self.header, name)
        with (
            faults_in_words(self.path),
            _opened(self.path) as raw,
            _unpacked(raw, self.packed) as (stream),
        ):
            _skip(stream, int(self.header["vox_offset"]))
            stored = _stored(stream, voxel_bytes(self.header), name)
            _check_end(stream, self.header, name)
            shape = self.header.get_data_shape()
            array = stored.view(self.header.get_data_dtype()).reshape(shape, order="F")
            scaled = apply_read_scaling(array, np.float64(slope), np.float64(intercept))
            _check_range(scaled, name)
            return np.asarray(scaled, dtype=np.float32)


def _check_range(values: NDArray[Any], name: str) -> None:
    """Refuse numbers that no scanner writes; those that are none are counted by `Volume`."""
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high))
    if math.isfinite(largest) and largest > LARGEST_VALUE:
        raise Refused(
            f"{name}: has values from {low:.3g} to {high:.3g}, which are not plausible "
            "for a scan; the file is damaged or was written in another byte order. "
            "Convert it again."
        )


def open_nifti(path: Path) -> NiftiFile:
    """The header of a file, checked against the file.

    Raises:
        InputError: missing, not a regular file, another format, damaged, or too short for its
            header.
        Refused: it contains what medsr does not support, or more than this machine's memory.
    """
    with faults_in_words(path), _opened(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with _unpacked(raw, packed) as stream:
            first = stream.read(FIRST_BYTES)
        for magic, words in _OTHER_FORMATS:
            if first.startswith(magic):
                raise InputError(f"{path.name}: {words}, not with gzip. Unpack it first.")
        header = parse_header(first, path.name)
        check_content(header, path.name)
        _check_size(header, size, packed, path.name)
        _check_memory(header, path.name)
        if not packed:
            raw.seek(int(header["vox_offset"]) + voxel_bytes(header))
            _check_end(raw, header, path.name)
    return NiftiFile(path, header, packed, voxel_bytes(header) / size if packed else 1.0)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading; a pipe or a device is never opened."""
    try:
        kind = path.stat().st_mode
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            raise InputError(f"{path.name}: is a link that leads back to itself.") from None
        raise
    if stat.S_ISDIR(kind):
        raise InputError(
            f"{path.name}: is a folder with the name of a NIfTI file. Give the file in it."
        )
    if not stat.S_ISREG(kind):
        raise InputError(f"{path.name}: is a pipe or a device, not a file.")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as raw:
        yield raw


@contextmanager
def _unpacked(raw: BinaryIO, packed: bool) -> Iterator[BinaryIO]:
    """The content of a file; that of a gzip file is checked at its end."""
    if not packed:
        yield raw
        return
    with igzip.GzipFile(fileobj=raw, mode="rb") as stream:
        yield cast(BinaryIO, stream)


def _check_size(header: Any, size: int, packed: bool, name: str) -> None:
    """Check what the header declares against the size of the file, before anything is read."""
    announced = int(header["vox_offset"]) + voxel_bytes(header)
    if announced > (size * MOST_DEFLATED if packed else size):
        shape = " x ".join(str(n) for n in header.get_data_shape())
        raise InputError(
            f"{name}: the header declares {shape} voxels ({announced} bytes), and the "
            f"file has {size} bytes{' of gzip' if packed else ''}; it is truncated or "
            "damaged. Copy it again."
        )


def _check_memory(header: Any, name: str) -> None:
    stored = voxel_bytes(header)
    needed = stored + 4 * math.prod(int(n) for n in header.get_data_shape())
    there = psutil.virtual_memory().total
    if needed > there:
        shape = " x ".join(str(n) for n in header.get_data_shape())
        raise Refused(
            f"{name}: has {shape} voxels, which need {needed / 1e9:.0f} GB of memory; this "
            f"machine has {there / 1e9:.0f} GB. Crop the scan first."
        )


def _skip(stream: BinaryIO, count: int) -> None:
    while count > 0:
        block = stream.read(min(count, BLOCK))
        if not block:
            raise EOFError
        count -= len(block)


def _stored(stream: BinaryIO, count: int, name: str) -> NDArray[np.uint8]:
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


def _check_end(stream: BinaryIO, header: Any, name: str) -> None:
    """Read to the end, where gzip has its checksum; refuse undeclared slices."""
    shape = header.get_data_shape()
    plane = math.prod(int(n) for n in shape[:2]) * int(header["bitpix"]) // 8
    rest = stream.read(max(plane, MOST_SURPLUS) + 1)
    padding = len(rest) <= MOST_SURPLUS and not any(rest)
    if len(rest) >= plane and rest and not padding:
        raise InputError(
            f"{name}: the file is at least one slice longer than its header declares; the "
            "header and the file do not belong together. Convert the scan again."
        )

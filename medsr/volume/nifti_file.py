"""One NIfTI file: opened safely, checked against its header, read to its end.

Nothing is allocated before the header has been compared with the file, and a gzip stream is read
to its end, because its checksum stands there. Compression is recognised by content, not by name.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from medsr.errors import InputError
from medsr.volume.file_bytes import (
    check_declared,
    check_fits,
    check_range,
    faults_in_words,
    opened_file,
    skip,
    stored_bytes,
    unpacked,
)
from medsr.volume.nifti_header import (
    check_content,
    parse_header,
    slope_and_intercept,
    voxel_bytes,
)

__all__ = ["NiftiFile", "open_nifti"]

#: What may follow the voxels: padding to a block of some file systems and archives.
MOST_SURPLUS = 4096

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
            opened_file(self.path) as raw,
            unpacked(raw, self.packed) as (stream),
        ):
            skip(stream, int(self.header["vox_offset"]))
            stored = stored_bytes(stream, voxel_bytes(self.header), name)
            _check_end(stream, self.header, name)
            shape = self.header.get_data_shape()
            array = stored.view(self.header.get_data_dtype()).reshape(shape, order="F")
            scaled = apply_read_scaling(array, np.float64(slope), np.float64(intercept))
            check_range(scaled, name)
            return np.asarray(scaled, dtype=np.float32)


def open_nifti(path: Path) -> NiftiFile:
    """The header of a file, checked against the file.

    Raises:
        InputError: missing, not a regular file, another format, damaged, or too short for its
            header.
        Refused: it contains what medsr does not support, or more than this machine's memory.
    """
    with faults_in_words(path), opened_file(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with unpacked(raw, packed) as stream:
            first = stream.read(FIRST_BYTES)
        for magic, words in _OTHER_FORMATS:
            if first.startswith(magic):
                raise InputError(f"{path.name}: {words}, not with gzip. Unpack it first.")
        header = parse_header(first, path.name)
        check_content(header, path.name)
        announced = int(header["vox_offset"]) + voxel_bytes(header)
        check_declared(header.get_data_shape(), announced, size, path.name, packed=packed)
        check_fits(voxel_bytes(header), header.get_data_shape(), path.name)
        if not packed:
            raw.seek(int(header["vox_offset"]) + voxel_bytes(header))
            _check_end(raw, header, path.name)
    return NiftiFile(path, header, packed, voxel_bytes(header) / size if packed else 1.0)


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

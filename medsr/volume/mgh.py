"""Reads .mgz and .mgh, the volumes of FreeSurfer.

nibabel holds the fields and makes the affine. The voxels follow 284 bytes of header; a footer of
any length may follow them. Without a valid RAS flag the file has no place in the patient.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from numpy.typing import NDArray

from medsr.errors import InputError
from medsr.volume.file_bytes import (
    BLOCK,
    check_declared,
    check_fits,
    faults_in_words,
    opened_file,
    skip,
    stored_bytes,
    unpacked,
)
from medsr.volume.image_file import RawImage

__all__ = ["open_mgh"]

#: Where the voxels begin; what the header takes of it.
OFFSET, HEADER_BYTES = 284, 90

FORM = "MGH"

#: 8, 32 and 16-bit integers and 32-bit floats, as nibabel reads them.
TYPES = (0, 1, 4, 3)


def open_mgh(path: Path) -> RawImage:
    """One FreeSurfer volume, its header checked against its size.

    Raises:
        InputError: missing, unreadable, damaged, or another format.
        SeveralVolumes: it has several frames.
        Refused: it is not one volume that medsr can place.
    """
    name = path.name
    with faults_in_words(path, FORM), opened_file(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with unpacked(raw, packed) as stream:
            first = stream.read(OFFSET)
        if len(first) < HEADER_BYTES or int.from_bytes(first[:4], "big") != 1:
            raise InputError(
                f"{name}: does not begin with an MGH header; it is damaged or another format. "
                "Copy or convert it again."
            )
        header: Any = MGHHeader(first, check=False)
        dims = [int(n) for n in header["dims"]]
        if min(dims) < 1 or int(header["type"]) not in TYPES:
            raise InputError(
                f"{name}: its header gives {dims} voxels of type {int(header['type'])}, which "
                "medsr does not read; it is damaged, or has to be converted (mri_convert -odt)."
            )
        kind: np.dtype[Any] = np.dtype(header.get_data_dtype()).newbyteorder(">")
        count = math.prod(dims) * kind.itemsize
        check_declared(dims, OFFSET + count, size, name, packed=packed)
        affine = np.array(header.get_affine(), dtype=np.float64)

    def read() -> NDArray[np.float32]:
        check_fits(count, dims, name)
        with (
            faults_in_words(path, FORM),
            opened_file(path) as raw,
            unpacked(raw, packed) as stream,
        ):
            skip(stream, OFFSET)
            stored = stored_bytes(stream, count, name)
            while stream.read(BLOCK):  # the checksum of gzip is at the end
                pass
        return stored.view(kind).reshape(dims[:3], order="F").astype(np.float32)

    return RawImage(
        path=path,
        shape=tuple(dims[:3] if dims[3] == 1 else dims),
        affine=affine,
        integers=bool(np.issubdtype(kind, np.integer)),
        read=read,
        placed=bool(int(header["goodRASFlag"]) == 1),
    )

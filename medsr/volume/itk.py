"""Reads MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr) with SimpleITK, in a process that may die.

ITK places voxels in LPS+ mm, whatever the header of an NRRD says; medsr turns that into RAS+. The
text of the header is read here, too, for what ITK does not tell: which file has the voxels, and
whether the axes are those of a patient at all.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError, Refused
from medsr.extras import need
from medsr.volume.file_bytes import check_declared, check_fits, damaged, faults_in_words
from medsr.volume.image_file import RawImage
from medsr.volume.itk_header import TextHeader, read_text_header
from medsr.volume.worker import fill, started

__all__ = ["affine_of_lps", "open_itk"]

WORKER = "from medsr.volume.itk_worker import serve; serve()"

#: A file may take so long, and so much memory besides its voxels: many times what is needed.
SECONDS, BYTES_A_SECOND, MEMORY = 120.0, 1 << 20, 4 << 30

#: Numbers that medsr reads, by their names in SimpleITK.
TYPES = {
    **{f"{bits}-bit unsigned integer": f"u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"{bits}-bit signed integer": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    "32-bit float": "f4",
    "64-bit float": "f8",
}

#: LPS+ to RAS+ (DICOM PS3.3 C.7.6.2.1.1; NIfTI-1 qform).
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of_lps(
    directions: Sequence[float], spacing: Sequence[float], origin: Sequence[float]
) -> NDArray[np.float64]:
    """The affine [4, 4], voxel -> RAS+ mm, of an image of ITK.

    Args:
        directions: cosines of the axes in LPS+, row by row, 9 or, of four axes, 16.
        spacing: along each axis, mm.
        origin: of the first voxel's centre, LPS+ mm.

    >>> affine_of_lps([1, 0, 0, 0, 1, 0, 0, 0, 1], [1, 2, 3], [5, 6, 7])[:3].tolist()
    [[-1.0, 0.0, 0.0, -5.0], [0.0, -2.0, 0.0, -6.0], [0.0, 0.0, 3.0, 7.0]]
    """
    axes = math.isqrt(len(directions))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(directions, (axes, axes))[:3, :3] * np.asarray(spacing)[:3]
    affine[:3, 3] = np.asarray(origin)[:3]
    return FLIP @ affine + 0.0  # no -0.0


def open_itk(path: Path) -> RawImage:
    """One MetaImage or NRRD file, its header checked against its size.

    Raises:
        InputError: missing, unreadable, damaged, or the file with the voxels is not there.
        SeveralVolumes: it is 4-D.
        Refused: vectors or colours, or not one volume that medsr can place.
        UsageError: SimpleITK is not installed.
    """
    need("SimpleITK", "itk", f"Reading {path.suffix.lower()}")
    with faults_in_words(path, "MetaImage or NRRD"):
        header = read_text_header(path)
        facts = _answer(path, header, None)[0]
        shape = [int(n) for n in facts["shape"]]
        if facts["components"] != 1:
            raise Refused(
                f"{path.name}: contains {facts['components']} values per voxel (vectors, colours "
                "or several volumes); medsr needs one. Split it first."
            )
        if facts["type"] not in TYPES:
            raise Refused(
                f"{path.name}: contains {facts['type']} numbers; medsr needs real numbers of 8 to "
                "64 bits, one per voxel."
            )
        kind = np.dtype(TYPES[facts["type"]])
        count = math.prod(shape) * kind.itemsize
        check_declared(shape, count, header.size, path.name, packed=header.packed)
        while len(shape) > 3 and shape[-1] == 1:
            shape.pop()
        affine = affine_of_lps(facts["direction"], facts["spacing"], facts["origin"])

    def read() -> NDArray[np.float32]:
        check_fits(2 * count, shape, path.name)
        with faults_in_words(path, "MetaImage or NRRD"):
            stored = np.empty(count, dtype=np.uint8)
            again, whole = _answer(path, header, stored)
            if not whole or again != facts:
                raise damaged(path, "MetaImage or NRRD")
            values = stored.view(kind).reshape(shape, order="F")
            return values.astype(np.float32)

    return RawImage(
        path=path,
        shape=tuple(shape),
        affine=affine,
        integers=bool(np.issubdtype(kind, np.integer)),
        read=read,
        modality=header.modality,
        placed=header.placed,
    )


def _answer(
    path: Path, header: TextHeader, stored: NDArray[np.uint8] | None
) -> tuple[dict[str, Any], bool]:
    """What a process says of a file, and whether it filled `stored` with the voxels.

    Raises:
        InputError: it cannot read the file, dies of it, or takes too long.
    """
    count = 0 if stored is None else stored.size
    seconds = SECONDS + count / BYTES_A_SECOND
    request = {
        "path": str(path.absolute()),
        "reader": header.reader,
        "voxels": stored is not None,
        "bytes": MEMORY + 4 * (count + header.size),
        "seconds": seconds + 5,
    }
    process = started(WORKER)
    if process is None:
        raise Refused(
            f"{path.name}: the separate process in which medsr reads such files cannot be "
            "started. Convert the scan to NIfTI."
        )
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    facts, whole = None, False
    try:
        with process, suppress(OSError, ValueError):
            cast(FileIO, process.stdin).write(json.dumps(request).encode() + b"\n")
            source = cast(FileIO, process.stdout)
            facts = json.loads(source.readline())
            if facts is not None and stored is not None:
                whole = fill(memoryview(cast(Any, stored)), source)
    finally:
        process.kill()
        timer.cancel()
    if not isinstance(facts, dict):
        raise InputError(
            f"{path.name}: ITK cannot read it; it is damaged or truncated. Copy or convert it "
            "again."
        )
    return facts, whole

"""The pixel data that a header declares, checked against the size of the file.

A header may declare any size, so the size is compared with the file before memory is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import open_dataset
from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.uids import is_uid
from medsr.volume.dicom.values import number

__all__ = [
    "HEADER_TAGS",
    "Announced",
    "announced",
    "announced_by",
    "check_size",
    "faulty",
    "name_of",
]

#: No scan is larger (1600 x 1600 x 1600); a header that says so is wrong.
MAX_VOXELS = 4_000_000_000

#: An image that packs better than this is a wrong header: an empty slice reaches about 1000.
MAX_COMPRESSION = 5000

#: Transfer syntaxes that NumPy reads alone. Whatever is not among them counts as compressed.
NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)

#: All that decoding needs of a file, besides the pixels.
HEADER_TAGS = [
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
]


@dataclass(frozen=True)
class Announced:
    """What a header says of the pixels.

    Attributes:
        shape: [frames, rows, columns].
        bits: in which a value is kept (BitsAllocated).
        bits_stored: of them that mean something.
        is_signed: whether values are two's complement.
        syntax: the transfer syntax.
    """

    shape: tuple[int, int, int]
    bits: int
    bits_stored: int
    is_signed: bool
    syntax: UID

    @property
    def is_compressed(self) -> bool:
        """Whether a codec is needed."""
        return self.syntax not in NATIVE

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored numbers of a compressed file, once they are decoded."""
        size = 1 if self.bits <= 8 else 2 if self.bits <= 16 else 4
        return np.dtype(f"<{'i' if self.is_signed else 'u'}{size}")

    @property
    def nbytes(self) -> int:
        """Of all stored numbers together."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_size(head: FileHeader) -> None:
    """Refuse a size that the file cannot hold, before anything is allocated for it."""
    shape = (head.frames, *(head.shape or (0, 0)))
    bits = int(number(head.dataset, "BitsAllocated") or 16)
    _check_size(head.path, shape, bits, MAX_COMPRESSION if head.is_packed else 1)


def _check_size(path: Path, shape: tuple[int, ...], bits: int, factor: int) -> None:
    voxels = math.prod(min(count, 2**40) for count in shape)
    if voxels > MAX_VOXELS:
        frames, rows, columns = shape
        raise Refused(
            f"{path.name}: the header gives {rows} x {columns} x {frames} = {voxels:.3g} "
            f"voxels, and the limit is {MAX_VOXELS:.3g}. Check the header, or crop the "
            "scan."
        )
    expected = voxels * min(max(bits, 1), 64) // 8
    try:
        size = path.stat().st_size
    except OSError:
        raise InputError(f"{path.name}: can no longer be read.") from None
    if expected > size * factor:
        raise InputError(
            f"{path.name}: the header declares {expected} bytes of pixel data but the "
            f"file has {size} bytes; it is truncated. Copy or export it again."
        )


def announced(path: Path) -> Announced:
    """Read what a file's header says of its pixels. Call it inside `parse_quietly()`.

    Raises:
        InputError: damaged, or a size that the file cannot hold.
        Refused: an absurd size.
    """
    found = announced_by(open_dataset(path, HEADER_TAGS))
    deflated = found.syntax == DeflatedExplicitVRLittleEndian
    factor = MAX_COMPRESSION if found.is_compressed or deflated else 1
    _check_size(path, found.shape, found.bits, factor)
    return found


def announced_by(dataset: Dataset) -> Announced:
    """The same of a header that was parsed."""
    frames, rows, columns = (
        max(int(number(dataset, keyword) or 1), 1)
        for keyword in ("NumberOfFrames", "Rows", "Columns")
    )
    bits = int(number(dataset, "BitsAllocated") or 16)
    return Announced(
        shape=(frames, rows, columns),
        bits=bits,
        bits_stored=int(number(dataset, "BitsStored") or bits),
        is_signed=number(dataset, "PixelRepresentation") == 1,
        syntax=_syntax(dataset),
    )


def _syntax(dataset: Dataset) -> UID:
    """A file without a meta group is native; its parsing has shown in which of two ways."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )
    return UID(str(dataset.file_meta.TransferSyntaxUID))


def faulty(path: Path, said: Announced, fault: str) -> InputError:
    """The sentence about a file's pixel data; `fault` is the rest of it."""
    return InputError(
        f"{path.name}: the pixel data ({name_of(said.syntax)}) {fault}. Copy or export it again."
    )


def name_of(syntax: UID) -> str:
    """The name of a transfer syntax; never other words that stand in its place."""
    return syntax.name if is_uid(syntax) else "unknown transfer syntax"

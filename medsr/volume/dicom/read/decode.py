"""Pixels: stored numbers out of every transfer syntax.

pydicom decodes (native, deflated, RLE, and through its plugins JPEG, JPEG-LS, JPEG 2000); this
module guards it. A header may announce any size, so the size is held against the file before
memory is taken. JPEG codecs return a picture with a blank end for a codestream that was cut, so
the end marker (FFD9 in all of JPEG, JPEG-LS and JPEG 2000) is looked for first.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import number, open_dataset
from medsr.volume.dicom.read.header import FileHeader

__all__ = ["check_size", "decode"]

#: No scan is larger (1600 x 1600 x 1600); a header that says so is wrong.
MAX_VOXELS = 4_000_000_000

#: An image that packs better than this is a wrong header: an empty slice reaches about 1000.
MAX_COMPRESSION = 5000

#: All that decoding needs of a file.
PIXEL_TAGS = [
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
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
]


def check_size(head: FileHeader) -> None:
    """Refuse a size that the file cannot hold, before anything is allocated for it."""
    rows, columns = head.shape or (0, 0)
    voxels = rows * columns * head.frames
    if voxels > MAX_VOXELS:
        raise Refused(
            f"{head.path.name}: the header gives {rows} x {columns} x {head.frames} = {voxels:.3g}"
            f" voxels; medsr stops at {MAX_VOXELS:.3g}. Check the header, or crop the scan."
        )
    expected = voxels * int(number(head.dataset, "BitsAllocated") or 16) // 8
    factor = MAX_COMPRESSION if head.is_packed else 1
    size = head.path.stat().st_size
    if expected > size * factor:
        raise InputError(
            f"{head.path.name}: the header announces {expected} bytes of pixels and the whole file"
            f" has {size}; it is cut. Copy or export it again."
        )


def decode(path: Path) -> NDArray[Any]:
    """Stored values of one file, [frames, rows, columns], before rescaling.

    Call it inside `parse_quietly()`.

    Raises:
        InputError: no pixel data, cut, or damaged.
        Refused: a transfer syntax without a decoder.
    """
    dataset = open_dataset(path, PIXEL_TAGS, pixels=True)
    if not dataset.get("PixelData"):
        raise InputError(f"{path.name}: has no pixel data; the file is cut. Copy it again.")
    _name_syntax(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    _check_decoder(syntax, path.name)
    try:
        whole = _is_whole(dataset)
        pixels = pixel_array(dataset) if whole else None
    except Exception:  # decoders in four languages; also MemoryError for a damaged size
        pixels = None
    shape = tuple(int(number(dataset, k) or 1) for k in ("NumberOfFrames", "Rows", "Columns"))
    if pixels is None or pixels.size != math.prod(shape):
        raise InputError(
            f"{path.name}: the pixel data ({syntax.name}) cannot be "
            "decoded; it is shorter than the header says or damaged. Copy or export it again."
        )
    return np.asarray(pixels).reshape(shape)


def _name_syntax(dataset: Dataset) -> None:
    """A file without a meta group is native; its parsing has shown in which of two ways."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )


def _check_decoder(syntax: UID, name: str) -> None:
    try:
        able = get_decoder(syntax).is_available
    except NotImplementedError:
        able = False
    if not able:
        raise Refused(
            f"{name}: is compressed as {syntax.name}, for which there is no decoder here. Export "
            "the scan without compression, or in JPEG 2000, JPEG-LS or RLE."
        )


def _is_whole(dataset: Dataset) -> bool:
    """Whether each frame's codestream reaches its end marker; always true of other syntaxes."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or syntax == RLELossless:
        return True
    count = int(number(dataset, "NumberOfFrames") or 1)
    frames = generate_frames(dataset.PixelData, number_of_frames=count)
    return all(frame.rstrip(b"\x00")[-2:] == b"\xff\xd9" for frame in frames)

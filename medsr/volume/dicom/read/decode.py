"""Decodes pixel data of every transfer syntax to stored numbers.

Native pixels are decoded where they are needed. Compressed ones are not: the codecs are C
libraries, which a damaged codestream can end together with their process. `decode_compressed` is
called in the worker processes of `decode_pool`, and nowhere else.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import open_dataset
from medsr.volume.dicom.read.announced import (
    HEADER_TAGS,
    Announced,
    announced_by,
    faulty,
    name_of,
)
from medsr.volume.dicom.read.encapsulated import (
    Damaged,
    Picture,
    codestreams,
    picture_of,
    rle_length,
)
from medsr.volume.dicom.read.pixel_cells import REAL_PIXELS, check_whole_numbers

__all__ = ["decode_compressed", "decode_native"]

PIXEL_TAGS = [*HEADER_TAGS, "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"]
PIXEL_TAGS += REAL_PIXELS

#: What a codec's refusal means.
NOT_DECODED = "cannot be decoded; it is shorter than the header says or damaged"


def decode_native(path: Path) -> NDArray[Any]:
    """Stored values of an uncompressed file, [frames, rows, columns], before rescaling.

    Call it inside `parse_quietly()`.

    Raises:
        InputError: no pixel data, cut, damaged, or compressed after all.
        Refused: the pixels are real numbers.
    """
    dataset, said = _open(path)
    if said.is_compressed or dataset["PixelData"].is_undefined_length:
        raise InputError(
            f"{path.name}: has compressed pixels, but its header says that they are "
            "uncompressed. Export it again."
        )
    pixels = _pixels(dataset)
    if pixels is None or pixels.size != math.prod(said.shape):
        raise faulty(path, said, NOT_DECODED)
    return pixels.reshape(said.shape)


def decode_compressed(path: Path) -> NDArray[Any]:
    """Stored values of a compressed file, before rescaling; a codec may end this process.

    Call it inside `parse_quietly()`.

    Returns:
        NDArray: of the declared shape and dtype.

    Raises:
        InputError: no pixel data, cut, damaged, or not as the header announces them.
        Refused: a transfer syntax without a decoder, or pixels that are real numbers.
    """
    dataset, said = _open(path)
    _check_decoder(said, path.name)
    try:
        pictures = _pictures(dataset, said)
    except Damaged as fault:
        raise faulty(path, said, str(fault)) from None
    wide = any(picture.bits > said.bits_stored for picture in pictures)
    pixels = _pixels(dataset, correct_unused_bits=not wide)
    if pixels is None or pixels.size != math.prod(said.shape):
        raise faulty(path, said, NOT_DECODED)
    if wide:
        pixels = _narrowed(pixels, said.bits_stored)
    if pixels is None or not np.can_cast(pixels.dtype, said.dtype, "safe"):
        raise faulty(path, said, "contains values outside the range that the header declares")
    return pixels.reshape(said.shape).astype(said.dtype, copy=False)


def _open(path: Path) -> tuple[Dataset, Announced]:
    dataset = open_dataset(path, PIXEL_TAGS, pixels=True)
    check_whole_numbers(dataset, path.name)
    said = announced_by(dataset)
    if _bytes(dataset, "PixelData"):
        return dataset, said
    if "PixelData" in dataset and not _is_empty(dataset, "PixelData"):
        raise InputError(
            f"{path.name}: its pixel data is not written as DICOM writes it (as bytes, OB or OW). "
            "Export it again."
        )
    raise InputError(f"{path.name}: has no pixel data after its header. Copy or export it again.")


def _is_empty(dataset: Dataset, keyword: str) -> bool:
    try:
        return not dataset[keyword].value
    except Exception:  # as in `_bytes`
        return False


def _bytes(dataset: Dataset, keyword: str) -> bytes:
    """An element's bytes; none when it is absent, unreadable, or something else."""
    try:
        value = dataset.get(keyword)
    except Exception:  # pydicom converts a value only now, and fails in any way
        return b""
    return value if isinstance(value, bytes) else b""


def _pixels(dataset: Dataset, **options: bool) -> NDArray[Any] | None:
    try:
        return np.asarray(pixel_array(dataset, **options))
    except Exception:  # decoders in four languages; also MemoryError for a damaged size
        return None


def _check_decoder(said: Announced, name: str) -> None:
    try:
        decoder = get_decoder(said.syntax)
        able = decoder.is_available
        if said.syntax == JPEGExtended12Bit and said.bits_stored > 8:
            able = "pylibjpeg" in decoder.available_plugins  # the others take 8 bits only
    except NotImplementedError:
        able = False
    if not able:
        raise Refused(
            f"{name}: is compressed as {name_of(said.syntax)}, which this installation "
            "cannot decode. Export the scan without compression, or in JPEG 2000, "
            "JPEG-LS or RLE."
        )


def _pictures(dataset: Dataset, said: Announced) -> list[Picture]:
    """What each frame says of itself, checked against the header; nothing in RLE.

    Raises:
        Damaged: a frame is missing, incomplete, or not as declared.
    """
    is_rle = said.syntax == RLELossless
    count, rows, columns = said.shape
    offsets, lengths = (
        _bytes(dataset, f"ExtendedOffsetTable{which}") for which in ("", "Lengths")
    )
    extended = (offsets, lengths) if offsets or lengths else None
    frames = codestreams(_bytes(dataset, "PixelData"), count, extended, is_rle=is_rle)
    if is_rle:
        if any(rle_length(frame.bytes) - rows * columns >= columns for frame in frames):
            raise Damaged(
                f"contains more than the {rows} x {columns} pixels that the header declares"
            )
        return []
    pictures = [picture_of(frame.bytes) for frame in frames]
    for picture in pictures:
        if (picture.rows, picture.columns, picture.components) != (rows, columns, 1):
            raise Damaged(
                f"contains images of {picture.rows} x {picture.columns} x "
                f"{picture.components}, and the header declares {rows} x {columns} x 1"
            )
        shows_sign = said.syntax in (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes)
        lost_sign = said.is_signed and picture.bits < said.bits_stored and not shows_sign
        if picture.bits > said.bits or lost_sign:
            raise Damaged(
                f"has {picture.bits} bits per value, and the header declares "
                f"{said.bits_stored} of {said.bits}"
            )
    return pictures


def _narrowed(pixels: NDArray[Any], bits: int) -> NDArray[Any] | None:
    """Values kept in more bits than declared; None where the declared ones do not suffice.

    Args:
        pixels: as the codec gave them; negative ones with or without their upper bits set.
        bits: declared.
    """
    unused = pixels.dtype.itemsize * 8 - bits
    if unused <= 0:
        return pixels
    narrow = np.right_shift(np.left_shift(pixels, unused), unused)
    fits = (narrow == pixels) | ((pixels >= 0) & (pixels < 2**bits))
    return narrow if fits.all() else None

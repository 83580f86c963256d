"""Reads the files of a series in one pass: values, digest and headers from the same bytes.

Each file is read whole, once. The stored numbers of uncompressed files become values on the way;
compressed files are left for the decoder. Of the bytes only those before the pixels are kept.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import guard, parse_header
from medsr.volume.dicom.read.decode_pool import decode_each
from medsr.volume.dicom.read.fast_header import stamp_of
from medsr.volume.dicom.read.frames import Frame
from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.read.raw_pixels import stored_values
from medsr.volume.dicom.read.rescale import rescale
from medsr.volume.padding import Padding, in_range

__all__ = ["Content", "fill_decoded", "full_headers", "padding_of", "read_content"]


@dataclass(frozen=True, eq=False)
class Content:
    """What was in the files of a series.

    Attributes:
        values: [frames, rows, columns] float32, rescaled; not yet filled where `undecoded`.
        undecoded: file -> which of the frames it holds.
        headers: file -> its bytes before the pixels, or the parsed header.
        digest: SHA-256 (hex) over the SHA-256 of each file.
        padding: slice -> [rows, columns] where it is padding; only slices that have any.
    """

    values: NDArray[np.float32]
    undecoded: Mapping[Path, Sequence[int]]
    headers: Mapping[Path, bytes | Dataset]
    digest: str
    padding: dict[int, NDArray[np.bool_]]


def read_content(files: Sequence[FileHeader], frames: Sequence[Frame]) -> Content:
    """Read every file of a series once.

    Args:
        files: in the order in which the digest counts them.
        frames: all of one shape, in the order of the values.

    Raises:
        InputError: a file is gone, cannot be read, or changed since its header was read.
        Refused: more than fits into memory.
    """
    values = _room(frames)
    total, undecoded, headers = hashlib.sha256(), dict[Path, list[int]](), {}
    padding: dict[int, NDArray[np.bool_]] = {}
    of_file: dict[Path, list[int]] = {}
    for k, frame in enumerate(frames):
        of_file.setdefault(frame.path, []).append(k)
    for file in files:
        content = guard(file.path, lambda file=file: _read(file))  # type: ignore[misc]
        total.update(hashlib.sha256(content).digest())
        headers[file.path] = _header_part(file, content)
        for k in of_file[file.path]:
            raw = frames[k].raw
            stored = None if raw is None else stored_values(content, raw, frames[k].shape)
            if stored is None:
                undecoded.setdefault(file.path, []).append(k)
            else:
                _fill(stored, frames[k], k, values, padding)
    return Content(values, undecoded, headers, total.hexdigest(), padding)


def _room(frames: Sequence[Frame]) -> NDArray[np.float32]:
    try:
        return np.empty((len(frames), *frames[0].shape), dtype=np.float32)
    except MemoryError:
        raise Refused(
            f"{frames[0].path.name}: {len(frames)} slices of this size do not fit into memory. "
            "Crop the scan or use a larger machine."
        ) from None


def _read(file: FileHeader) -> bytes:
    with file.path.open("rb", buffering=0) as stream:
        if stamp_of(stream.fileno()) != file.stamp:
            raise InputError(
                f"{file.path.name}: changed while the series was being read. Wait until "
                "it is copied completely, and run the command again."
            )
        return stream.readall()


def _header_part(file: FileHeader, content: bytes) -> bytes | Dataset:
    if file.fast.length is not None:
        return content[: file.fast.length]
    return parse_header(file.path, content)


def full_headers(content: Content) -> dict[Path, Dataset]:
    """The whole header of each file, pixels left out. Call it inside `parse_quietly()`.

    Raises:
        InputError: a header is damaged.
    """
    return {
        path: parse_header(path, header) if isinstance(header, bytes) else header
        for path, header in content.headers.items()
    }


def _fill(
    stored: NDArray[Any],
    frame: Frame,
    k: int,
    values: NDArray[np.float32],
    padding: dict[int, NDArray[np.bool_]],
) -> None:
    rescale(stored, frame, values[k])
    mask = None if frame.padding is None else in_range(stored, *frame.padding)
    if mask is not None:
        padding[k] = mask


def padding_of(content: Content, frames: Sequence[Frame]) -> Padding | None:
    """Where the values are padding, axes [columns, rows, slices]; None where nothing is."""
    if not content.padding:
        return None
    mask = np.zeros(content.values.shape, dtype=bool)
    for k, plane in content.padding.items():
        mask[k] = plane
    frame = frames[min(content.padding)]
    stored = frame.padding[0] if frame.padding else 0.0
    return Padding(frame.slope * stored + frame.intercept, mask.transpose(2, 1, 0))


def fill_decoded(content: Content, frames: Sequence[Frame]) -> None:
    """Decode what `read_content` left, into its values. Call it inside `parse_quietly()`.

    Raises:
        InputError: no pixel data, truncated, or damaged.
        Refused: a transfer syntax without a decoder.
    """

    def fill(path: Path, pixels: NDArray[Any]) -> None:
        for k in content.undecoded[path]:
            frame = frames[k]
            if pixels.shape[1:] != frame.shape or frame.index >= len(pixels):
                raise InputError(f"{path.name}: the pixels and the header differ in shape.")
            _fill(pixels[frame.index], frame, k, content.values, content.padding)

    packed = sum(math.prod(frame.shape) for frame in frames if frame.packed)
    decode_each(list(content.undecoded), packed, fill)

"""Values out of stored numbers: a series' frames become one array.

Stored numbers v become x = RescaleSlope * v + RescaleIntercept (PS3.3 C.11.1), each frame with its
own. Frames of uncompressed files are read where they lie (`dicom_plain`), the others are decoded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError, Refused
from medsr.volume.dicom.read.decode_pool import decode_each
from medsr.volume.dicom.read.frames import Frame
from medsr.volume.dicom.read.raw_pixels import read_plain

__all__ = ["read_values"]


def read_values(frames: Sequence[Frame], *, lowest: float | None = None) -> NDArray[np.float32]:
    """Rescaled values of frames, [frames, rows, columns] float32, in the order given.

    Args:
        frames: of one shape.
        lowest: values below it become it; None for no such limit.

    Raises:
        InputError: no pixel data, cut, or damaged.
        Refused: a transfer syntax without a decoder, or more than fits into memory.
    """
    try:
        values = np.empty((len(frames), *frames[0].shape), dtype=np.float32)
    except MemoryError:
        raise Refused(
            f"{frames[0].path.name}: {len(frames)} slices of this size do not fit into memory. "
            "Crop the scan or use a larger machine."
        ) from None
    left: dict[Path, list[int]] = {}
    for place, frame in enumerate(frames):
        pixels = read_plain(frame.path, frame.plain, frame.shape) if frame.plain else None
        if pixels is None:
            left.setdefault(frame.path, []).append(place)
        else:
            _rescale(pixels, frame, values[place], lowest)

    def fill(path: Path, pixels: NDArray[Any]) -> None:
        for place in left[path]:
            frame = frames[place]
            if pixels.shape[1:] != frame.shape or frame.index >= len(pixels):
                raise InputError(f"{path.name}: the pixels and the header differ in shape.")
            _rescale(pixels[frame.index], frame, values[place], lowest)

    packed = sum(math.prod(frame.shape) for frame in frames if frame.packed)
    decode_each(list(left), packed, fill)
    return values


def _rescale(
    pixels: NDArray[Any], frame: Frame, out: NDArray[np.float32], lowest: float | None
) -> None:
    if frame.slope == 1 and frame.intercept.is_integer() and pixels.dtype.itemsize <= 2:
        np.add(pixels, np.float32(frame.intercept), out=out)  # exact, and half the time
    else:
        out[:] = pixels * np.float64(frame.slope) + frame.intercept
    if lowest is not None:
        np.maximum(out, lowest, out=out)

"""Values out of stored numbers: x = RescaleSlope * v + RescaleIntercept (PS3.3 C.11.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.volume.dicom.read.frames import Frame

__all__ = ["rescale"]


def rescale(
    pixels: NDArray[Any], frame: Frame, out: NDArray[np.float32], lowest: float | None
) -> None:
    """Values of one frame, with its own slope and intercept.

    Args:
        pixels: [rows, columns] stored numbers.
        frame: gives slope and intercept.
        out: [rows, columns], filled.
        lowest: values below it become it; None for no such limit.
    """
    if frame.slope == 1 and frame.intercept.is_integer() and pixels.dtype.itemsize <= 2:
        np.add(pixels, np.float32(frame.intercept), out=out)  # exact, and half the time
    else:
        out[:] = pixels * np.float64(frame.slope) + frame.intercept
    if lowest is not None:
        np.maximum(out, lowest, out=out)

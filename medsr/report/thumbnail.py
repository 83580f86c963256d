"""A small picture of one scan: as measured, and enhanced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from medsr.volume.volume import Volume

__all__ = ["save_thumbnail"]

#: The longer side of each half, pixels.
SIDE = 160


def save_thumbnail(before: Volume, after: Volume, path: Path) -> None:
    """Write a PNG: the middle slice across the coarsest axis, before and after, side by side.

    The same volumes give the same bytes.

    Args:
        before: [X, Y, Z] as measured.
        after: [X', Y', Z'] on the fine grid of the same box.
        path: of the PNG.

    Raises:
        OSError: the file cannot be written.
    """
    coarse = int(np.argmax(before.spacing_mm))
    across = next(axis for axis in (0, 1, 2) if axis != coarse)
    extent = np.array(after.shape) * after.spacing_mm
    height, width = np.delete(extent, across)
    scale = SIDE / max(height, width)
    shape = max(1, round(scale * height)), max(1, round(scale * width))
    halves = [_slice(volume, across, shape) for volume in (before, after)]
    low, high = np.percentile(halves[0], [0.5, 99.5])
    picture = np.concatenate(halves, axis=1)
    imsave(
        path,
        np.clip(picture, low, max(high, low + 1e-6)),
        cmap="gray",
        format="png",
    )


def _slice(volume: Volume, across: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The middle slice, by nearest voxel, with the second of its axes upwards."""
    plane = np.take(volume.voxels, volume.shape[across] // 2, axis=across)
    rows = (np.arange(shape[0]) + 0.5) * plane.shape[0] / shape[0]
    columns = (np.arange(shape[1]) + 0.5) * plane.shape[1] / shape[1]
    picked = plane[np.ix_(rows.astype(int), columns.astype(int))]
    return np.ascontiguousarray(picked.T[::-1])

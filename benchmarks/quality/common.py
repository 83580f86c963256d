"""What the benchmarks share: blocks of scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medsr.volume.volume import Volume

__all__ = ["middle"]

#: Sides of the block of a scan that a benchmark looks at, voxels.
SIDES = (96, 112, 96)


def middle(volume: Volume) -> Volume:
    """The central block of a scan."""
    parts = tuple(
        slice(max(0, (n - m) // 2), max(0, (n - m) // 2) + m)
        for n, m in zip(volume.shape, SIDES, strict=True)
    )
    return replace(volume, voxels=np.ascontiguousarray(volume.voxels[parts]), slice_axis=2)

"""Chunks of a volume, cut across an axis that is not resampled, to save memory.

Along such an axis the fine grid is the low grid and every line of the acquisition, of its adjoint
and of the upsampling lies within one cut: the result does not depend on the chunks.
"""

from __future__ import annotations

import math

from medsr.acquisition.acquisition import Acquisition

__all__ = ["Chunk", "chunks_of"]

#: The same voxels of the low and of the fine grid.
Chunk = tuple[slice, slice, slice]

#: Voxels of the fine grid in a chunk; no influence on the result.
VOXELS_PER_CHUNK = 500_000


def chunks_of(
    acquisition: Acquisition, voxels: int = VOXELS_PER_CHUNK, *, step: int = 1
) -> list[Chunk]:
    """The chunks of a volume; one where every axis was changed.

    Args:
        acquisition: of the volume.
        voxels: of the fine grid in a chunk, about.
        step: take every step-th plane.
    """
    untouched = [k for k, axis in enumerate(acquisition.axes) if axis.is_identity]
    if not untouched:
        return [(slice(None), slice(None), slice(None))]
    axis, count = untouched[0], acquisition.fine_shape[untouched[0]]
    planes = max(1, voxels * count // math.prod(acquisition.fine_shape)) * step
    found = []
    for start in range(0, count, planes):
        chunk = [slice(None)] * 3
        chunk[axis] = slice(start, min(start + planes, count), step)
        found.append((chunk[0], chunk[1], chunk[2]))
    return found

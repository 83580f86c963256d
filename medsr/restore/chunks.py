"""A volume in parts, so that memory stays small: cuts across an axis that a scanner left alone.

Along such an axis the fine grid is the low grid and every line of the acquisition, of its adjoint
and of the lift lies within one cut: what is done part by part is what would be done at once.
"""

from __future__ import annotations

import math

from medsr.acquisition.acquisition import Acquisition

__all__ = ["Part", "parts_of"]

#: The same voxels of the low and of the fine grid.
Part = tuple[slice, slice, slice]

#: Voxels of the fine grid in a part; no influence on the result.
VOXELS_PER_PART = 500_000


def parts_of(
    acquisition: Acquisition, voxels: int = VOXELS_PER_PART, *, step: int = 1
) -> list[Part]:
    """The parts of a volume; one where every axis was changed.

    Args:
        acquisition: of the volume.
        voxels: of the fine grid in a part, about.
        step: take one of so many planes.
    """
    untouched = [k for k, axis in enumerate(acquisition.axes) if axis.is_identity]
    if not untouched:
        return [(slice(None), slice(None), slice(None))]
    axis, count = untouched[0], acquisition.fine_shape[untouched[0]]
    planes = max(1, voxels * count // math.prod(acquisition.fine_shape)) * step
    found = []
    for start in range(0, count, planes):
        part = [slice(None)] * 3
        part[axis] = slice(start, min(start + planes, count), step)
        found.append((part[0], part[1], part[2]))
    return found

"""Pure functions on voxel grids.

A grid is an affine ([4, 4] float64, voxel index -> RAS+ millimetres) and a shape (X, Y, Z).
Index (0, 0, 0) is the *centre* of the first voxel, so the volume's outer corner lies at index
(-0.5, -0.5, -0.5). Grids of different spacing that show the same anatomy share that corner
("edge-aligned"): the one convention of medsr, used for degradation, conditioning and output.
Sharing voxel centres instead shifts the image by half the difference of the spacings, which
costs 2 to 4 dB.

Source of the affine's meaning: NIfTI-1 standard, section "orientation and location"; DICOM PS3.3
C.7.6.2.1.1 for the same thing in LPS.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]

__all__ = [
    "AXIS_TOLERANCE",
    "GRID_TOLERANCE_VOXELS",
    "Affine",
    "axis_words",
    "clearly_coarse_axis",
    "corner_mm",
    "crop_offset",
    "is_rectangular",
    "refined_grid",
    "spacing_mm",
]

#: Largest cosine between two voxel axes that still counts as perpendicular (0.06 degrees):
#: rounding of DICOM direction cosines stays below it, a gantry tilt does not.
AXIS_TOLERANCE = 1e-3

#: Two grids coincide when no voxel centre differs by more than this fraction of a voxel.
GRID_TOLERANCE_VOXELS = 1e-3


def spacing_mm(affine: Affine) -> NDArray[np.float64]:
    """Voxel spacing along each axis, in mm, shape (3,): the length of each affine column.

    >>> spacing_mm(np.diag([0.5, 0.5, 4.0, 1.0]))
    array([0.5, 0.5, 4. ])
    """
    return np.asarray(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)))


def is_rectangular(affine: Affine) -> bool:
    """Whether the three voxel axes are perpendicular (no shear, no gantry tilt)."""
    directions = affine[:3, :3] / spacing_mm(affine)
    cosines = directions.T @ directions - np.eye(3)
    return bool(np.abs(cosines).max() <= AXIS_TOLERANCE)


def corner_mm(affine: Affine) -> NDArray[np.float64]:
    """The outer corner of the first voxel, RAS+ mm, shape (3,).

    >>> corner_mm(np.diag([2.0, 2.0, 2.0, 1.0]))
    array([-1., -1., -1.])
    """
    return np.asarray(affine[:3, 3] - 0.5 * affine[:3, :3].sum(axis=1))


def refined_grid(
    affine: Affine, shape: Sequence[int], new_spacing_mm: Sequence[float]
) -> tuple[Affine, tuple[int, int, int]]:
    """The grid of another spacing that shares the outer corner and the axes of a grid.

    Args:
        affine: [4, 4], RAS+ mm.
        shape: (X, Y, Z).
        new_spacing_mm: the spacing wanted along each axis, (3,), mm; kept exactly.

    Returns:
        affine [4, 4] and shape (X', Y', Z'). The first corner agrees exactly. The far corner
        agrees exactly where the extent is a whole number of new voxels, and within half a new
        voxel elsewhere.

    >>> a, s = refined_grid(np.diag([1.0, 1.0, 4.0, 1.0]), (8, 8, 4), (1.0, 1.0, 1.0))
    >>> s, corner_mm(a)
    ((8, 8, 16), array([-0.5, -0.5, -2. ]))
    """
    old, new = spacing_mm(affine), np.asarray(new_spacing_mm, dtype=np.float64)
    counts = np.maximum(1, np.rint(np.asarray(shape) * old / new)).astype(int)
    result = np.array(affine, dtype=np.float64)
    result[:3, :3] = affine[:3, :3] / old * new
    result[:3, 3] = corner_mm(affine) + 0.5 * result[:3, :3].sum(axis=1)
    return result, (int(counts[0]), int(counts[1]), int(counts[2]))


def crop_offset(
    inner: Affine, outer: Affine, extent_voxels: Sequence[int]
) -> tuple[int, int, int] | None:
    """Whole-voxel offset of one grid in another, or None when they do not coincide.

    Args:
        inner: [4, 4] affine whose origin is looked for.
        outer: [4, 4] affine in whose voxels the offset is counted.
        extent_voxels: the shape over which the two must stay together.

    Returns:
        (i, j, k) such that inner voxel (0, 0, 0) is outer voxel (i, j, k), when no voxel within
        the extent differs by more than GRID_TOLERANCE_VOXELS of a voxel.
    """
    relative = np.linalg.solve(outer, inner)
    drift = np.abs(relative[:3, :3] - np.eye(3)) @ np.maximum(np.asarray(extent_voxels) - 1, 0)
    offset = np.rint(relative[:3, 3])
    if max(np.abs(relative[:3, 3] - offset).max(), drift.max()) > GRID_TOLERANCE_VOXELS:
        return None
    return int(offset[0]), int(offset[1]), int(offset[2])


def axis_words(affine: Affine, axis: int) -> str:
    """The anatomical name of a voxel axis: where it mostly points, in words.

    >>> axis_words(np.diag([-1.0, 1.0, 1.0, 1.0]), 2)
    'foot-head'
    """
    column = affine[:3, axis]
    return ("left-right", "back-front", "foot-head")[int(np.abs(column).argmax())]


def clearly_coarse_axis(spacing: NDArray[np.float64]) -> int | None:
    """The one axis whose spacing is more than 1.1 times that of both others; None without one.

    >>> clearly_coarse_axis(np.array([1.0, 4.0, 1.0]))
    1
    """
    coarse = int(spacing.argmax())
    return coarse if spacing[coarse] > 1.1 * np.delete(spacing, coarse).max() else None

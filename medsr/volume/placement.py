"""Finds the voxels that two scans share exactly.

Nothing is interpolated here. A scan is laid onto a reference's grid only where its voxels *are*
voxels of that grid: after permuting and flipping its axes (the same voxels stored in another
orientation) and shifting it by whole voxels (a crop). Everything else is refused, since an
interpolation made here would be counted as the estimate's error.

With A the affines (voxel index -> RAS+ mm), P = A_reference^-1 A_scan takes the scan's indices to
the reference's. Its 3 x 3 part is a signed permutation exactly when the two grids have the same
axes and spacing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.volume import geometry
from medsr.volume.volume import Volume

__all__ = ["Box", "Placed", "common_box", "place", "words"]

#: Start (inclusive) and stop (exclusive) along each axis, in voxels of the reference.
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Placed:
    """A scan's voxels, in the axes of a reference.

    Attributes:
        voxels: [X, Y, Z] float32, the scan's own voxels, axes permuted and flipped where needed.
        offset: the index in the reference of voxel (0, 0, 0); may be negative.
        reoriented: whether any axis was permuted or flipped.
    """

    voxels: NDArray[np.float32]
    offset: tuple[int, int, int]
    reoriented: bool

    def cut(self, box: Box) -> NDArray[np.float32]:
        """The voxels within a box of the reference that lies inside the scan."""
        (i, j, k), (x, y, z) = self.offset, box
        return self.voxels[x[0] - i : x[1] - i, y[0] - j : y[1] - j, z[0] - k : z[1] - k]


def place(scan: Volume, reference: Volume) -> Placed:
    """Lay a scan onto a reference's grid, exactly.

    Args:
        scan: any volume.
        reference: the volume whose grid counts.

    Raises:
        Refused: the scan's voxels are not voxels of that grid.
    """
    voxels, affine, reoriented = _like(scan, reference)
    offset = geometry.crop_offset(affine, reference.affine, voxels.shape)
    if offset is None:
        raise Refused(_other_grid(scan, affine, voxels.shape, reference))
    return Placed(voxels, offset, reoriented)


def common_box(shape: Sequence[int], placed: Sequence[Placed]) -> Box:
    """The largest box of the reference that lies inside every placed scan.

    Args:
        shape: (X, Y, Z) of the reference.
        placed: scans on its grid.

    Raises:
        Refused: there is no such voxel.

    >>> part = Placed(np.zeros((4, 9, 3), dtype=np.float32), (-1, 2, 0), False)
    >>> common_box((5, 8, 3), [part])
    ((0, 3), (2, 8), (0, 3))
    """
    start, stop = [0, 0, 0], [int(n) for n in shape]
    for part in placed:
        for a in range(3):
            start[a] = max(start[a], part.offset[a])
            stop[a] = min(stop[a], part.offset[a] + part.voxels.shape[a])
    if any(last <= first for first, last in zip(start, stop, strict=True)):
        raise Refused(
            "The scans lie on one grid but share no voxel: they cover different regions. "
            "Compare an estimate with the reference it was made from."
        )
    return ((start[0], stop[0]), (start[1], stop[1]), (start[2], stop[2]))


def words(numbers: Sequence[float]) -> str:
    """Numbers as 'a x b x c'.

    >>> words((1.0, 0.9375, 4))
    '1 x 0.9375 x 4'
    """
    return " x ".join(f"{n:.6g}" for n in numbers)


def _like(
    scan: Volume, reference: Volume
) -> tuple[NDArray[np.float32], NDArray[np.float64], bool]:
    """Voxels and affine with the axes in the reference's order and direction, where possible."""
    turn = np.rint(np.linalg.solve(reference.affine, scan.affine)[:3, :3])
    ones = np.abs(turn) == 1
    if not ((np.abs(turn).sum(0) == 1).all() and (ones.sum(1) == 1).all()):
        return scan.voxels, scan.affine, False
    source = ones.argmax(axis=1)  # the scan's axis that runs along each axis of the reference
    flipped = tuple(a for a in range(3) if turn[a, source[a]] < 0)
    affine = scan.affine.copy()
    affine[:3, :3] = scan.affine[:3, source]
    voxels = np.flip(scan.voxels.transpose(source), flipped)
    for a in flipped:
        affine[:3, 3] += (voxels.shape[a] - 1) * affine[:3, a]
        affine[:3, a] *= -1
    return voxels, affine, bool(flipped or (source != np.arange(3)).any())


def _other_grid(
    scan: Volume, affine: NDArray[np.float64], shape: Sequence[int], reference: Volume
) -> str:
    spacing = geometry.spacing_mm(affine).tolist()
    same = np.allclose(spacing, reference.spacing_mm, rtol=1e-3, atol=0)
    why = "The spacings agree, but the voxels are shifted by a fraction of a voxel or rotated. "
    return (
        f"{scan.name} has spacing {words(spacing)} mm and shape {words(shape)}; the "
        f"reference {reference.name} has spacing {words(reference.spacing_mm)} mm and "
        f"shape {words(reference.shape)}. {why if same else ''}medsr does not interpolate "
        "before a comparison, because that would change the metrics. Make the estimate "
        "on the reference's grid, or on a whole-voxel crop of it. `medsr enhance "
        "--spacing MM` refines each axis that is coarser than MM to MM and leaves the "
        "others unchanged."
    )

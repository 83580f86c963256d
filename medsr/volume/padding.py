"""Padding: voxels outside the field of view, which contain no measurement.

DICOM states the stored number in PixelPaddingValue, or the range up to PixelPaddingRangeLimit
(PS3.3 C.7.5.1.1.2). Padding is not tissue: a reader replaces it with background, remembers where
it was, and a writer puts it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.volume.geometry import Affine
from medsr.volume.modality import CT_AIR_HU

__all__ = [
    "Padding",
    "constant_padding",
    "in_range",
    "nearest_mask",
    "with_padding",
    "without_padding",
]


@dataclass(frozen=True, eq=False)
class Padding:
    """Where a volume holds no measurement.

    Attributes:
        value: what stands there in the file, in the volume's unit.
        mask: [X, Y, Z] bool, True where nothing was measured.
    """

    value: float
    mask: NDArray[np.bool_]

    def on_grid(self, affine: Affine, fine: Affine, shape: tuple[int, ...]) -> Padding:
        """The padding on another grid of the same axes; see `nearest_mask`."""
        return Padding(self.value, nearest_mask(self.mask, affine, fine, shape))


def in_range(
    stored: NDArray[Any], value: float, limit: float | None = None
) -> NDArray[np.bool_] | None:
    """Where stored numbers are padding; None where there is none.

    Args:
        stored: numbers of any shape.
        value: PixelPaddingValue.
        limit: PixelPaddingRangeLimit, the other end of the range, which may be the lower one.

    >>> in_range(np.array([-2000, 5, 0]), -2000)
    array([ True, False, False])
    """
    ends = (value, value if limit is None else limit)
    mask = (stored >= min(ends)) & (stored <= max(ends)) if limit is not None else stored == value
    return mask if mask.any() else None


def without_padding(
    voxels: NDArray[np.float32], mask: NDArray[np.bool_], modality: str | None, name: str
) -> None:
    """Replace padding with background, in place: air in CT; 0, or the nearest real value, in MR.

    Args:
        voxels: of any shape.
        mask: of the same shape, True where nothing was measured.
        modality: "CT", or anything else.
        name: of the scan, for the message.

    Raises:
        Refused: nothing but padding.
    """
    low = float(np.min(voxels, where=~mask, initial=np.inf))
    if low == np.inf:
        raise Refused(
            f"{name}: every voxel is padding (PixelPaddingValue), so nothing was measured. "
            "Give the original scan."
        )
    high = float(np.max(voxels, where=~mask, initial=-np.inf))
    voxels[mask] = CT_AIR_HU if modality == "CT" else min(max(0.0, low), high)


#: Padding that no header declares: so many voxels of one value, so far below all others.
FEWEST_PADDED, GAP = 8, 0.25


def constant_padding(voxels: NDArray[np.float32], *, is_ct: bool) -> Padding | None:
    """Padding in a file whose header cannot declare it, such as NIfTI; None where there is none.

    In CT it is a constant below air; in MR a constant below zero with a wide gap above it.

    Args:
        voxels: [X, Y, Z].
        is_ct: whether they are Hounsfield units.
    """
    value = float(voxels.min())
    if value >= (CT_AIR_HU if is_ct else 0.0):
        return None
    mask = voxels == np.float32(value)
    if mask.sum() < FEWEST_PADDED or mask.all():
        return None
    if not is_ct:
        low = float(np.min(voxels, where=~mask, initial=np.inf))
        high = float(np.max(voxels, where=~mask, initial=-np.inf))
        if low - value <= GAP * (high - low):
            return None
    return Padding(value, mask)


def nearest_mask(
    mask: NDArray[np.bool_], affine: Affine, fine: Affine, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """A mask on another grid of the same axes: that of the nearest voxel.

    Args:
        mask: [X, Y, Z].
        affine: [4, 4] of the mask, voxel -> RAS+ mm.
        fine: [4, 4] of the other grid, its axes parallel to those of the mask.
        shape: (X', Y', Z') of the other grid.

    >>> coarse = np.zeros((2, 1, 1), dtype=bool)
    >>> coarse[0] = True
    >>> fine = np.diag([0.5, 1.0, 1.0, 1.0])
    >>> fine[0, 3] = -0.25
    >>> nearest_mask(coarse, np.eye(4), fine, (4, 1, 1)).ravel()
    array([ True,  True, False, False])
    """
    relative = np.linalg.solve(affine, fine)
    places = [
        np.clip(np.rint(relative[a, a] * np.arange(n) + relative[a, 3]), 0, mask.shape[a] - 1)
        for a, n in enumerate(shape)
    ]
    return mask[np.ix_(*(place.astype(np.intp) for place in places))]


def with_padding(voxels: NDArray[np.float32], padding: Padding | None) -> NDArray[np.float32]:
    """Voxels as a file shows them: the padding value where nothing was measured."""
    if padding is None:
        return voxels
    return np.where(padding.mask, np.float32(padding.value), voxels)

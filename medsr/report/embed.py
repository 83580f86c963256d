"""Volumes embedded in a report: small, without network access, positions kept.

All images of a page share one grid. They are cut to the anatomy and stored as whole numbers of an
even step; each number is kept as its difference to the mean of its two neighbours before it (as
PNG does), since that packs a seventh smaller; then gzip and base64. Where that would not fit the
budget, the step grows first, and then voxels are averaged over n x n x n. The page says so. Maps
of differences in the page's viewer are made of these; its still pictures and its numbers are made
of the full voxels.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.volume.modality import Modality
from medsr.volume.nifti_write import nifti_bytes

__all__ = ["Embedded", "embed", "pack", "predicted"]

#: What is tried in turn: (steps over the range in MR, in CT; n of the averages).
ATTEMPTS = (
    *((256, 1024, 1), (160, 512, 1), (112, 384, 1)),
    *((160, 512, n) for n in range(2, 9)),
)

#: Steps over the range of a map: more than the eye tells apart in its colours.
MAP_LEVELS = 64

#: Voxels kept around the anatomy.
MARGIN = 4


@dataclass(frozen=True)
class Embedded:
    """Packed volumes, and what was done to pack them.

    Attributes:
        packed: key -> base64 of a gzipped NIfTI file whose voxels are `predicted`.
        levels: steps from the darkest to the brightest voxel of an image.
        averaged: n of the n x n x n averages; 1 where every voxel is there.
    """

    packed: Mapping[str, str]
    averaged: int
    levels: int


def embed(
    images: Mapping[str, NDArray[np.float32]],
    maps: Mapping[str, NDArray[np.float32]],
    affine: NDArray[np.float64],
    mask: NDArray[np.bool_],
    modality: Modality,
    budget: int,
) -> Embedded:
    """Pack volumes into a limited number of characters.

    Args:
        images: key -> [X, Y, Z] on one grid.
        maps: the same of what is shown in colours, for which `MAP_LEVELS` steps do.
        affine: of that grid.
        mask: the anatomy; a box around it is kept.
        modality: decides the number of steps.
        budget: base64 characters for all of them together.
    """
    box = _box(mask)
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    cut = {key: np.asarray(image[box]) for key, image in {**images, **maps}.items()}
    for mr_levels, ct_levels, n in ATTEMPTS:
        levels = ct_levels if modality == "CT" else mr_levels
        grid = _coarser(affine, n)
        packed = {
            key: _packed(_averaged(image, n), grid, MAP_LEVELS if key in maps else levels)
            for key, image in cut.items()
        }
        if sum(map(len, packed.values())) <= budget:
            break
    return Embedded(packed, n, levels)


def pack(data: bytes) -> str:
    """Bytes as base64 of their gzip."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")


def predicted(stored: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """Each number minus the mean (rounded down) of those before it along axes 0 and 1.

    Differences wrap around, so that they need no more bits; `volumes.js` undoes this.

    >>> predicted(np.array([[[10], [12]], [[14], [13]]], dtype=np.uint8))[..., 0]
    array([[10, 12],
           [14,  0]], dtype=uint8)
    """
    result = stored.copy()
    before = stored[:-1, 1:].astype(np.uint32) + stored[1:, :-1]
    result[1:, 1:] -= (before // 2).astype(stored.dtype)
    return result


def _packed(image: NDArray[np.float32], affine: NDArray[np.float64], levels: int) -> str:
    low, high = (float(v) for v in np.percentile(image, [0.02, 99.98]))
    step = max(high - low, 1e-6) / (levels - 1)
    steps = np.rint((np.clip(image, low, high) - low) / step)
    stored = steps.astype(np.uint8 if levels <= 256 else np.uint16)
    return pack(nifti_bytes(predicted(stored), affine, slope=step, intercept=low))


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    sides = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(
        slice(max(0, side.start - MARGIN), min(n, side.stop + MARGIN))
        for side, n in zip(sides, mask.shape, strict=True)
    )


def _averaged(image: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Means over n voxels along each axis; what is left over at the far end is left out."""
    for axis in range(3):
        count = image.shape[axis] // n
        if n == 1 or count < 2:
            continue
        parts = np.moveaxis(image, axis, 0)[: count * n]
        parts = parts.reshape(count, n, *parts.shape[1:]).mean(axis=1)
        image = np.moveaxis(parts, 0, axis)
    return image


def _coarser(affine: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The affine of n x n x n averages: outer corner kept."""
    result = affine.copy()
    result[:3, :3] *= n
    result[:3, 3] += 0.5 * (n - 1) * affine[:3, :3].sum(axis=1)
    return result

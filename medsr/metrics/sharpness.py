"""Edge sharpness: the 10-90 % rise of edges in millimetres.

The 10-90 % rise: the distance in which an edge climbs from a tenth to nine tenths of its height.
Edges are places in the *reference*, the same for every estimate; their rise is read in each image.

1. Gradient of the reference (central differences, unit / mm). A voxel of the mask is an edge along
   an axis when that axis holds at least 90 % of the gradient's length and no neighbour along the
   axis has a larger part. The strongest tenth of them is kept.
2. Profile: the image's voxels along the axis, up to 10 voxels to either side of the edge.
3. From the edge outwards while the profile rises: both ends are the edge's foot and top. Between
   them, linear interpolation gives the places of 10 % and 90 %.
4. The result is the median over edges. Where an image does not rise at a place, that place is
   left out; where more than half are left out there is no number.

A step between two voxels reads 0.8 voxels, the least that a grid can show; an edge blurred by a
Gaussian reads 2.563 sigma. Noise breaks the climb early and so *looks* sharp: compare estimates of
like noise. The definition of the 10-90 % rise: ISO 12233, and IEC 61262-7 for its use in X-ray.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.metrics.checks import Array, Mask, check_pair

__all__ = ["rise_across_slices", "rise_in_plane", "rise_mm"]

#: An edge is along an axis when the axis holds this share of the gradient.
ALONG = 0.9
#: Per cent of the edges that are too weak to be used.
WEAK_PERCENT = 90.0
REACH = 10  # voxels to either side
FEWEST = 20  # edges
LOW, HIGH = 0.1, 0.9


def rise_mm(
    reference: Array,
    estimate: Array,
    *,
    spacing_mm: Sequence[float],
    axes: Sequence[int],
    mask: Mask | None = None,
) -> float:
    """Median 10-90 % rise of the estimate at the reference's edges, mm.

    Closer to the reference's own rise (`rise_mm(x, x)`) is better; larger is blurred.

    Args:
        reference, estimate: [X, Y, Z], finite, one grid.
        spacing_mm: voxel spacing along each axis, (3,).
        axes: edges along these axes are taken together.
        mask: edges lie inside it; anywhere if None.

    Raises:
        UsageError: as `fidelity.psnr`.
        Refused: fewer than 20 edges are left.
    """
    check_pair(reference, estimate, mask)
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(estimate, dtype=np.float64)
    gradient = np.stack([np.gradient(x, spacing_mm[a], axis=a) for a in range(3)])
    length = np.sqrt((gradient**2).sum(axis=0))
    found: list[NDArray[np.float64]] = []
    places = 0
    for axis in axes:
        where = _edges(gradient[axis], length, axis, mask)
        places += len(where[0])
        up = gradient[axis][where] > 0
        found.append(_rises(_profiles(y, where, axis, up)) * spacing_mm[axis])
    rises = np.concatenate(found)
    if len(rises) < max(FEWEST, places / 2):
        raise Refused(
            f"Only {len(rises)} of the reference's {places} edges along axis "
            f"{' and '.join(str(a) for a in axes)} can be read; at least half, and {FEWEST}, "
            "are needed for a rise."
        )
    return float(np.median(rises))


def rise_across_slices(
    reference: Array,
    estimate: Array,
    *,
    spacing_mm: Sequence[float],
    axis: int,
    mask: Mask | None = None,
) -> float:
    """`rise_mm` of the edges along the slice axis: where thick slices blur."""
    return rise_mm(reference, estimate, spacing_mm=spacing_mm, axes=(axis,), mask=mask)


def rise_in_plane(
    reference: Array,
    estimate: Array,
    *,
    spacing_mm: Sequence[float],
    axis: int,
    mask: Mask | None = None,
) -> float:
    """`rise_mm` of the edges along the two axes within the slices."""
    others = tuple(a for a in range(3) if a != axis)
    return rise_mm(reference, estimate, spacing_mm=spacing_mm, axes=others, mask=mask)


def _edges(
    part: NDArray[np.float64], length: NDArray[np.float64], axis: int, mask: Mask | None
) -> tuple[NDArray[np.intp], ...]:
    """The voxels with the strongest edges along an axis, away from both ends of it."""
    size = np.abs(part)
    edge = (size >= ALONG * length) & (size > 0)
    line = np.moveaxis(size, axis, 0)
    ridge = np.zeros(line.shape, dtype=bool)
    ridge[1:-1] = (line[1:-1] >= line[:-2]) & (line[1:-1] > line[2:])
    ridge[:2] = ridge[-2:] = False
    edge &= np.moveaxis(ridge, 0, axis)
    if mask is not None:
        edge &= mask
    if edge.any():
        edge &= size >= np.percentile(size[edge], WEAK_PERCENT)
    return np.nonzero(edge)


def _profiles(
    image: NDArray[np.float64],
    where: tuple[NDArray[np.intp], ...],
    axis: int,
    up: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Lines of voxels through the edges, all climbing: [edges, 2 REACH + 1]."""
    index = [np.broadcast_to(w[:, None], (len(w), 2 * REACH + 1)) for w in where]
    steps = np.arange(-REACH, REACH + 1)
    index[axis] = np.clip(where[axis][:, None] + steps, 0, image.shape[axis] - 1)
    lines = image[tuple(index)]
    return np.asarray(np.where(up[:, None], lines, lines[:, ::-1]))


def _rises(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """10-90 % rise of each line, in voxels; lines that do not climb are left out."""
    rising = np.diff(lines, axis=1) > 0
    left = np.cumprod(rising[:, REACH - 1 :: -1], axis=1).sum(axis=1)
    right = np.cumprod(rising[:, REACH:], axis=1).sum(axis=1)
    rises = []
    for line, before, after in zip(lines, left, right, strict=True):
        if before + after == 0:
            continue
        climb = line[REACH - before : REACH + after + 1]
        share = (climb - climb[0]) / (climb[-1] - climb[0])
        at = np.interp((LOW, HIGH), share, np.arange(len(climb)))
        rises.append(at[1] - at[0])
    return np.asarray(rises, dtype=np.float64)

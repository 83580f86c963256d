"""Volumes and overlap of regions, against the same segmenter's regions of the reference.

The segmenter sees every image on its own; what it finds in the reference stands for the truth, so
that its own errors cancel: the numbers say how far an estimate changes what a later step measures.

    Dice = 2 |A and B| / (|A| + |B|);  change = 100 (|B| - |A|) / |A| percent

A regions of the reference, B of the estimate, on the segmenter's grid. Regions of less than 0.1 ml
in the reference are left out: a percentage of nothing says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.regions.segmenter import Segmenter, conform, field_of_view

__all__ = ["SMALLEST_ML", "Region", "compare_regions", "labelled_regions"]

SMALLEST_ML = 0.1

#: A voxel of the segmenter's grid.
VOXEL_ML = 0.001


@dataclass(frozen=True)
class Region:
    """One region in one image.

    Attributes:
        name: of the region.
        dice: overlap with the reference's.
        volume_ml: in this image.
        change_percent: of the volume, against the reference's.
    """

    name: str
    dice: float
    volume_ml: float
    change_percent: float


def compare_regions(
    segmenter: Segmenter,
    reference: NDArray[np.floating],
    estimates: Mapping[str, NDArray[np.floating]],
    affine: NDArray[np.float64],
) -> dict[str, tuple[Region, ...]]:
    """Segment the reference and every estimate, and compare.

    Args:
        segmenter: the network.
        reference: [X, Y, Z].
        estimates: label -> [X, Y, Z] on the same grid.
        affine: [4, 4] of that grid, voxel index -> RAS+ mm.

    Returns:
        "reference" and each estimate's name -> its regions.

    Raises:
        Refused: the segmenter finds no region in the reference.
    """
    image = conform(reference, affine)
    field = field_of_view(image)
    own = segmenter(image, field)
    result = {"reference": labelled_regions(segmenter.names, own, own)}
    if not result["reference"]:
        raise Refused(
            f"The segmenter {segmenter.name} finds no region in the reference. It needs the kind "
            "of scan that it was trained on; brainchop's networks need a whole T1w head."
        )
    for label, estimate in estimates.items():
        found = segmenter(conform(estimate, affine), field)
        result[label] = labelled_regions(segmenter.names, own, found)
    return result


def labelled_regions(
    names: tuple[str, ...], own: NDArray[np.uint8], found: NDArray[np.uint8]
) -> tuple[Region, ...]:
    """Compare two label maps of one shape.

    Args:
        names: of the labels; the first is the background, which is left out.
        own: of the reference; found: of an estimate.
    """
    count = len(names)
    mine = np.bincount(own.ravel(), minlength=count)
    theirs = np.bincount(found.ravel(), minlength=count)
    both = np.bincount(own[own == found].ravel(), minlength=count)
    return tuple(
        Region(
            names[k],
            float(2 * both[k] / (mine[k] + theirs[k])),
            float(theirs[k] * VOXEL_ML),
            float(100 * (int(theirs[k]) - int(mine[k])) / mine[k]),
        )
        for k in range(1, count)
        if mine[k] * VOXEL_ML >= SMALLEST_ML
    )

"""The foreground mask and the data range of a reference.

Two facts that every fidelity number depends on, both computed from the *reference* alone, so that
no estimate can change the ruler it is measured with.

The range. `data_range` of an evaluation is `robust_range`: q - f, with::

    q = the 99.9th percentile of all voxels of the reference,
    f = 0 for MR (magnitude images start at zero) and -1024 for CT (HU; the lowest value of a
        12-bit scanner, where air lies near -1000).

Neither the maximum nor the minimum enters: one bright vessel or one ringing voxel moves both, and
with them every decibel. Scanner padding below -1024 HU does not enter either.

The foreground. `foreground_mask` is, in this order,

1. threshold: MR: voxels above a tenth of q;  CT: voxels above -500 HU (half way from air to
   water);
2. holes: a voxel is added when, in at least one of the three slices through it (across axis 0, 1
   or 2), bright voxels surround it (4 neighbours in the slice). So lungs stay in the mask where
   the windpipe leaves the scan, and a dark skull does not cut skin from brain;
3. the largest connected component (6 face neighbours); of equally large ones the first.

No smoothing, no random number, no atlas: the same reference gives the same mask, and flipping or
permuting the axes flips or permutes the mask. A skull-stripped head keeps its brain, any other
head its skin. A CT table that touches the patient stays in the mask.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.errors import Refused
from medsr.volume.modality import Modality, air_value

__all__ = [
    "CT_THRESHOLD_HU",
    "MR_THRESHOLD",
    "TOP_PERCENTILE",
    "foreground_mask",
    "robust_range",
]

#: The percentile that stands for "bright": one voxel in a thousand may lie above it.
TOP_PERCENTILE = 99.9

#: MR foreground starts at this fraction of the top percentile: below soft tissue in the usual
#: contrasts. Where the top percentile is under about 20 times the noise's standard deviation, so
#: many background voxels pass that they hang together, and the mask spreads into the air.
MR_THRESHOLD = 0.1

#: CT foreground starts here: half way between air (-1000 HU) and water (0 HU).
CT_THRESHOLD_HU = -500.0


def robust_range(reference: NDArray[Any], *, modality: Modality) -> float:
    """The evaluation's data range: 99.9th percentile minus `air_value`.

    Args:
        reference: [X, Y, Z], the whole reference, in its own unit (HU for CT).
        modality: "MR" or "CT".

    Returns:
        the range, > 0, in the reference's unit.

    Raises:
        Refused: nothing in the image rises above the floor, so there is no range.

    >>> robust_range(np.full((4, 4, 4), 800.0), modality="MR")
    800.0
    >>> robust_range(np.full((4, 4, 4), 76.0), modality="CT")
    1100.0
    """
    floor = air_value(modality)
    top = float(np.percentile(reference, TOP_PERCENTILE))
    if not top > floor:
        raise Refused(
            f"The reference's {TOP_PERCENTILE}th percentile is {top:.4g}, not above "
            f"{floor:.4g}, where {modality} intensities start; the image is almost empty. "
            "Check the file and its modality, or state the data range."
        )
    return top - floor


def foreground_mask(reference: NDArray[Any], *, modality: Modality) -> NDArray[np.bool_]:
    """The voxels of the patient: threshold, holes filled, largest component.

    Args:
        reference: [X, Y, Z], the whole reference, in its own unit (HU for CT).
        modality: "MR" (above a tenth of the 99.9th percentile) or "CT" (above -500 HU).

    Returns:
        bool [X, Y, Z], with at least one voxel; the module's text gives the exact steps.

    Raises:
        Refused: no voxel is above the threshold.
    """
    if modality == "CT":
        threshold = CT_THRESHOLD_HU
    else:
        threshold = MR_THRESHOLD * robust_range(reference, modality=Modality.MR)
    bright = np.asarray(reference) > threshold
    if not bright.any():
        raise Refused(
            f"No voxel of the reference is above {threshold:.4g}, so it has no foreground. "
            "Check the file and its modality, or give a mask."
        )
    return _largest_component(_fill_in_slices(bright))


def _largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def _fill_in_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    filled = mask.copy()
    for axis in range(3):
        filled |= _holes_across(mask, axis)
    return filled


def _holes_across(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Background that no path within its slice (across `axis`) joins to the slice's border."""
    neighbours = ndimage.generate_binary_structure(3, 1)
    for side in (0, 2):  # no step from slice to slice: each slice is labelled by itself
        np.moveaxis(neighbours, axis, 0)[side] = False
    labels, count = ndimage.label(~mask, structure=neighbours)
    enclosed = np.ones(count + 1, dtype=bool)
    enclosed[0] = False
    for edge in {0, 1, 2} - {axis}:
        for end in (0, -1):
            enclosed[np.take(labels, end, axis=edge)] = False
    return np.asarray(enclosed[labels])

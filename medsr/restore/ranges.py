"""Is this acquisition inside what the model was trained for? Said in words, never hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.acquisition.acquisition import Acquisition
from medsr.audit.familiarity import portrait, strangeness
from medsr.errors import Refused

__all__ = ["REFUSED_STRANGENESS", "familiarity", "remarks_on_range"]

#: Widths of the training's range that a number may lie outside before it is worth a remark, and
#: before the scan is refused (docs/trust.md says how these were chosen).
REMARKABLE_STRANGENESS, REFUSED_STRANGENESS = 0.5, 3.0

#: A number this share beyond a limit still counts as on it.
SLACK = 1.02


def remarks_on_range(
    acquisition: Acquisition, ranges: Mapping[str, Any], *, samples: bool
) -> tuple[str, ...]:
    """One sentence for each number outside of the model card's ranges.

    Args:
        acquisition: of the scan.
        ranges: of the card; keys `factor`, `thickness_over_spacing` and `in_plane_factor`, each
            (lowest, highest). Missing keys are not checked. `factor_of_samples` is there where
            samples learned another range than the posterior mean.
        samples: the result is drawn, in several steps.
    """
    if samples and "factor_of_samples" in ranges:
        ranges = {**ranges, "factor": ranges["factor_of_samples"]}
    coarse = acquisition.axes[acquisition.coarse_axis]
    others = [axis for k, axis in enumerate(acquisition.axes) if k != acquisition.coarse_axis]
    found = {
        "factor": coarse.factor,
        "thickness_over_spacing": coarse.width_mm / coarse.low_mm,
        "in_plane_factor": max(axis.factor for axis in others),
    }
    words = {
        "factor": "slice spacing over the target spacing",
        "thickness_over_spacing": "slice thickness over slice spacing",
        "in_plane_factor": "in-plane factor",
    }
    remarks = []
    for key, value in found.items():
        low, high = ranges.get(key, (0.0, float("inf")))
        if not low / SLACK <= value <= high * SLACK:
            remarks.append(
                f"{words[key]} is {value:.2g}; the model was trained on {low:g} to {high:g}: "
                "expect less than its card says."
            )
    return tuple(remarks)


def familiarity(
    scan: NDArray[np.float32],
    slice_axis: int,
    spacing_mm: Sequence[float],
    ranges: Mapping[str, Sequence[float]],
    name: str,
    *,
    force: bool,
) -> tuple[str, ...]:
    """Remarks on the numbers in which a scan differs from all training scans.

    Args:
        scan: in the network's range, [X, Y, Z].
        slice_axis: across the slices.
        spacing_mm: (3,).
        ranges: of the card, number -> (least, largest).
        name: of the scan.
        force: whether a scan past the limit is to be enhanced all the same.

    Raises:
        Refused: a number is further outside than `REFUSED_STRANGENESS` and `force` is not given.
    """
    found = strangeness(portrait(scan, slice_axis, spacing_mm), ranges)
    beyond = [s for s in found if s.distance > REFUSED_STRANGENESS and not s.is_of_header]
    if beyond and not force:
        raise Refused(
            f"{name}: is unlike all that the model learned on: {beyond[0].sentence} Check the "
            "modality and the header, or give --force to enhance it all the same."
        )
    return tuple(s.sentence for s in found if s.distance > REMARKABLE_STRANGENESS)

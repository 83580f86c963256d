"""Is this acquisition inside what the model was trained for? Said in words, never hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsr.acquisition.acquisition import Acquisition

__all__ = ["remarks_on_range"]

#: A number this share beyond a limit still counts as on it.
SLACK = 1.02


def remarks_on_range(acquisition: Acquisition, ranges: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for each number outside of the model card's ranges.

    Args:
        acquisition: of the scan.
        ranges: of the card; keys `factor`, `thickness_over_spacing` and `in_plane_factor`, each
            (lowest, highest). Missing keys are not checked.
    """
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

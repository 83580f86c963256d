"""Out-of-distribution score of a scan against the training statistics.

A few numbers describe a scan, its *statistics*. The model card keeps the range of each number over
the training scans. A number outside its range is reported with both ends; the *distance* is how
far outside it lies, in widths of the range. The largest distance is the out-of-distribution score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.acquisition.acquisition import Acquisition
from medsr.errors import Refused
from medsr.intensity import FOREGROUND
from medsr.remarks import Meaning, Remark

__all__ = [
    "REFUSED_SCORE",
    "OutOfDistribution",
    "out_of_distribution_score",
    "remarks_on_distribution",
    "remarks_on_range",
    "scan_statistics",
    "statistics_ranges",
]


#: What each number of the statistics is, in words.
WORDS = {
    "foreground_share": "share of voxels brighter than 10 % of the range",
    "dark": "10th percentile of the anatomy over the range",
    "middle": "median of the anatomy over the range",
    "bright": "90th percentile of the anatomy over the range",
    "contrast": "standard deviation of the anatomy over the range",
    "in_plane_detail": "change from pixel to pixel over the contrast",
    "between_slices": "change from slice to slice over the contrast",
    "same_distance": "change from slice to slice over that across the same distance in-plane",
}


#: What a number outside of its range may mean.
HINTS = {
    "in_plane_detail": "Noise or motion can cause this.",
    "same_distance": "Check the slice spacing in the header.",
}


#: A range counts as at least this share of its larger end: few scans make narrow ranges.
LEAST_WIDTH = 0.3


#: At most about this many voxels are used.
MOST_VOXELS = 3_000_000


@dataclass(frozen=True)
class OutOfDistribution:
    """A number of a scan outside of the training's range.

    Attributes:
        name: key of `WORDS`.
        value, low, high: the number and the range.
        distance: how far outside, in widths of the range.
    """

    name: str
    value: float
    low: float
    high: float
    distance: float

    @property
    def is_of_header(self) -> bool:
        """Whether the header may be at fault, not the image: no reason to refuse."""
        return self.name == "same_distance"

    @property
    def sentence(self) -> str:
        """The deviation as a sentence."""
        return (
            f"The {WORDS[self.name]} is {self.value:.2g}; in the training scans it was "
            f"{self.low:.2g} to {self.high:.2g}. {HINTS.get(self.name, '')}"
        ).strip()


def scan_statistics(
    scan: NDArray[np.float32], slice_axis: int, spacing_mm: Sequence[float]
) -> dict[str, float]:
    """The numbers of a scan.

    Args:
        scan: measured voxels in the network's range, [X, Y, Z].
        slice_axis: voxel axis along which the slices are stacked.
        spacing_mm: (3,).

    Returns:
        Name (key of `WORDS`) -> number; empty where there is no anatomy at all.
    """
    slices = np.moveaxis(scan, slice_axis, 0)
    thinned = slices[:, :: max(1, slices.size // MOST_VOXELS)]
    anatomy = thinned[thinned > FOREGROUND]
    if anatomy.size < 100:
        return {}
    contrast = float(anatomy.std()) + 1e-6
    dark, middle, bright = (float(v) for v in np.percentile(anatomy, [10, 50, 90]))
    last = max(k for k in range(3) if k != slice_axis)  # lies along the last axis of `slices`
    lag = max(1, round(spacing_mm[slice_axis] / spacing_mm[last]))
    between = _change(thinned)
    return {
        "foreground_share": anatomy.size / thinned.size,
        "dark": dark,
        "middle": middle,
        "bright": bright,
        "contrast": contrast,
        "in_plane_detail": _change(np.moveaxis(thinned, 2, 0)) / contrast,
        "between_slices": between / contrast,
        "same_distance": between / max(_change(np.moveaxis(thinned, 2, 0), lag), 0.01 * contrast),
    }


def _change(x: NDArray[np.float32], lag: int = 1) -> float:
    """Mean absolute difference over a distance along the first axis, within the anatomy."""
    a, b = x[lag:], x[:-lag]
    chosen = np.abs(a - b)[(a > FOREGROUND) & (b > FOREGROUND)]
    return float(chosen.mean()) if chosen.size else 0.0


def statistics_ranges(statistics: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """The least and the largest of each number over scans that all have anatomy."""
    return {
        name: (min(p[name] for p in statistics), max(p[name] for p in statistics))
        for name in WORDS
    }


def out_of_distribution_score(
    found: Mapping[str, float], ranges: Mapping[str, Sequence[float]]
) -> tuple[OutOfDistribution, ...]:
    """The numbers outside their ranges, largest distance first; others are not checked."""
    outside = []
    for name, value in found.items():
        low, high = ranges.get(name, (-np.inf, np.inf))
        width = max(high - low, LEAST_WIDTH * max(abs(low), abs(high)))
        distance = max(low - value, value - high) / width
        if distance > 0:
            outside.append(OutOfDistribution(name, value, low, high, float(distance)))
    return tuple(sorted(outside, key=lambda s: -s.distance))


#: Widths of the training's range that a number may lie outside before it is worth a remark, and
#: before the scan is refused (docs/explanation/trust.md says how these were chosen).
REMARKABLE_SCORE, REFUSED_SCORE = 0.5, 3.0


#: A number this share beyond a limit still counts as on it.
SLACK = 1.02


def remarks_on_range(
    acquisition: Acquisition, ranges: Mapping[str, Any], *, samples: bool
) -> tuple[Remark, ...]:
    """A doubt for each number outside of the model card's ranges.

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
            sentences = (
                f"The {words[key]} is {value:.2g}; the model was trained on {low:g} to "
                f"{high:g}. Expect a lower quality than the model card states."
            )
            remarks.append(Remark(Meaning.DOUBT, sentences))
    return tuple(remarks)


def remarks_on_distribution(
    scan: NDArray[np.float32],
    slice_axis: int,
    spacing_mm: Sequence[float],
    ranges: Mapping[str, Sequence[float]],
    name: str,
    *,
    force: bool,
) -> tuple[Remark, ...]:
    """Remarks on the numbers in which a scan differs from all training scans.

    Args:
        scan: in the network's range, [X, Y, Z].
        slice_axis: voxel axis along which the slices are stacked.
        spacing_mm: (3,).
        ranges: of the card, number -> (least, largest).
        name: of the scan.
        force: whether a scan past the limit is to be enhanced all the same.

    Raises:
        Refused: a number is further outside than `REFUSED_SCORE` and `force` is not given.
    """
    found = out_of_distribution_score(scan_statistics(scan, slice_axis, spacing_mm), ranges)
    beyond = [s for s in found if s.distance > REFUSED_SCORE and not s.is_of_header]
    if beyond and not force:
        raise Refused(
            f"{name}: is very unlike the model's training scans. {beyond[0].sentence} "
            "Check the modality and the header; --force enhances the scan anyway."
        )
    worth_it = (s.sentence for s in found if s.distance > REMARKABLE_SCORE)
    return tuple(Remark(Meaning.DOUBT, sentence) for sentence in worth_it)

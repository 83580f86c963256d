"""What a metric is, and which of two values of it is closer to the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["BETTER_WORDS", "IMAGE_UNIT", "Better", "Metric", "badness"]

#: Which value is closest to the reference: as high as can be, as low as can be, 0, 1, or the
#: reference's own value of the same number.
Better = Literal["higher", "lower", "zero", "one", "reference"]

#: `Better` in words.
BETTER_WORDS = {
    "higher": "higher is closer",
    "lower": "lower is closer",
    "zero": "0 is closest",
    "one": "1 is closest",
    "reference": "best when equal to the reference's value",
}

#: Stands for the unit of the images themselves; a report puts theirs in its place.
IMAGE_UNIT = "unit of the image"


@dataclass(frozen=True)
class Metric:
    """One number that says how close an estimate is to its reference.

    Attributes:
        function: called as function(reference, estimate, mask=..., and what `needs` names); None
            for a number that is made of more than two images (`OTHER_NUMBERS`).
        needs: the keywords that the function asks for besides `mask`.
        title: the column's heading.
        unit: of the number; empty for a pure number.
        better: which way is closer to the reference.
        digits: decimals that a table shows.
        definition: one sentence for reports.
    """

    function: Callable[..., float] | None
    needs: tuple[Literal["data_range", "axis", "spacing_mm"], ...]
    title: str
    unit: str
    better: Better
    digits: int
    definition: str


def badness(metric: Metric, value: float, reference_value: float | None = None) -> float:
    """How far a number is from the best it could be; comparisons of methods rank by this.

    Args:
        metric: whose number it is.
        value: of an estimate.
        reference_value: the reference's own, for metrics whose `better` is "reference".

    >>> from medsr.metrics.registry import METRICS
    >>> badness(METRICS["psnr"], 30.0) > badness(METRICS["psnr"], 31.0)
    True
    """
    if metric.better == "higher":
        return -value
    if metric.better == "lower":
        return value
    if metric.better == "reference" and reference_value is not None:
        return abs(value - reference_value)
    return abs(value - (1.0 if metric.better == "one" else 0.0))

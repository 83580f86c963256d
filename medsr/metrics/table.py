"""The numbers that an evaluation reports: a name, a function, and one sentence that defines it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from medsr.metrics import fidelity

__all__ = ["IMAGE_UNIT", "METRICS", "Metric"]

#: Stands for the unit of the images themselves; a report puts theirs in its place.
IMAGE_UNIT = "unit of the image"


@dataclass(frozen=True)
class Metric:
    """One number that says how close an estimate is to its reference.

    Attributes:
        function: called as function(reference, estimate, mask=..., and what `needs` names).
        needs: the keywords that the function asks for besides `mask`.
        title: the column's heading.
        unit: of the number; empty for a pure number.
        better: which way is closer to the reference.
        digits: decimals that a table shows.
        definition: one sentence for reports.
    """

    function: Callable[..., float]
    needs: tuple[Literal["data_range", "axis"], ...]
    title: str
    unit: str
    better: Literal["higher", "lower"]
    digits: int
    definition: str


METRICS = {
    "psnr": Metric(
        function=fidelity.psnr,
        needs=("data_range",),
        title="PSNR",
        unit="dB",
        better="higher",
        digits=2,
        definition="Peak signal-to-noise ratio: 10 log10(range^2 / mean square error over the "
        "mask), infinite for identical images.",
    ),
    "ssim_3d": Metric(
        function=fidelity.ssim_3d,
        needs=("data_range",),
        title="SSIM 3-D",
        unit="",
        better="higher",
        digits=4,
        definition="Structural similarity (Wang et al. 2004, K1 = 0.01, K2 = 0.03) under an "
        "11 x 11 x 11 voxel Gaussian window (sigma 1.5 voxels): mean of its map over the "
        "voxels of the mask at least 5 voxels inside the compared box.",
    ),
    "ssim_slice_mean": Metric(
        function=fidelity.ssim_slice_mean,
        needs=("data_range", "axis"),
        title="SSIM 2-D",
        unit="",
        better="higher",
        digits=4,
        definition="Structural similarity (Wang et al. 2004, K1 = 0.01, K2 = 0.03) in each slice "
        "under an 11 x 11 voxel Gaussian window (sigma 1.5 voxels): mean of its maps over the "
        "voxels of the mask at least 5 voxels inside their slice.",
    ),
    "nrmse": Metric(
        function=fidelity.nrmse,
        needs=("data_range",),
        title="NRMSE",
        unit="",
        better="lower",
        digits=4,
        definition="Root mean square error over the mask, divided by the range; says the same as "
        "PSNR (PSNR = -20 log10 NRMSE).",
    ),
    "mae": Metric(
        function=fidelity.mae,
        needs=(),
        title="MAE",
        unit=IMAGE_UNIT,
        better="lower",
        digits=3,
        definition="Mean absolute error over the mask, in the unit of the image; no range enters.",
    ),
}

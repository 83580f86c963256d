"""Calibrated intervals by split conformal prediction, binned by local standard deviation.

A spread (of samples, or the local energy of the null-space component) ranks voxels by how far they
may be off, but its size is not an error. On held-out subjects, voxels are binned by their spread;
in each bin the half-width is the quantile of the absolute error that covers the nominal share
(Vovk 2012, "Conditional validity of inductive conformal predictors", Mondrian categories). The
half-width of a new voxel is read off that table. The coverage is right as far as new subjects
resemble those of the calibration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.errors import UsageError

__all__ = ["Interval", "fit_interval"]

#: Bins of the spread, each with as many calibration voxels.
BINS = 16


@dataclass(frozen=True)
class Interval:
    """Half-width of a nominal interval as a function of the spread; piecewise linear.

    Attributes:
        nominal: share of voxels that the interval is to cover.
        spreads: ascending knots, over the intensity gain.
        half_widths: at the knots, non-decreasing, over the intensity gain.
    """

    nominal: float
    spreads: tuple[float, ...]
    half_widths: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = list(self.spreads) == sorted(set(self.spreads))
        if not 0 < self.nominal < 1 or len(self.spreads) != len(self.half_widths) or not rising:
            raise UsageError(
                "An interval table needs a coverage between 0 and 1 and increasing knots."
            )

    def half_width(self, spread: Tensor) -> Tensor:
        """Half-widths [...] of spreads [...], both over the intensity gain."""
        knots, widths = np.array(self.spreads), np.array(self.half_widths)
        found: NDArray[np.float64] = np.interp(spread.numpy(), knots, widths)
        return torch.from_numpy(found.astype(np.float32))


def fit_interval(
    spreads: Sequence[NDArray[np.float32]],
    errors: Sequence[NDArray[np.float32]],
    *,
    nominal: float = 0.9,
) -> Interval:
    """Calibrate on voxels whose true values are known.

    Args:
        spreads: of each subject, [voxels]; subjects have equal weights.
        errors: estimate minus truth, like the spreads.
        nominal: share to cover.
    """
    count = min(len(s) for s in spreads)
    rng = np.random.default_rng(0)
    chosen = [rng.choice(len(s), count, replace=False) for s in spreads]
    spread = np.concatenate([s[i] for s, i in zip(spreads, chosen, strict=True)])
    error = np.abs(np.concatenate([e[i] for e, i in zip(errors, chosen, strict=True)]))
    order = np.argsort(spread, kind="stable")
    knots, widths = [], []
    for part in np.array_split(order, BINS):
        rank = min(len(part), math.ceil((len(part) + 1) * nominal))  # conformal quantile
        knots.append(float(np.median(spread[part])))
        widths.append(float(np.partition(error[part], rank - 1)[rank - 1]))
    distinct, index = np.unique(np.array(knots), return_index=True)
    rising = np.maximum.accumulate(np.array(widths)[index])
    return Interval(nominal, tuple(float(k) for k in distinct), tuple(float(w) for w in rising))

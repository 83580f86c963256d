"""Bootstrap intervals and paired tests over subjects.

The unit is the *person*: slices and scans of one person are not independent, so they are averaged
before any statistic, and people are what the bootstrap draws.

Interval: percentile bootstrap of the mean (Efron, Tibshirani 1993, ch. 13), 10,000 draws, seeded.
Test: Wilcoxon's signed-rank test on paired differences, two-sided (`scipy.stats.wilcoxon`): exact
up to 50 people without ties or zeros, normal approximation otherwise. With n people no p is below
2 / 2^n, so fewer than 6 people cannot reach 0.05.
Correction: Holm's step-down (Scand. J. Statistics 6 (1979) 65) over one family of tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["DRAWS", "FEWEST_PEOPLE", "bootstrap_interval", "holm", "wilcoxon_p"]

DRAWS = 10_000
CONFIDENCE = 0.95

#: The fewest people with whom a two-sided signed-rank test can reach 0.05.
FEWEST_PEOPLE = 6


def bootstrap_interval(
    values: Sequence[float] | NDArray[np.float64], *, seed: int = 0
) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean of one value a person.

    Args:
        values: one number a person.
        seed: of the draws.

    Returns:
        low and high end, or None for fewer than 2 people or numbers that are not finite.

    >>> bootstrap_interval([1.0, 1.0, 1.0])
    (1.0, 1.0)
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2 or not np.isfinite(sample).all():
        return None
    drawn = np.random.default_rng(seed).integers(len(sample), size=(DRAWS, len(sample)))
    means = sample[drawn].mean(axis=1)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def wilcoxon_p(differences: Sequence[float] | NDArray[np.float64]) -> float | None:
    """Two-sided p of the signed-rank test that paired differences are centred on zero.

    Returns:
        p, or None where there is nothing to test: fewer than 2 people, numbers that are not
        finite, or differences that are all zero.
    """
    d = np.asarray(differences, dtype=np.float64)
    if len(d) < 2 or not np.isfinite(d).all() or not d.any():
        return None
    return float(stats.wilcoxon(d).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p of one family; None stays None and is not counted.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[i] = largest if math.isfinite(largest) else None
    return adjusted

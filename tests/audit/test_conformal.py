"""Calibrated intervals cover what they say, also where errors differ from place to place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medsr.audit.conformal import Interval, fit_interval
from medsr.errors import UsageError


def person(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Spreads, and errors three times as large as the spread says."""
    rng = np.random.default_rng(seed)
    spread = rng.gamma(2.0, 0.01, 40_000).astype(np.float32)
    return spread, (3 * spread * rng.normal(size=spread.shape)).astype(np.float32)


def test_coverage_is_nominal_on_somebody_else() -> None:
    people = [person(seed) for seed in range(3)]
    interval = fit_interval([p[0] for p in people], [p[1] for p in people], nominal=0.9)
    spread, error = person(9)
    covered = np.abs(error) <= interval.half_width(torch.from_numpy(spread)).numpy()
    assert covered.mean() == pytest.approx(0.9, abs=0.01)
    for part in (spread < np.quantile(spread, 0.3), spread > np.quantile(spread, 0.7)):
        assert covered[part].mean() == pytest.approx(0.9, abs=0.04)


def test_half_widths_never_fall_with_the_spread() -> None:
    interval = fit_interval([person(0)[0]], [person(0)[1]])
    assert list(interval.half_widths) == sorted(interval.half_widths)


def test_knots_that_do_not_rise_are_refused() -> None:
    with pytest.raises(UsageError):
        Interval(0.9, (0.2, 0.1), (1.0, 2.0))

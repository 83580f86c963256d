"""Scaled intervals cover what they say, on people and scans of another kind, too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from medsr.audit.scaled_interval import (
    Groups,
    ScaledInterval,
    Trial,
    fit_scaled,
    groups_of,
    predicted_psnr,
    slope,
)
from medsr.errors import UsageError

PLAIN = ScaledInterval(0.9, 1.0, (1.0, 2.0, 3.0, 4.0), (1.0,) * 4, 1.0, 0.0)


def trial(seed: int, off: float = 1.0, check: float | None = None) -> Trial:
    """Errors whose size is `off` times what the scale says; of edges twice that."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 4, 20_000)
    ratio = off * np.abs(rng.normal(size=20_000)) * np.where(group >= 2, 2, 1)
    return Trial(ratio.astype(np.float32), group, check, 30 - 20 * np.log10(off), 32.0)


def covered(interval: ScaledInterval, case: Trial) -> np.ndarray:
    ones = torch.ones(case.ratio.shape)
    check = None if case.check is None else case.check / interval.overall
    width = interval.half_width(ones, torch.from_numpy(case.group), check).numpy()
    return case.ratio <= width


def test_every_group_of_somebody_else_is_covered_as_promised():
    interval = fit_scaled([[trial(seed)] for seed in range(5)])
    inside = covered(interval, stranger := trial(9))
    for k in range(4):
        assert inside[stranger.group == k].mean() == pytest.approx(0.9, abs=0.02)
    assert interval.factors[2] == pytest.approx(2 * interval.factors[0], rel=0.05)


def test_the_self_check_mends_scans_of_another_kind():
    kinds = (0.6, 0.8, 1.0, 1.3, 1.7)
    people = [[trial(k, off, check=0.7 * off)] for k, off in enumerate(kinds)]
    interval = fit_scaled(people)
    assert interval.power == pytest.approx(1, abs=0.03)
    for off in (0.5, 2.0):
        assert covered(interval, trial(20, off, 0.7 * off)).mean() == pytest.approx(0.9, abs=0.02)
        missing = covered(interval, dataclasses.replace(trial(20, off), check=None)).mean()
        assert abs(missing - 0.9) > 0.06  # without the check it is off, as it must be


def test_a_check_that_says_nothing_counts_for_nothing():
    rng = np.random.default_rng(1)
    people = [[trial(k, check=float(np.exp(rng.normal())))] for k in range(40)]
    assert fit_scaled(people).power < 0.05


def test_a_check_changes_a_width_only_so_far():
    interval = fit_scaled([[trial(k, off, off)] for k, off in enumerate((0.5, 1.0, 2.0))])
    assert interval.of_scan(1e6) == 1 / interval.of_scan(1e-6) == 2.5


def test_people_weigh_the_same_however_many_trials_they_have():
    many, one = [trial(k, 3.0) for k in range(9)], [trial(10, 1.0)]
    both = fit_scaled([many, one]).overall
    assert both == pytest.approx(fit_scaled([many[:1], one]).overall, rel=0.03)


def test_the_bound_on_psnr_holds_for_nine_of_ten_and_needs_nine_people():
    rng = np.random.default_rng(0)

    def person(k: int) -> list[Trial]:
        return [dataclasses.replace(trial(k), psnr=float(30 + rng.normal()))]

    assert fit_scaled([person(k) for k in range(8)]).psnr_offset == (None, None)
    offset, with_check = fit_scaled([person(k) for k in range(99)]).psnr_offset
    assert with_check is None
    held = [32.0 + offset <= t.psnr for k in range(400) for t in person(k)]
    assert np.mean(held) == pytest.approx(0.9, abs=0.05)


def test_the_bound_follows_scale_range_and_check():
    interval = dataclasses.replace(PLAIN, psnr_offset=(-1.0, None))
    assert interval.psnr_bound(0.01, 1.0, None) == pytest.approx(19.0)
    assert interval.psnr_bound(0.01, 1.0, 1.0) is None
    assert interval.psnr_bound(0.0, 1.0, None) is None
    assert predicted_psnr(0.01, 1.0, 2.0) == pytest.approx(20 - 20 * np.log10(2))


def test_groups_are_the_steepest_fifth_and_the_brighter_half():
    image = torch.linspace(0, 1, 21)[:, None, None].pow(2).repeat(1, 4, 4)
    steepness = slope(image)
    assert torch.allclose(steepness[5], torch.tensor(2 * 0.25 * 0.05))  # of x^2 at x = 1/4
    groups = groups_of(image, steepness, image >= 0)
    index = groups.index(image, steepness)
    assert float((index >= 2).float().mean()) == pytest.approx(0.2, abs=0.05)
    assert float((index % 2).float().mean()) == pytest.approx(0.5, abs=0.05)
    two = Groups(steep=1.0, bright=0.5).index(torch.tensor([0.4, 0.6]), torch.tensor([2.0, 0.0]))
    assert two.tolist() == [2, 1]


def test_cards_bring_it_back_and_nonsense_is_refused():
    assert ScaledInterval.from_card(dataclasses.asdict(PLAIN)) == PLAIN
    for wrong in ({"factors": (1.0,)}, {"checked": (0.0,) * 4}, {"power": 2.0}, {"nominal": 1.0}):
        with pytest.raises(UsageError):
            dataclasses.replace(PLAIN, **wrong)

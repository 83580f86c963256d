"""The baselines of benchmarks/quality/tables.py do what their names say, on volumes made here."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.quality.baselines import (
    Example,
    Unsharp,
    interpolate,
    linear_ceiling,
    tune_unsharp,
)
from benchmarks.quality.conditions import CONDITIONS, trial_of
from benchmarks.quality.eclare import training_seconds
from benchmarks.quality.markdown import full_table, summary
from benchmarks.quality.scoring import Ruler, decibels, drawn_means, measured, percentiles
from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.metrics.fidelity import psnr, ssim_3d
from medsr.metrics.structure import gmsd
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

FACTOR = 4


@pytest.fixture(scope="module")
def fine() -> Volume:
    rng = np.random.default_rng(3)
    voxels = smooth_head((32, 30, 48)) + rng.normal(0, 2, (32, 30, 48)).astype(np.float32)
    return Volume(np.maximum(voxels, 0), np.eye(4), modality="MR", slice_axis=2, name="made")


def pair(fine: Volume, factor: int) -> tuple[np.ndarray, Acquisition]:
    n, m, z = fine.shape
    plane = [AxisSampling(k, 1.0, k, 1.0) for k in (n, m)]
    slices = AxisSampling(z, 1.0, z // factor, float(factor), float(factor))
    plan = Acquisition((*plane, slices))
    return acquire(torch.from_numpy(fine.voxels.copy()), plan).numpy(), plan


def mse(x: np.ndarray, y: np.ndarray) -> float:
    return float(((x - y).astype(np.float64) ** 2).mean())


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_no_interpolation_beats_the_linear_ceiling(fine: Volume, factor: int) -> None:
    low, plan = pair(fine, factor)
    truth = np.asarray(fine.voxels)
    best = mse(truth, linear_ceiling(low, truth, factor))
    for order in (1, 3, 5):
        assert best < mse(truth, interpolate(low, plan, order))


def test_the_linear_ceiling_finds_a_linear_filter_exactly(fine: Volume) -> None:
    low, plan = pair(fine, FACTOR)
    truth = interpolate(low, plan, 1)
    assert mse(truth, linear_ceiling(low, truth, FACTOR)) < 1e-6


def test_the_linear_ceiling_fits_where_it_is_counted(fine: Volume) -> None:
    low, _ = pair(fine, FACTOR)
    truth = np.asarray(fine.voxels)
    mask = truth > 50
    everywhere = linear_ceiling(low, truth, FACTOR)
    inside = linear_ceiling(low, truth, FACTOR, mask)
    assert mse(truth[mask], inside[mask]) < mse(truth[mask], everywhere[mask])


def test_unsharp_of_amount_zero_is_the_interpolation(fine: Volume) -> None:
    low, plan = pair(fine, FACTOR)
    same = Unsharp(3, 2.0, 0.0)(low, plan)
    np.testing.assert_array_equal(same, interpolate(low, plan, 3))


def test_tuning_finds_the_sharpening_that_made_the_truth(fine: Volume) -> None:
    low, plan = pair(fine, FACTOR)
    made = Unsharp(5, 0.5 * FACTOR, 0.7)
    truth = made(low, plan)
    example = Example(low, truth, plan, np.ones(truth.shape, dtype=bool), 100.0)
    found = tune_unsharp([example], FACTOR)
    assert (found.order, found.radius) == (5, 2.0)
    assert found.amount == pytest.approx(0.7, abs=1e-3)


def test_tuned_unsharp_is_no_worse_than_any_interpolation(fine: Volume) -> None:
    low, plan = pair(fine, FACTOR)
    truth = np.asarray(fine.voxels)
    example = Example(low, truth, plan, np.ones(truth.shape, dtype=bool), 100.0)
    best = mse(truth, tune_unsharp([example], FACTOR)(low, plan))
    assert all(best <= mse(truth, interpolate(low, plan, order)) for order in (1, 3, 5))


def test_scores_by_block_are_those_of_the_whole(fine: Volume) -> None:
    ruler = Ruler.of(fine)
    noise = np.random.default_rng(0).normal(0, 5, fine.shape).astype(np.float32)
    estimate = fine.voxels + noise
    sums = ruler.sums(estimate)
    means = {name: drawn_means(s)[0] for name, s in sums.items()}
    true, kept = np.asarray(fine.voxels), {"data_range": ruler.data_range, "mask": ruler.mask}
    assert decibels(means["mse"]) == pytest.approx(psnr(true, estimate, **kept))
    assert means["ssim"] == pytest.approx(ssim_3d(true, estimate, **kept))
    assert means["gmsd"] == pytest.approx(gmsd(true, estimate, axis=0, **kept), rel=0.02)


def test_identical_images_score_best_and_worse_ones_worse(fine: Volume) -> None:
    ruler = Ruler.of(fine)
    noise = np.random.default_rng(0).normal(0, 1, fine.shape).astype(np.float32)
    levels = [ruler.sums(fine.voxels + s * noise) for s in (0, 2, 5, 10, 20)]
    values = {k: [drawn_means(sums[k])[0] for sums in levels] for k in ("mse", "ssim", "gmsd")}
    assert [values[k][0] for k in ("mse", "ssim", "gmsd")] == pytest.approx([0, 1, 0])
    assert all(np.diff(values["mse"]) > 0)
    assert all(np.diff(values["gmsd"]) > 0)
    assert all(np.diff(values["ssim"]) < 0)
    assert ruler.sharpness(fine.voxels) == pytest.approx(1)


def test_the_interval_holds_the_value_and_shrinks_with_pairs() -> None:
    rng = np.random.default_rng(1)
    level = rng.uniform(1, 5, 12)
    one, other = (np.stack([level * s, np.ones(12)], axis=1) for s in (1.0, 1.1))
    value, low, high = percentiles(drawn_means(one))
    assert low < value < high
    difference = decibels(drawn_means(other)) - decibels(drawn_means(one))
    np.testing.assert_allclose(difference, -10 * np.log10(1.1))


@pytest.mark.parametrize("name", ["8x", "4x-noise", "4x-is-box", "4x-said-box", "4x-said-thinner"])
def test_conditions_change_the_scan_or_the_belief(fine: Volume, name: str) -> None:
    plain = trial_of(fine, CONDITIONS["4x"], 0.08)
    trial = trial_of(fine, CONDITIONS[name], 0.08)
    same_scan = trial.low.shape == plain.low.shape and np.array_equal(
        trial.low.voxels, plain.low.voxels
    )
    assert same_scan == ("said" in name)
    assert (trial.assumed == plain.assumed) == (name in ("4x-noise", "4x-is-box"))


def test_the_table_is_made_of_rows(fine: Volume) -> None:
    ruler = Ruler.of(fine)
    rows = []
    for rank, (method, shift) in enumerate([("cubic", 4.0), ("other", 2.0)]):
        estimate = np.asarray(fine.voxels) + np.float32(shift)
        voxels, cost = measured(lambda estimate=estimate: estimate)
        blocks = {k: v.tolist() for k, v in ruler.sums(voxels).items()}
        numbers = {"sharpness": 1.0, "seconds": cost.seconds, "megabytes": cost.megabytes}
        key = {"person": "someone", "condition": "4x", "method": method, "rank": rank}
        rows.append({**key, "blocks": blocks, "remark": "", **numbers})
    assert "| other | +6.02 |" in summary(rows)
    assert "+6.02 (+6.02 to +6.02)" in full_table(rows)
    rows.append({**rows[-1], "method": "third", "remark": "not measured, because of rain"})
    del rows[-1]["blocks"]
    assert "- third: not measured, because of rain." in full_table(rows)


def test_the_training_time_is_read_from_the_progress_bar() -> None:
    said = " 50%|##   | 480/960 [01:02<01:02, 8it/s]\r100%|####| 992/960 [1:02:03<00:00, 8it/s]"
    assert training_seconds(said, 960) == 3723
    assert training_seconds("nothing", 960) is None

"""Calibrate a model's intervals and the statistics of its training scans; writes both to its card.

    python medsr/training/calibrate.py configs/mr-head.yaml DATA --card medsr/weights/mr-head.json

Intervals: the validation people (never trained on), middle 96 x 112 x 96 voxels, Gaussian slices
of 2, 3, 4 and 6 voxels. Coverage is printed for each person with the table fitted on the others.
Portrait: every training scan of the model's own modality; fine ones degraded to the same factors,
thick ones as they are.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medsr.acquisition.simulate import degraded_to
from medsr.audit.conformal import Interval, fit_interval
from medsr.audit.out_of_distribution import scan_statistics, statistics_ranges
from medsr.config import TrainConfig, load_config
from medsr.intensity import scaling_for
from medsr.metrics.foreground import foreground_mask
from medsr.restore.enhancer import DEFAULT_STEPS, Enhancer, mode_of
from medsr.restore.pipeline import Settings
from medsr.training.cases import load_case
from medsr.volume.volume import Volume

FACTORS = (2.0, 3.0, 4.0, 6.0)

#: Sides of the block of a scan that calibration looks at, voxels.
SIDES = (96, 112, 96)

#: (steps, samples) of each mode.
MODES = ((1, 1), (DEFAULT_STEPS, 1), (DEFAULT_STEPS, 4))

#: Half-width = spread: asks `enhance` for the uncalibrated spread.
IDENTITY = Interval(0.9, (0.0, 10.0), (0.0, 10.0))


def middle(volume: Volume) -> Volume:
    """The central block of a scan."""
    parts = tuple(
        slice(max(0, (n - m) // 2), max(0, (n - m) // 2) + m)
        for n, m in zip(volume.shape, SIDES, strict=True)
    )
    return replace(volume, voxels=np.ascontiguousarray(volume.voxels[parts]), slice_axis=2)


@dataclass(frozen=True, eq=False)
class Voxels:
    """Of foreground voxels: spread and error over the gain, on an edge or not, and the tissue.

    The tissue is the tercile of the true intensity: dark, middle, bright.
    """

    spread: np.ndarray
    error: np.ndarray
    edge: np.ndarray
    tissue: np.ndarray


def voxels_of(fine: Volume, enhancer: Enhancer, factor: float, steps: int, samples: int) -> Voxels:
    """Run one mode on one degraded scan."""
    fine, low, plan = degraded_to(fine, factor)
    settings = Settings(
        sampler=enhancer.sampler,
        steps=steps,
        samples=samples,
        interval=IDENTITY,
    )
    result = enhancer.restore(low, plan, settings)
    gain = scaling_for(enhancer.modality, np.asarray(low.voxels)).gain
    truth = np.asarray(fine.voxels)
    mask = foreground_mask(truth, modality=enhancer.modality)
    slope = np.sqrt(sum(np.square(g) for g in np.gradient(truth)))
    width = np.zeros(0) if result.half_width is None else np.asarray(result.half_width.voxels)
    return Voxels(
        spread=width[mask] / gain,
        error=(np.asarray(result.volume.voxels) - truth)[mask] / gain,
        edge=(slope > np.quantile(slope[mask], 0.8))[mask],
        tissue=np.digitize(truth[mask], np.quantile(truth[mask], [1 / 3, 2 / 3])),
    )


def coverage(interval: Interval, parts: list[Voxels]) -> str:
    """Share of voxels inside: all, edge, flat, dark, middle, bright."""
    widths = [interval.half_width(torch.from_numpy(p.spread)).numpy() for p in parts]
    inside = np.concatenate([np.abs(p.error) <= w for p, w in zip(parts, widths, strict=True)])
    edge = np.concatenate([part.edge for part in parts])
    tissue = np.concatenate([part.tissue for part in parts])
    groups = (inside, inside[edge], inside[~edge], *(inside[tissue == k] for k in range(3)))
    return " | ".join(f"{group.mean():.3f}" for group in groups)


def calibrate_mode(
    cases: list[tuple[str, Volume]], enhancer: Enhancer, steps: int, samples: int
) -> tuple[str, dict[str, Any]]:
    """Fit one mode; prints leave-one-person-out coverage."""
    people = {
        name: [voxels_of(fine, enhancer, factor, steps, samples) for factor in FACTORS]
        for name, fine in cases
    }

    def fitted(names: list[str]) -> Interval:
        spread = [np.concatenate([v.spread for v in people[name]]) for name in names]
        error = [np.concatenate([v.error for v in people[name]]) for name in names]
        return fit_interval(spread, error)

    mode = mode_of(steps, samples)
    for name in people if len(people) > 1 else []:
        others = [other for other in people if other != name]
        print(f"| {mode} | {name} | {coverage(fitted(others), people[name])} |", flush=True)
    return mode, asdict(fitted(list(people)))


def training_statistics(config: TrainConfig) -> dict[str, tuple[float, float]]:
    """The range of each number over the training scans of the modality."""
    statistics = []
    for case in config.own_scans:
        fine = load_case(case, config.data, config.modality)
        scans = [(fine, int(np.argmax(fine.spacing_mm)))] if case.in_plane_only else []
        if not case.in_plane_only:
            for axis in range(3):
                turned = replace(fine, voxels=np.moveaxis(fine.voxels, axis, 2), affine=np.eye(4))
                scans += [(degraded_to(turned, factor)[1], 2) for factor in FACTORS]
        for scan, axis in scans:
            voxels = np.asarray(scan.voxels)
            scaling = scaling_for(config.modality, voxels)
            network = (voxels - scaling.offset) / scaling.gain
            statistics.append(scan_statistics(network, axis, scan.spacing_mm))
    return statistics_ranges([p for p in statistics if p])


def main() -> None:
    """Parse, calibrate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("data")
    parser.add_argument("--card", type=Path, required=True)
    words = parser.parse_args()
    config = load_config(words.config, [f"data.root={words.data}"])
    enhancer = Enhancer.from_pretrained(str(words.card.with_suffix(".safetensors")))
    cases = [
        (case.person, middle(load_case(case, config.data, config.modality)))
        for case in config.data.validate_
    ]
    print("| mode | person | covered | on edges | elsewhere | dark | middle | bright |")
    print("|---|---|---|---|---|---|---|---|")
    intervals = dict(calibrate_mode(cases, enhancer, *mode) for mode in MODES)
    card = json.loads(words.card.read_text(encoding="utf-8"))
    card["intervals"] = intervals
    card["ranges"]["training_statistics"] = training_statistics(config)
    words.card.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card["ranges"]["training_statistics"], indent=2))


if __name__ == "__main__":
    main()

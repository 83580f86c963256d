"""Calibrates the intervals of a model and collects the statistics of its training scans.

Intervals: held-out subjects, middle 96 x 112 x 96 voxels, Gaussian slices of 2, 3, 4 and 6 voxels.
A row of the table gives the coverage on one subject of an interval fitted on the others.
Statistics: every training scan of the model's own modality; fine ones degraded to the same
factors, thick ones as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medsr.acquisition.simulate import degraded_to
from medsr.audit.conformal import Interval, fit_interval
from medsr.audit.out_of_distribution import scan_statistics, statistics_ranges
from medsr.config import TrainConfig
from medsr.errors import UsageError
from medsr.intensity import scaling_for
from medsr.metrics.foreground import foreground_mask
from medsr.network.checkpoint import load_card
from medsr.restore.enhancer import Enhancer
from medsr.restore.intervals import mode_of
from medsr.restore.options import DEFAULT_STEPS, Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.atomic import write_text
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["Calibration", "calibrate", "write_calibration"]

FACTORS = (2.0, 3.0, 4.0, 6.0)

#: Sides of the block of a scan that calibration looks at, voxels.
SIDES = (96, 112, 96)

#: (steps, samples) of each mode.
MODES = ((1, 1), (DEFAULT_STEPS, 1), (DEFAULT_STEPS, 4))

#: Half-width = standard deviation: asks `restore` for the uncalibrated one.
IDENTITY = Interval(0.9, (0.0, 10.0), (0.0, 10.0))

#: Head of the table of coverage.
TABLE_HEAD = (
    "| mode | subject | covered | on edges | elsewhere | dark | middle | bright |",
    "|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` finds.

    Attributes:
        intervals: mode -> the fields of an `Interval`.
        training_statistics: name of a number -> (lowest, highest) over the training scans.
    """

    intervals: Mapping[str, Mapping[str, Any]]
    training_statistics: Mapping[str, tuple[float, float]]


def calibrate(config: TrainConfig, weights: Path, note: Callable[[str], None]) -> Calibration:
    """Calibrate a model on the held-out subjects of a configuration.

    Args:
        config: the scans; `validate` lists the held-out subjects.
        weights: of the model, with its card.
        note: called with each line of the table of coverage, as soon as it is known.

    Raises:
        InputError: the model or a scan is missing or damaged.
        UsageError: the configuration has no held-out subjects or is of another modality.
    """
    enhancer = Enhancer.from_pretrained(str(weights))
    if enhancer.card.modality != config.modality:
        raise UsageError(
            f"{weights.name} is a model for {enhancer.card.modality}; the configuration "
            f"{config.name} is for {config.modality}."
        )
    if not config.data.validate_:
        raise UsageError(f"{config.name}: data.validate lists no scan to calibrate on.")
    cases = [
        (case.person, middle(load_case(case, config.data, config.modality)))
        for case in config.data.validate_
    ]
    for line in TABLE_HEAD:
        note(line)
    intervals = dict(calibrate_mode(cases, enhancer, mode, note) for mode in MODES)
    return Calibration(intervals, training_statistics(config))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Put a calibration into a model card; all else in it stays.

    Raises:
        InputError: the card is missing or is not one.
        OutputError: it cannot be written.
    """
    load_card(path)
    card = json.loads(path.read_text(encoding="utf-8"))
    card["intervals"] = calibration.intervals
    card["ranges"]["training_statistics"] = calibration.training_statistics
    write_text(json.dumps(card, indent=2) + "\n", path)


def middle(volume: Volume) -> Volume:
    """The central block of a scan."""
    parts = tuple(
        slice(max(0, (n - m) // 2), max(0, (n - m) // 2) + m)
        for n, m in zip(volume.shape, SIDES, strict=True)
    )
    return replace(volume, voxels=np.ascontiguousarray(volume.voxels[parts]), slice_axis=2)


@dataclass(frozen=True, eq=False)
class Voxels:
    """Of foreground voxels: predicted deviation and error over the gain, edge or not, and tissue.

    The tissue is the tercile of the true intensity: dark, middle, bright.
    """

    deviation: np.ndarray
    error: np.ndarray
    edge: np.ndarray
    tissue: np.ndarray


def voxels_of(fine: Volume, enhancer: Enhancer, factor: float, steps: int, samples: int) -> Voxels:
    """Run one mode on one degraded scan."""
    fine, low, plan = degraded_to(fine, factor)
    options = Options(steps=steps, samples=samples, interval=True)
    card = replace(enhancer.card, intervals={mode_of(steps, samples): asdict(IDENTITY)})
    result = restore(Plan(low, plan, options), enhancer.denoiser, card, enhancer.running)
    modality = Modality(card.modality)
    gain = scaling_for(modality, np.asarray(low.voxels)).gain
    truth = np.asarray(fine.voxels)
    mask = foreground_mask(truth, modality=modality)
    slope = np.sqrt(sum(np.square(g) for g in np.gradient(truth)))
    width = np.zeros(0) if result.half_width is None else np.asarray(result.half_width.voxels)
    return Voxels(
        deviation=width[mask] / gain,
        error=(np.asarray(result.volume.voxels) - truth)[mask] / gain,
        edge=(slope > np.quantile(slope[mask], 0.8))[mask],
        tissue=np.digitize(truth[mask], np.quantile(truth[mask], [1 / 3, 2 / 3])),
    )


def coverage(interval: Interval, parts: list[Voxels]) -> str:
    """Share of voxels inside: all, edge, flat, dark, middle, bright."""
    widths = [interval.half_width(torch.from_numpy(p.deviation)).numpy() for p in parts]
    inside = np.concatenate([np.abs(p.error) <= w for p, w in zip(parts, widths, strict=True)])
    edge = np.concatenate([part.edge for part in parts])
    tissue = np.concatenate([part.tissue for part in parts])
    groups = (inside, inside[edge], inside[~edge], *(inside[tissue == k] for k in range(3)))
    return " | ".join(f"{group.mean():.3f}" for group in groups)


def calibrate_mode(
    cases: list[tuple[str, Volume]],
    enhancer: Enhancer,
    mode: tuple[int, int],
    note: Callable[[str], None],
) -> tuple[str, dict[str, Any]]:
    """Fit one mode; notes the coverage on each subject of an interval fitted on the others.

    Args:
        cases: name and scan of each held-out subject.
        enhancer: the model.
        mode: (steps, samples).
        note: called with each row of the table.

    Returns:
        The mode's name in a card, and its interval.
    """
    people: dict[str, list[Voxels]] = {}
    for person, fine in cases:
        found = [voxels_of(fine, enhancer, factor, *mode) for factor in FACTORS]
        people[person] = people.get(person, []) + found

    def fitted(names: list[str]) -> Interval:
        deviation = [np.concatenate([v.deviation for v in people[name]]) for name in names]
        error = [np.concatenate([v.error for v in people[name]]) for name in names]
        return fit_interval(deviation, error)

    name = mode_of(*mode)
    for person in people if len(people) > 1 else []:
        others = [other for other in people if other != person]
        note(f"| {name} | {person} | {coverage(fitted(others), people[person])} |")
    return name, asdict(fitted(list(people)))


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

"""Calibrates the intervals of a model and collects the statistics of its training scans.

Intervals: people who trained nothing, degraded (`training.trials`). A row of the table gives the
coverage on one person of an interval that was fitted on the others.
Statistics: every training scan of the model's own modality; fine ones degraded to factors of 2, 3,
4 and 6, thick ones as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.acquisition.simulate import degraded_to
from medsr.audit.conformal import Interval, fit_interval
from medsr.audit.out_of_distribution import scan_statistics, statistics_ranges
from medsr.audit.scaled_interval import ScaledInterval, Trial, fit_scaled
from medsr.config import CaseConfig, TrainConfig
from medsr.errors import UsageError
from medsr.intensity import scaling_for
from medsr.network.checkpoint import load_card
from medsr.restore.enhancer import Enhancer
from medsr.restore.intervals import AnyInterval, mode_of
from medsr.restore.options import DEFAULT_STEPS
from medsr.training.cases import load_case
from medsr.training.split import check_split
from medsr.training.trials import Mode, Voxels, pairs_of, voxels_of
from medsr.volume.atomic import write_text
from medsr.volume.modality import Modality

__all__ = ["Calibration", "calibrate", "write_calibration"]

FACTORS = (2.0, 3.0, 4.0, 6.0)

#: Modes beside the posterior mean, which take long: of so many people one trial each.
MEAN: Mode = (1, 1)
OTHER_MODES: tuple[Mode, ...] = ((DEFAULT_STEPS, 1), (DEFAULT_STEPS, 4))
OTHER_PEOPLE = 4

#: Slices of a thick scan in those modes.
FEW = 2

#: Head of the table of coverage; the width is the mean half-width, over the intensity gain.
TABLE_HEAD = (
    "| mode | subject | covered | on edges | elsewhere | dark | middle | bright | half-width "
    "| PSNR | at least |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
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
        UsageError: the configuration has no held-out subjects or is of another modality, or one
            of them trained the model.
    """
    enhancer = Enhancer.from_pretrained(str(weights))
    if enhancer.card.modality != config.modality:
        raise UsageError(
            f"{weights.name} is a model for {enhancer.card.modality}; the configuration "
            f"{config.name} is for {config.modality}."
        )
    if not (config.data.calibrate or config.data.validate_):
        raise UsageError(f"{config.name}: data.validate lists no scan to calibrate on.")
    check_split(config)
    cases = config.data.calibrate or config.data.validate_
    people = _by_person(cases)
    for line in TABLE_HEAD:
        note(line)
    intervals, scaled = {}, bool(enhancer.card.network.get("scale_head"))
    for mode in (MEAN, *OTHER_MODES):
        chosen = people if mode == MEAN else dict(list(people.items())[:OTHER_PEOPLE])
        found = {
            person: _trials(scans, config, enhancer, mode, number)
            for number, (person, scans) in enumerate(chosen.items())
        }
        intervals[mode_of(*mode)] = calibrate_mode(found, mode, note, scaled=scaled)
    return Calibration(intervals, training_statistics(config))


def _by_person(cases: Sequence[CaseConfig]) -> dict[str, list[CaseConfig]]:
    people: dict[str, list[CaseConfig]] = {}
    for case in cases:
        people.setdefault(case.person, []).append(case)
    return people


def _trials(
    scans: Sequence[CaseConfig], config: TrainConfig, enhancer: Enhancer, mode: Mode, number: int
) -> list[Voxels]:
    """All trials of a person; of the modes that take long, one, of few slices."""
    found = []
    for case in scans:
        scan = load_case(case, config.data, config.modality)
        scan = replace(scan, modality=Modality(config.modality))
        for pairs in pairs_of(scan, number, in_plane_only=case.in_plane_only):
            if mode != MEAN:
                return [voxels_of(pairs[:FEW], enhancer, mode)]
            found.append(voxels_of(pairs, enhancer, mode))
    return found


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


def fitted(people: Sequence[Sequence[Voxels]], *, scaled: bool) -> AnyInterval:
    """The interval of some people's trials, of a model with a scale head or without."""
    if scaled:
        return fit_scaled([[trial_of(v) for v in person] for person in people])
    spread = [np.concatenate([v.spread for v in person]) for person in people]
    return fit_interval(spread, [np.concatenate([v.error for v in person]) for person in people])


def trial_of(voxels: Voxels) -> Trial:
    """What `fit_scaled` needs of a trial."""
    ratio = (np.abs(voxels.error) / np.maximum(voxels.spread, 1e-9)).astype(np.float32)
    return Trial(ratio, voxels.group, voxels.check, voxels.psnr, voxels.predicted)


def widths(interval: AnyInterval, voxels: Voxels) -> NDArray[np.float32]:
    """Half-widths of the voxels of a trial, over the gain."""
    spread = torch.from_numpy(voxels.spread)
    if isinstance(interval, Interval):
        return np.asarray(interval.half_width(spread).numpy())
    group = torch.from_numpy(voxels.group)
    return np.asarray(interval.half_width(spread, group, _check(interval, voxels)).numpy())


def _check(interval: ScaledInterval, voxels: Voxels) -> float | None:
    """What the self-check of a trial would have found with a calibrated interval."""
    return None if voxels.check is None else voxels.check / interval.overall


def coverage(interval: AnyInterval, parts: Sequence[Voxels]) -> str:
    """Cells of the table: shares of voxels inside, mean half-width, PSNR and its bound.

    Of several trials the means; of the bound, that of the trial where it is nearest to failing.
    """
    rows, bounds = [], []
    for part in parts:
        width = widths(interval, part)
        inside = np.abs(part.error) <= width
        groups = (part.edge, ~part.edge, *(part.tissue == k for k in range(3)))
        rows.append([inside.mean(), *(inside[g].mean() for g in groups), width.mean()])
        bounds.append((part.psnr, bound_of(interval, part)))
    *shares, width = np.mean(rows, axis=0)
    psnr, bound = min(bounds, key=lambda pair: pair[0] - (pair[1] or 0))
    least = "" if bound is None else f"{bound:.1f}"
    cells = [f"{share:.3f}" for share in shares]
    return " | ".join([*cells, f"{width:.4f}", f"{psnr:.1f}", least])


def bound_of(interval: AnyInterval, voxels: Voxels) -> float | None:
    """The lower bound on a trial's PSNR, dB."""
    if isinstance(interval, Interval):
        return None
    return interval.psnr_bound(10 ** (-voxels.predicted / 10), 1.0, _check(interval, voxels))


def calibrate_mode(
    people: Mapping[str, Sequence[Voxels]],
    mode: Mode,
    note: Callable[[str], None],
    *,
    scaled: bool,
) -> dict[str, Any]:
    """Fit one mode; notes the coverage on each person of an interval fitted on the others.

    Args:
        people: the trials of each.
        mode: (steps, samples).
        note: called with each row of the table.
        scaled: whether the model has a scale head.

    Returns:
        The interval for the card.
    """
    for person in people if len(people) > 1 else []:
        others = [trials for other, trials in people.items() if other != person]
        cells = coverage(fitted(others, scaled=scaled), people[person])
        note(f"| {mode_of(*mode)} | {person} | {cells} |")
    return asdict(fitted(list(people.values()), scaled=scaled))


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

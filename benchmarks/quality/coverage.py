"""Coverage and width of the 90 % intervals, person by person: a Markdown table.

    python -m benchmarks quality.coverage benchmarks/coverage_mr.yaml DATA MODEL [--trials 2]

`data.calibrate` of the page lists the people of the calibration: each is measured with intervals
that were fitted on the others. `data.validate` lists strangers, measured with intervals that were
fitted on all of those. MODEL is a bundled model or a .safetensors file with a scale head.

Two rules, fitted on the same people: *null space*, half-widths read off a table of the local
energy of the null-space component (what a model without a scale head has), and *scale*, the
learned scale with its groups and the self-check. Shares are means over the trials of a person
(`medsr.training.trials`), the half-width is over the intensity gain, *equal* is what it would be
if the rule covered exactly 0.9 of that person. The last columns: PSNR of the trial where the bound
is nearest to failing, and the bound.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from medsr.config import CaseConfig, TrainConfig, load_config
from medsr.network.checkpoint import ModelCard
from medsr.restore.enhancer import Enhancer
from medsr.restore.intervals import AnyInterval
from medsr.training.calibrate import MEAN, coverage, fitted, widths
from medsr.training.cases import load_case
from medsr.training.trials import Voxels, pairs_of, voxels_of
from medsr.volume.modality import Modality

HEAD = (
    "| person | rule | covered | on edges | elsewhere | dark | middle | bright | half-width "
    "| PSNR | at least | equal |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
)

#: Both rules' trials of one person.
Both = dict[str, list[Voxels]]


def measured(
    scans: Sequence[CaseConfig], config: TrainConfig, enhancer: Enhancer, number: int, count: int
) -> Both:
    """The trials of a person, by both rules; at most `count` of each scan."""
    plain = Enhancer(enhancer.denoiser, without_scale(enhancer), enhancer.device)
    found: Both = {"null space": [], "scale": []}
    for case in scans:
        scan = load_case(case, config.data, config.modality)
        scan = replace(scan, modality=Modality(config.modality))
        trials = pairs_of(scan, number, in_plane_only=case.in_plane_only)
        for pairs in islice(trials, count):
            found["null space"].append(voxels_of(pairs, plain, MEAN))
            found["scale"].append(voxels_of(pairs, enhancer, MEAN))
    return found


def without_scale(enhancer: Enhancer) -> ModelCard:
    """The card of the same model, as if it had no scale head."""
    settings = {k: v for k, v in enhancer.card.network.items() if k != "scale_head"}
    return replace(enhancer.card, network=settings)


def equal_width(interval: AnyInterval, trials: Sequence[Voxels]) -> float:
    """Mean half-width if it were multiplied by what makes each trial's coverage 0.9."""
    found = []
    for trial in trials:
        width = widths(interval, trial)
        ratio = np.abs(trial.error) / np.maximum(width, 1e-9)
        found.append(float(width.mean() * np.quantile(ratio, 0.9)))
    return float(np.mean(found))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page")
    parser.add_argument("data")
    parser.add_argument("model")
    parser.add_argument("--trials", type=int, default=3)
    words = parser.parse_args()
    config = load_config(words.page, [f"data.root={words.data}"])
    enhancer = Enhancer.from_pretrained(words.model)
    people: dict[str, Both] = {}
    for line in HEAD:
        print(line)

    def row(person: str, others: Sequence[str]) -> None:
        for rule, trials in people[person].items():
            interval = fitted([people[o][rule] for o in others], scaled=rule == "scale")
            cells = coverage(interval, trials)
            print(f"| {person} | {rule} | {cells} | {equal_width(interval, trials):.4f} |")

    cases = (*config.data.calibrate, *config.data.validate_)
    known = list(dict.fromkeys(case.person for case in config.data.calibrate))
    for number, person in enumerate(dict.fromkeys(case.person for case in cases)):
        scans = [case for case in cases if case.person == person]
        people[person] = measured(scans, config, enhancer, number, words.trials)
        if person not in known:
            row(person, known)
        elif len(people) == len(known):
            for one in known:
                row(one, [other for other in known if other != one])


if __name__ == "__main__":
    main()

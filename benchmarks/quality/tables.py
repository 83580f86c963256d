"""Every method on held-out subjects: one table (Markdown).

    OMP_NUM_THREADS=1 python -m benchmarks quality.tables configs/mr-head.yaml DATA -o table.md
        [--conditions 4x 8x ...] [--regression PATH ...] [--eclare-patches 3000] [--middle]

The subjects are the configuration's validation list. Whole scans by default; with --middle the
middle 96 x 112 x 96 voxels of each, which is faster, and harder: brain without skin, skull and
air. Rows are kept beside the table (table.jsonl) and not measured again, so a run can be resumed
and a method added later. --write puts the summary into docs/explanation/models.md, --card the
numbers into a model card.

- linear, cubic, B-spline 5: interpolation on edge-aligned grids.
- unsharp: the best of these sharpened along the coarse axis; order, radius and amount tuned for
  each condition on the configuration's TRAINING people (their middle blocks), never on those
  shown here.
- linear ceiling: the best shift-variant linear filter (5 x 5 x 6 samples), fitted on the test scan
  itself: an oracle, not a method.
- regression: a network trained on the posterior mean only (`mean_fraction=1`); one evaluation.
- ECLARE: see eclare.py; on --slow-conditions only.
- medsr: posterior mean; sample of the default steps; mean of 4 samples (on --slow-conditions).
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import DOCS, write_region
from benchmarks.quality.baselines import (
    Example,
    Unsharp,
    interpolate,
    linear_ceiling,
    tune_unsharp,
)
from benchmarks.quality.common import SIDES, middle
from benchmarks.quality.conditions import CONDITIONS, Condition, Trial, trial_of
from benchmarks.quality.eclare import VERSION, Eclare
from benchmarks.quality.markdown import NOTES, full_table, numbers, summary
from benchmarks.quality.scoring import Cost, Ruler, measured
from medsr.config import TrainConfig, load_config
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import DEFAULT_STEPS, Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.volume import Volume

#: The page that shows the summary.
PAGE = DOCS / "explanation" / "models.md"

#: Training people that unsharp masking is tuned on: the first of the configuration's fine scans.
TUNING_PEOPLE = 2

#: What a method gives: voxels, what it took (None: measure this process), a remark.
Answer = tuple[np.ndarray, Cost | None, str]


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    label: str
    call: Callable[[Trial], Answer]
    is_slow: bool = False


class Rows:
    """Measured rows, each kept in a file as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def has(self, person: str, condition: str, method: str) -> bool:
        """Whether a row was measured."""
        key = (person, condition, method)
        return any((r["person"], r["condition"], r["method"]) == key for r in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row."""
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def tuner(config: TrainConfig) -> Callable[[Condition], Unsharp]:
    """Condition -> unsharp masking tuned on training people, once each."""
    cases = [c for c in config.own_scans if not c.in_plane_only][:TUNING_PEOPLE]

    @functools.cache
    def scans() -> list[Volume]:
        return [middle(load_case(case, config.data, config.modality)) for case in cases]

    @functools.cache
    def tuned(condition: Condition) -> Unsharp:
        examples = []
        for scan in scans():
            trial = trial_of(scan, condition, config.draw.noise)
            ruler = Ruler.of(trial.fine)
            low, truth = (np.asarray(v.voxels) for v in (trial.low, trial.fine))
            examples.append(Example(low, truth, trial.assumed, ruler.mask, ruler.data_range))
        return tune_unsharp(examples, condition.factor)

    return tuned


def spline(order: int) -> Callable[[Trial], Answer]:
    """Interpolation."""
    return lambda trial: (interpolate(trial.low.voxels, trial.assumed, order), None, "")


def sharpened(tuned: Callable[[Condition], Unsharp]) -> Callable[[Trial], Answer]:
    """Unsharp masking as tuned for the trial's condition."""

    def call(trial: Trial) -> Answer:
        unsharp = tuned(trial.condition)
        said = (
            f"B-spline of order {unsharp.order}, radius {unsharp.radius:.2f} voxels, "
            f"amount {unsharp.amount:.2f}"
        )
        return unsharp(trial.low.voxels, trial.assumed), None, said

    return call


def ceiling(trial: Trial) -> Answer:
    """The oracle among linear filters."""
    fine = np.asarray(trial.fine.voxels)
    mask = Ruler.of(trial.fine).mask
    low = np.asarray(trial.low.voxels)
    return linear_ceiling(low, fine, trial.condition.factor, mask), None, ""


def network(enhancer: Enhancer, options: Options) -> Callable[[Trial], Answer]:
    """A network of medsr's."""

    def call(trial: Trial) -> Answer:
        plan = Plan(trial.low, trial.assumed, options)
        result = restore(plan, enhancer.denoiser, enhancer.card, enhancer.running())
        used, axis = result.used, plan.acquisition.coarse_axis
        said = ""
        if used != plan.acquisition:
            wide = used.axes[axis].width_mm / used.axes[axis].low_mm
            said = f"data consistency with a width of {wide:.2f} slice spacings"
        return np.asarray(result.volume.voxels), None, said

    return call


def methods(
    words: argparse.Namespace, config: TrainConfig, tuned: Callable[[Condition], Unsharp]
) -> list[Method | None]:
    """All rows, in the table's order; None where one is not asked for."""
    enhancer = Enhancer.from_pretrained(words.model or config.name)
    found: list[Method | None] = [
        Method("linear", spline(1)),
        Method("cubic", spline(3)),
        Method("B-spline 5", spline(5)),
        Method("unsharp, tuned", sharpened(tuned)),
        Method("linear ceiling (oracle)", ceiling),
    ]
    label = f"ECLARE {VERSION}, {words.eclare_patches} patches"
    program = Eclare(Path(words.eclare_home), words.eclare_patches)
    found.append(Method(label, program, is_slow=True) if words.eclare_patches else None)
    for path in words.regression:
        mean = Enhancer.from_pretrained(path)
        widths = "-".join(str(n) for n in mean.card.network["widths"])
        found.append(Method(f"regression, {widths}", network(mean, Options(steps=1))))
    modes = {
        "medsr, posterior mean": Options(steps=1),
        f"medsr, sample of {DEFAULT_STEPS} steps": Options(steps=DEFAULT_STEPS),
        "medsr, mean of 4 samples": Options(steps=DEFAULT_STEPS, samples=4),
    }
    for label, options in modes.items():
        found.append(Method(label, network(enhancer, options), is_slow=options.samples > 1))
    return found


def measure(method: Method, trial: Trial, ruler: Ruler) -> dict[str, Any]:
    """One row: sums of each block, sharpness, cost, remark."""
    try:
        (voxels, own, remark), cost = measured(lambda: method.call(trial))
    except (RuntimeError, OSError) as fault:
        return {"remark": f"not measured, because {fault}"}
    cost = own or cost
    return {
        "blocks": {
            name: [[float(f"{total:.6g}"), int(count)] for total, count in sums]
            for name, sums in ruler.sums(voxels).items()
        },
        "sharpness": round(ruler.sharpness(voxels), 4),
        "seconds": round(cost.seconds, 2),
        "megabytes": cost.megabytes,
        "remark": remark,
    }


def run(words: argparse.Namespace, config: TrainConfig, rows: Rows) -> None:
    """Measure all that is asked for and not there."""
    tuned = tuner(config)
    table = methods(words, config, tuned)
    for case in config.data.validate_:
        fine = load_case(case, config.data, config.modality)
        fine = middle(fine) if words.middle else fine
        for name in words.conditions:
            wanted = [
                (rank, m)
                for rank, m in enumerate(table)
                if m is not None
                and not rows.has(case.person, name, m.label)
                and (name in words.slow_conditions or not m.is_slow)
            ]
            if not wanted:
                continue
            trial = trial_of(fine, CONDITIONS[name], config.draw.noise)
            ruler = Ruler.of(trial.fine)
            tuned(trial.condition)  # before any clock runs
            for rank, method in wanted:
                key = {"person": case.person, "condition": name, "method": method.label}
                rows.add({**key, "rank": rank, **measure(method, trial, ruler)})
                print(f"{case.person}, {name}: {method.label}", flush=True)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("data")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default=None, help="name or .safetensors; the config's name")
    parser.add_argument("--regression", nargs="*", default=[], help=".safetensors, cards beside")
    parser.add_argument("--eclare-patches", type=int, default=3_000, help="0: no ECLARE")
    parser.add_argument("--eclare-home", default="runs/eclare", help="folder of its environment")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--slow-conditions", nargs="*", choices=CONDITIONS, default=["4x"])
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    parser.add_argument("--card", type=Path, help="model card (.json) that holds the numbers")
    parser.add_argument("--middle", action="store_true", help="the middle block of each scan")
    return parser.parse_args()


def write(words: argparse.Namespace, name: str, rows: list[dict[str, Any]]) -> None:
    """The table, and what of it was asked for elsewhere."""
    part = "middle " + " x ".join(map(str, SIDES)) + " voxels" if words.middle else "whole scans"
    title = f"# Quality of {name}, {part}"
    words.output.write_text(f"{title}\n\n{NOTES}\n{summary(rows)}\n{full_table(rows)}")
    if words.write:
        write_region(PAGE, f"quality.tables {name}", summary(rows))
    if words.card:
        card = json.loads(words.card.read_text())
        what = f"{part}; python -m benchmarks quality.tables; docs/explanation/models.md"
        card["results"]["quality"] = {"what": what, **numbers(rows)}
        words.card.write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    """Parse, measure, write."""
    words = parse()
    config = load_config(words.config, [f"data.root={words.data}"])
    rows = Rows(words.output.with_suffix(".jsonl"))
    run(words, config, rows)
    write(words, config.name, rows.rows)


if __name__ == "__main__":
    main()

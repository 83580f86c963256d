"""Does it help the next step? Region volumes after thick slices, against the fine scan's own.

    OMP_NUM_THREADS=1 python -m benchmarks quality.segmentation benchmarks/segmentation_heads.yaml
        DATA DATA/segmenters/model18cls [--mm 4 ...] [--people NAME ...] [--model PATH]
        [--eclare HOME --eclare-patches N] [--write]

Each head is degraded to thick axial slices (Gaussian profile, no noise), brought back by each
method, and segmented by a network that never saw medsr; what it finds in the fine scan stands for
the truth. Rows go to runs/segmentation.jsonl one at a time, so that a stopped run goes on; rows of
cubic interpolation and ECLARE stay when the weights change. Without rows to compute it only prints
the table.

- error: |volume - volume in the fine scan| in percent, mean over regions, then over people.
- halved: share of regions whose error is at most half of that with cubic interpolation.
- Dice: overlap with the region in the fine scan, mean over regions, then over people.

Intervals: 95 % percentile bootstrap over people.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import DOCS, write_region
from benchmarks.quality.conditions import Condition, Trial
from benchmarks.quality.eclare import Eclare
from medsr.acquisition.simulate import degraded_to, interpolated
from medsr.config import load_config
from medsr.evaluation.statistics import bootstrap_interval
from medsr.regions.compare import labelled_regions
from medsr.regions.reader import read_segmenter
from medsr.regions.segmenter import Field, Segmenter, conform, field_of_view
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.volume import Volume

PAGE = DOCS / "explanation" / "next-step.md"
ROWS = Path("runs/segmentation.jsonl")

#: Of a sample.
STEPS = 6
CUBIC, MEAN, SAMPLE = "cubic", "medsr, posterior mean", f"medsr, sample of {STEPS} steps"

Method = Callable[[Trial], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One head, slice thickness and method.

    Attributes:
        key: what the row follows from: segmenter, person, mm, method, digest of the weights.
        regions: name -> (volume, volume in the fine scan, both ml, Dice).
        seconds: of the restoration, wall clock beside other work.
    """

    key: tuple[str, str, float, str, str]
    regions: dict[str, tuple[float, float, float]]
    seconds: float

    @property
    def errors(self) -> np.ndarray:
        """Percent of each region."""
        return np.array([100 * abs(v - r) / r for v, r, _ in self.regions.values()])

    @property
    def dice(self) -> float:
        """Mean over regions."""
        return float(np.mean([d for *_, d in self.regions.values()]))


def axial(volume: Volume) -> Volume:
    """The same scan with the axis nearest to foot-head last."""
    last = int(np.abs(volume.affine[2, :3] / volume.spacing_mm).argmax())
    order = [k for k in range(3) if k != last] + [last]
    affine = volume.affine.copy()
    affine[:3, :3] = affine[:3, order]
    voxels = np.ascontiguousarray(np.asarray(volume.voxels).transpose(order))
    return replace(volume, voxels=voxels, affine=affine, slice_axis=2, padding=None)


def methods(enhancer: Enhancer, eclare: Eclare | None) -> dict[str, tuple[str, Method]]:
    """Name -> (digest of the weights, method)."""

    def enhanced(options: Options) -> Method:
        return lambda t: np.asarray(enhancer.run(Plan(t.low, t.assumed, options)).volume.voxels)

    found: dict[str, tuple[str, Method]] = {
        CUBIC: ("", lambda t: np.asarray(interpolated(t.low, t.fine, 3).voxels)),
        MEAN: (enhancer.digest, enhanced(Options(steps=1))),
        SAMPLE: (enhancer.digest, enhanced(Options(steps=STEPS))),
    }
    if eclare is not None:
        found[f"ECLARE, {eclare.patches} patches"] = ("", lambda t: eclare(t)[0])
    return found


def trial_of(fine: Volume, mm: float) -> Trial:
    """Slices of so many mm."""
    factor = mm / float(fine.spacing_mm[2])
    whole, low, plan = degraded_to(fine, factor)
    return Trial(Condition(f"{mm:g} mm", factor), whole, low, plan)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Study:
    """Where rows are kept, and the fine scan's regions, which take as long as any other.

    Attributes:
        segmenter: of the study.
        rows: JSON lines.
    """

    segmenter: Segmenter
    rows: Path

    def known(self) -> dict[tuple[Any, ...], Row]:
        """Every row that is there, by its key."""
        lines = self.rows.read_text().splitlines() if self.rows.exists() else []
        found = [json.loads(line) for line in lines]
        return {tuple(r["key"]): Row(tuple(r["key"]), r["regions"], r["seconds"]) for r in found}

    def add(self, row: Row) -> None:
        """Keep a row."""
        self.rows.parent.mkdir(parents=True, exist_ok=True)
        with self.rows.open("a") as sink:
            sink.write(json.dumps(asdict(row)) + "\n")

    def reference(self, person: str, fine: Volume) -> tuple[np.ndarray, Field]:
        """The regions of the fine scan, kept in a file."""
        image = conform(fine.voxels, fine.affine)
        field = field_of_view(image)
        size = "x".join(map(str, fine.shape))
        file = self.rows.with_suffix("") / f"{self.segmenter.name}-{person}-{size}.npy"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, self.segmenter(image, field))
        return np.load(file), field


def measure(study: Study, person: str, trial: Trial, name: str, digest: str, make: Method) -> Row:
    """Restore, segment and compare one head."""
    start = time.perf_counter()
    voxels = make(trial)
    seconds = time.perf_counter() - start
    if voxels.shape != trial.fine.shape:
        raise RuntimeError(f"{name}: {voxels.shape} instead of {trial.fine.shape} voxels.")
    own, field = study.reference(person, trial.fine)
    found = study.segmenter(conform(voxels, trial.fine.affine), field)
    names = study.segmenter.names
    true = {r.name: r.volume_ml for r in labelled_regions(names, own, own)}
    regions = {
        r.name: (r.volume_ml, true[r.name], r.dice) for r in labelled_regions(names, own, found)
    }
    mm = float(trial.condition.words.split()[0])
    return Row((study.segmenter.name, person, mm, name, digest), regions, round(seconds, 1))


def with_interval(values: Iterable[float], digits: int, unit: str = "") -> str:
    """Mean and interval over people."""
    numbers = list(values)
    ends = bootstrap_interval(numbers)
    text = f"{np.mean(numbers):.{digits}f}{unit}"
    return text if ends is None else f"{text} [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def table(rows: list[Row]) -> str:
    """One line for each thickness and method."""
    cubic = {r.key[1:3]: r for r in rows if r.key[3] == CUBIC}
    lines = [
        "| slices | method | people | volume error, % | of cubic's | halved | Dice |",
        "|---|---|---|---|---|---|---|",
    ]
    for mm in sorted({r.key[2] for r in rows}):
        for name in dict.fromkeys(r.key[3] for r in rows):
            mine = [r for r in rows if r.key[2:4] == (mm, name) and r.key[1:3] in cubic]
            if not mine:
                continue
            plain = [cubic[r.key[1:3]] for r in mine]
            error = float(np.mean([r.errors.mean() for r in mine]))
            share = error / float(np.mean([r.errors.mean() for r in plain]))
            pairs = zip(mine, plain, strict=True)
            halved = [float((r.errors <= p.errors / 2).mean()) for r, p in pairs]
            ratio = "" if name == CUBIC else f"{100 * share:.0f} %"
            half = "" if name == CUBIC else with_interval((100 * h for h in halved), 0, " %")
            errors = with_interval((float(r.errors.mean()) for r in mine), 2)
            dice = with_interval((r.dice for r in mine), 3)
            lines.append(
                f"| {mm:g} mm | {name} | {len(mine)} | {errors} | {ratio} | {half} | {dice} |"
            )
    return "\n".join(lines)


def region_table(rows: list[Row], mm: float) -> str:
    """Error of each region at one thickness, mean over people."""
    mine = [r for r in rows if r.key[2] == mm]
    names = list(dict.fromkeys(r.key[3] for r in mine))
    regions = list(dict.fromkeys(n for r in mine for n in r.regions))
    lines = [
        f"| region, {mm:g} mm | ml | " + " | ".join(f"{n}, %" for n in names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for region in regions:
        cells, size = [], 0.0
        for name in names:
            seen = [r.regions[region] for r in mine if r.key[3] == name and region in r.regions]
            cells.append(f"{np.mean([100 * (v - t) / t for v, t, _ in seen]):+.1f}")
            size = float(np.mean([t for _, t, _ in seen]))
        lines.append(f"| {region} | {size:.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("data")
    parser.add_argument("segmenter", type=Path)
    parser.add_argument("--mm", type=float, nargs="+", default=[3.0, 4.0, 6.0, 8.0])
    parser.add_argument("--people", nargs="*", default=None, help="all of the list by default")
    parser.add_argument("--methods", nargs="*", default=None, help="all by default")
    parser.add_argument("--model", default=None, help="weights; the bundled ones by default")
    parser.add_argument("--eclare", type=Path, default=None, help="folder for its environment")
    parser.add_argument("--eclare-patches", type=int, default=100_000)
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    return parser.parse_args()


def main() -> None:
    """Measure what is missing, print the tables."""
    words = arguments()
    config = load_config(words.config, [f"data.root={words.data}"])
    enhancer = Enhancer.from_pretrained(words.model or "mr-head")
    study = Study(read_segmenter(words.segmenter), words.rows)
    eclare = Eclare(words.eclare, words.eclare_patches) if words.eclare else None
    ways, known, rows = methods(enhancer, eclare), study.known(), list[Row]()
    for mm in words.mm:
        for case in config.data.validate_:
            if words.people is not None and case.person not in words.people:
                continue
            trial = None
            for name, (digest, make) in ways.items():
                key = (study.segmenter.name, case.person, mm, name, digest)
                if key not in known and name in (words.methods or ways):
                    trial = trial or trial_of(axial(load_case(case, config.data, "MR")), mm)
                    row = measure(study, case.person, trial, name, digest, make)
                    study.add(row)
                    known[key] = row
                    print(f"{key[1:4]} {row.errors.mean():.2f} % {row.dice:.3f}", flush=True)
                if key in known:
                    rows.append(known[key])
    text = f"{table(rows)}\n\n{region_table(rows, 4.0)}"
    print(text)
    if words.write:
        write_region(PAGE, "quality.segmentation", text)


if __name__ == "__main__":
    main()

"""Does the self-check predict the true gain? Two Markdown tables.

    OMP_NUM_THREADS=1 python -m benchmarks quality.self_check benchmarks/self_check.yaml DATA
        [--mm 3 4 6] [--strangers] [--rows ROWS.jsonl] [--write]

The middle block of each fine scan of the configuration is made thick and enhanced with the bundled
model of its modality, with the default options. The self-check sees the thick scan alone. The
true gain is that in PSNR over cubic interpolation against the fine scan, over its foreground.
With --strangers the same of volumes that mr-head is not for (`strangers.py`, 4 mm, and chest CT
of the configuration taken for MR). What is in ROWS is not measured again. With --write the tables
replace those of docs/explanation/own-reference.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from benchmarks.page import DOCS, write_region
from benchmarks.quality.common import middle
from benchmarks.quality.strangers import STRANGERS
from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.config import TrainConfig, load_config
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask
from medsr.network.bundled import model_for
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

PAGE = DOCS / "explanation" / "own-reference.md"

#: A scan is not made thicker by less than this factor.
LEAST_FACTOR = 1.5

HEAD = """| scan | slices, mm | true gain, dB | self-check, dB | interval's true scale \
| self-check |
|---|---|---|---|---|---|"""
STRANGE_HEAD = """| volume | true gain, dB | self-check, dB | verdict |
|---|---|---|---|"""


@dataclass(frozen=True)
class Row:
    """One scan at one thickness.

    Attributes:
        scan, kind: its name; "held out", "trained", "thick" (no fine truth) or "stranger".
        mm: slice spacing and thickness.
        true, checked: gain in PSNR over cubic interpolation, dB: against the truth, and as the
            self-check says.
        true_scale, scale: factor that makes the interval cover 90 %: of the truth, and as the
            self-check says; nan where there is no interval.
        verdict: of the self-check.
    """

    scan: str
    kind: str
    mm: float
    true: float
    checked: float
    true_scale: float
    scale: float
    verdict: str


def measured(fine: Volume, name: str, kind: str, mm: float, enhancer: Enhancer) -> Row | None:
    """Make a scan thick, enhance it, and compare the check with the truth.

    Args:
        fine: the truth; its last axis is made thick.
        name, kind, mm: see `Row`.
        enhancer: of its modality.

    Returns:
        None where the slices would hardly be thicker, or the check had nothing to look at.
    """
    spacing = [float(v) for v in fine.spacing_mm]
    if mm < LEAST_FACTOR * spacing[2]:
        return None
    acquisition = plan_degradation(fine.shape, spacing, slice_axis=2, slice_spacing_mm=mm)
    low = degrade(fine, acquisition, slice_axis=2)
    modality = Modality(enhancer.card.modality)
    done = enhancer.run(Plan(low, acquisition, Options(interval=True)))
    check = done.record.findings and done.record.findings.self_check
    if not check or done.half_width is None:
        return None
    truth = np.asarray(fine.voxels)
    mask = foreground_mask(truth, modality=modality)
    cubic = upsample(torch.from_numpy(np.array(low.voxels)), acquisition).numpy()
    result = np.asarray(done.volume.voxels)
    found = [psnr(truth, image, data_range=1.0, mask=mask) for image in (result, cubic)]
    width = np.maximum(done.half_width.voxels[mask], 1e-9)
    ratio = np.abs(result - truth)[mask] / width
    return Row(
        scan=name,
        kind=kind,
        mm=mm,
        true=found[0] - found[1],
        checked=check.gain,
        true_scale=float(np.quantile(ratio, 0.9)),
        scale=check.interval_scale or float("nan"),
        verdict=check.verdict.value,
    )


def fine_scans(config: TrainConfig) -> Iterator[tuple[str, str, Volume]]:
    """Name, kind and middle block of each scan of a configuration."""
    for cases, kind in ((config.data.validate_, "held out"), (config.data.train, "trained")):
        for case in cases:
            fine = middle(load_case(case, config.data, config.modality))
            fine = replace(fine, modality=Modality(case.modality or config.modality))
            yield case.person, "thick" if case.in_plane_only else kind, fine


def strangers(config: TrainConfig) -> Iterator[tuple[str, str, Volume]]:
    """The same of volumes that mr-head is not for."""
    for name, make in STRANGERS.items():
        yield name, "stranger", Volume(make(), np.eye(4), modality=Modality.MR, slice_axis=2)
    for name, _, fine in fine_scans(config):
        if fine.modality == Modality.CT:
            shifted = np.maximum(fine.voxels + 1024, 0)
            taken = replace(fine, voxels=shifted, modality=Modality.MR)
            yield f"{name}, taken for MR", "stranger", taken


def agreement(rows: Sequence[Row], words: str) -> str:
    """How well the check predicts the truth over some rows."""
    true, checked = (np.array([getattr(row, key) for row in rows]) for key in ("true", "checked"))
    both = [np.log([row.true_scale for row in rows]), np.log([row.scale for row in rows])]
    people = len({row.scan for row in rows})
    return (
        f"| {words} | {people} | {len(rows)} | {true.min():.2f} to {true.max():.2f} "
        f"| {stats.pearsonr(true, checked)[0]:.2f} | {stats.spearmanr(true, checked)[0]:.2f} "
        f"| {np.abs(checked - true).mean():.2f} | {(checked - true).mean():+.2f} "
        f"| {np.exp(np.std(both[0])):.2f} | {np.exp(np.std(both[1] - both[0])):.2f} |"
    )


AGREEMENT_HEAD = """| scans | people | rows | true gain, dB | correlation | rank correlation \
| mean absolute difference, dB | bias, dB | spread of the interval's true scale \
| left by the self-check |
|---|---|---|---|---|---|---|---|---|---|"""


def tables(rows: Sequence[Row]) -> str:
    """How well the check predicts the truth, and every row."""
    by_kind = {
        kind: [r for r in rows if r.kind == kind] for kind in ("held out", "trained", "thick")
    }
    counted = by_kind["held out"] + by_kind["trained"]
    groups = {"all": counted, **by_kind}
    groups |= {f"slices of {mm:g} mm": [r for r in counted if r.mm == mm] for mm in (3, 4, 6)}
    names = {"thick": "reference in thick slices", "trained": "people of the training"}
    summary = [agreement(group, names.get(k, k)) for k, group in groups.items() if len(group) > 2]
    lines = [
        f"| {row.scan}{MARKS[row.kind]} | {row.mm:g} | {row.true:.2f} | {row.checked:.2f} "
        f"| {row.true_scale:.2f} | {row.scale:.2f} |"
        for row in sorted(rows, key=lambda r: (r.kind, r.scan, r.mm))
        if row.kind != "stranger"
    ]
    return "\n".join([AGREEMENT_HEAD, *summary, "", HEAD, *lines])


#: What the table adds to the name of a scan.
MARKS = {"held out": "", "trained": " (trained)", "thick": " (reference in thick slices)"}


def strange_table(rows: Sequence[Row]) -> str:
    """The volumes that the model is not for."""
    found = sorted((r for r in rows if r.kind == "stranger"), key=lambda r: r.true)
    lines = [f"| {r.scan} | {r.true:+.2f} | {r.checked:+.2f} | {r.verdict} |" for r in found]
    right = sum((r.true < 0) == (r.checked < 0) for r in found)
    return "\n".join(
        [STRANGE_HEAD, *lines, "", f"The sign is right for {right} of {len(found)} volumes."]
    )


def main() -> None:
    """Measure, print the tables, and write them into the page if asked."""
    parser = argparse.ArgumentParser(description="The self-check against the truth.")
    parser.add_argument("config", type=Path)
    parser.add_argument("data", type=Path, help="folder of the scans")
    parser.add_argument("--mm", type=float, nargs="+", default=[3.0, 4.0, 6.0])
    parser.add_argument("--strangers", action="store_true")
    parser.add_argument("--rows", type=Path, default=Path("self-check.jsonl"))
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    config = load_config(words.config, [f"data.root={words.data}"])
    rows = (
        [Row(**json.loads(r)) for r in words.rows.read_text().splitlines()]
        if words.rows.exists()
        else []
    )
    done = {(row.scan, row.mm) for row in rows}
    scans = strangers(config) if words.strangers else list(fine_scans(config))
    for mm in [4.0] if words.strangers else words.mm:
        for name, kind, fine in scans:
            if (name, mm) in done:
                continue
            row = measured(fine, name, kind, mm, _enhancer(str(fine.modality)))
            if row is not None:
                rows.append(row)
                print(row, flush=True)
                with words.rows.open("a") as stream:
                    stream.write(json.dumps(asdict(row)) + "\n")
    found = {"quality.self_check": tables, "quality.self_check strangers": strange_table}
    for name, table in found.items():
        print(f"\n{table(rows)}")
        if words.write:
            write_region(PAGE, name, table(rows))


_LOADED: dict[str, Enhancer] = {}


def _enhancer(modality: str) -> Enhancer:
    if modality not in _LOADED:
        _LOADED[modality] = Enhancer.from_pretrained(model_for(Modality(modality)))
    return _LOADED[modality]


if __name__ == "__main__":
    main()

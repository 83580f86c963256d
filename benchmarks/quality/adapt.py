"""What `--adapt` gains on scans whose fine truth is known: a Markdown table.

    python -m benchmarks quality.adapt CASES.yaml DATA_FOLDER [--steps N] [--write]

CASES.yaml lists scans as the `validate` of a configuration does, each with its modality. The block
of 96 x 96 x 96 voxels around the anatomy is degraded to slices 4 voxels apart along its last
axis (Gaussian), enhanced with and without an adaptation of N steps, and compared with the truth
over its foreground. Steps, not seconds: so the table is the same on every machine.

- own: what the slices of the degraded scan that were kept aside gained, dB;
- true: what the result gained, dB, if the adapted network is used, whether it was kept or not;
- result: what the user gets: 0 where the adaptation was not kept.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from benchmarks.page import DOCS, write_region
from medsr.acquisition.simulate import degraded_to
from medsr.config import CaseConfig, DataConfig
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask
from medsr.network.bundled import model_for
from medsr.restore.adapt import Budget, adapt
from medsr.restore.adapt_pairs import around_the_middle
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

PAGE = DOCS / "development" / "adaptation.md"
SIDES, FACTOR = (96, 96, 96), 4.0
#: A slow machine may take longer than this over its steps, but not much.
SECONDS = 3600.0


@dataclass(frozen=True)
class Row:
    """One scan: PSNR of cubic interpolation and of the model, what was gained, dB; steps and s."""

    name: str
    model: str
    before: float
    own: float
    true: float
    kept: bool
    seconds: float

    def line(self) -> str:
        """A row of the table."""
        result = self.true if self.kept else 0.0
        kept = "yes" if self.kept else "no"
        return (
            f"| {self.name} | {self.model} | {self.before:.2f} | {self.own:+.2f} "
            f"| {self.true:+.2f} | {kept} | {result:+.2f} |"
        )


def block(volume: Volume) -> Volume:
    """The block around the middle of the anatomy."""
    voxels = np.asarray(volume.voxels)
    bright = voxels > voxels.mean()
    parts = tuple(
        around_the_middle(bright, k, min(n, SIDES[k])) for k, n in enumerate(volume.shape)
    )
    return replace(volume, voxels=np.ascontiguousarray(voxels[parts]), slice_axis=2, padding=None)


def measure(name: str, fine: Volume, enhancer: Enhancer, steps: int) -> Row:
    """Degrade, enhance, adapt, enhance."""
    fine, low, acquisition = degraded_to(block(fine), FACTOR)
    plan = Plan(low, acquisition, Options())
    truth = np.asarray(fine.voxels)
    mask = foreground_mask(truth, modality=enhancer.card.modality)
    span = float(np.ptp(truth[mask]))

    def quality(model: Enhancer) -> float:
        result = np.asarray(model.run(plan).volume.voxels)
        return psnr(truth, result, data_range=span, mask=mask)

    before, began = quality(enhancer), time.monotonic()
    tuned = adapt(
        [plan], enhancer.denoiser, enhancer.card, enhancer.running(), Budget(SECONDS, steps)
    )
    seconds = time.monotonic() - began
    adapted = Enhancer(tuned.denoiser, enhancer.card, enhancer.device)
    gain = quality(adapted) - before
    return Row(name, enhancer.card.name, before, tuned.gain_db, gain, tuned.kept, seconds)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    cases = [CaseConfig(**one) for one in yaml.safe_load(words.cases.read_text(encoding="utf-8"))]
    data = DataConfig(root=words.data, train=tuple(cases), validate=())
    rows = [
        "| scan | model | PSNR, dB | own gain, dB | true gain, dB | kept | result, dB |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(rows), flush=True)
    models: dict[Modality, Enhancer] = {}
    for case in cases:
        kind = case.modality or Modality.MR
        if kind not in models:
            models[kind] = Enhancer.from_pretrained(model_for(kind))
        row = measure(case.person, load_case(case, data, kind), models[kind], words.steps)
        rows.append(row.line())
        print(rows[-1], f"{row.seconds:.0f} s", flush=True)
    if words.write:
        write_region(PAGE, "quality.adapt", "\n".join(rows))


if __name__ == "__main__":
    main()

"""Samples of people that nobody trained on: accuracy, edges and grain, a Markdown table.

    python -m benchmarks quality.samples benchmarks/samples.yaml DATA MODEL [--factor 4]
        [--by-edges] [--grain] [--whole] [--only WORD] [--write]

The block of 96 x 112 x 96 voxels in the middle of each scan, or with `--whole` all of it, is
degraded along its last axis (Gaussian slices, no noise added) and restored: posterior mean, and a
sample of seed 0. Over the foreground of the reference:

- PSNR over cubic interpolation, dB, against the reference as it is, and against the reference
  without its noise (`training.clean.denoised`);
- edges: 97th percentile of the slope along the slice axis after smoothing, over the reference's;
- grain: in flat tissue, over the reference's (`metrics.edges`).

MODEL is a bundled model or a .safetensors file. `--by-edges` takes `detail_tolerance` out of its
card, so that the scan's own slices say how strong the edges of a sample are.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.page import DOCS, write_region
from benchmarks.quality.common import middle
from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degraded_to
from medsr.config import load_config
from medsr.metrics.edges import edge_sharpness, flat_tissue, grain_ratio
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.training.clean import denoised
from medsr.volume.volume import Volume

PAGE = DOCS / "development" / "clean-targets.md"
HEAD = (
    "| person | method | over cubic, dB | over cubic, denoised reference, dB | edges | grain |",
    "|---|---|---|---|---|---|",
)


@dataclass(frozen=True, eq=False)
class Ruler:
    """A reference, with and without its noise, and where it counts."""

    noisy: np.ndarray
    clean: np.ndarray
    mask: np.ndarray
    flat: np.ndarray
    top: float
    cubic: np.ndarray

    @classmethod
    def of(cls, fine: Volume, cubic: np.ndarray) -> Ruler:
        """The ruler of a reference and what interpolation makes of its thick slices."""
        noisy, clean = np.asarray(fine.voxels), denoised(fine)
        mask = foreground_mask(noisy, modality=fine.modality)
        top = robust_range(noisy, modality=fine.modality)
        return cls(noisy, clean, mask, flat_tissue(clean, mask=mask), top, cubic)

    def scores(self, estimate: np.ndarray) -> tuple[float, float, float, float]:
        """Gains over cubic against both references, dB; edges; grain."""
        gains = [
            psnr(truth, estimate, data_range=self.top, mask=self.mask)
            - psnr(truth, self.cubic, data_range=self.top, mask=self.mask)
            for truth in (self.noisy, self.clean)
        ]
        edges = edge_sharpness(self.noisy, estimate, axis=2, mask=self.mask)
        return gains[0], gains[1], edges, grain_ratio(self.noisy, estimate, flat=self.flat)


def row(person: str, method: str, scores: tuple[float, ...]) -> str:
    """A row of the table."""
    noisy, clean, edges, grain = scores
    return f"| {person} | {method} | {noisy:+.2f} | {clean:+.2f} | {edges:.2f} | {grain:.2f} |"


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page")
    parser.add_argument("data")
    parser.add_argument("model")
    parser.add_argument("--factor", type=float, default=4.0)
    parser.add_argument("--by-edges", action="store_true", help="strength from the self-check")
    parser.add_argument("--grain", action="store_true", help="also a sample with grain")
    parser.add_argument("--whole", action="store_true", help="not only the middle")
    parser.add_argument("--only", default="", help="people whose name contains this word")
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    config = load_config(words.page, [f"data.root={words.data}"])
    enhancer = Enhancer.from_pretrained(words.model)
    if words.by_edges:
        enhancer.card = replace(enhancer.card, detail_tolerance=None)
    methods = {
        "cubic": None,
        "posterior mean": Options(no_self_check=True),
        "sample": Options(sample=True),
    }
    if words.grain:
        methods["sample with grain"] = Options(sample=True, grain=True)
    rows = list(HEAD)
    print("\n".join(HEAD))
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in methods}
    for case in config.data.validate_:
        if words.only not in case.person:
            continue
        scan = load_case(case, config.data, config.modality)
        scan = replace(scan, modality=config.modality, padding=None)
        scan = scan if words.whole else middle(scan)
        fine, low, plan = degraded_to(scan, words.factor)
        cubic = upsample(torch.from_numpy(np.array(low.voxels)), plan).numpy()
        ruler = Ruler.of(fine, cubic)
        for name, options in methods.items():
            if options is None:
                estimate = cubic
            else:
                estimate = np.asarray(enhancer.run(Plan(low, plan, options)).volume.voxels)
            found[name].append(ruler.scores(estimate))
            rows.append(row(case.person, name, found[name][-1]))
            print(rows[-1], flush=True)
    for name, scores in found.items():
        rows.append(row("mean", name, tuple(np.mean(scores, axis=0))))
        print(rows[-1])
    if words.write:
        write_region(PAGE, "quality.samples", "\n".join(rows))


if __name__ == "__main__":
    main()

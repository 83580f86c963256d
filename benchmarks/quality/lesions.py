"""Synthetic lesions: kept, blurred, moved, lost or invented? A Markdown table.

    python -m benchmarks quality.lesions configs/mr-head.yaml DATA_FOLDER [--steps N ...]
        [--write]

Balls of tissue, brighter or darker than the median by a stated share, are put into the middle
block of each validation scan; both versions are degraded to 4 mm Gaussian slices and enhanced. The
difference of the two results is compared with the ball that was put in:

- contrast: its amplitude on the ball over the true one; kept >= 0.7, lost < 0.3, else blurred.
- moved: the centre of the difference is over 1 mm from the ball's.
- invented: in the version without lesions, share of random places where the error looks like a
  ball of at least half of the contrast.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage

from benchmarks.page import DOCS, write_region
from benchmarks.quality.common import middle
from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degraded_to
from medsr.config import load_config
from medsr.metrics.foreground import foreground_mask
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.volume import Volume

PAGE = DOCS / "explanation" / "trust.md"
DIAMETERS_MM = (2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
CONTRASTS = (0.2, -0.2, 0.5, -0.5)
PLACES = 24
FALSE_PLACES = 300


@dataclass(frozen=True)
class Ball:
    """A lesion: centre in voxels, diameter in mm."""

    centre: tuple[int, int, int]
    diameter_mm: float

    def inside(self, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> np.ndarray:
        """Share of each voxel that is lesion (edge one voxel wide), [X, Y, Z]."""
        axes = [
            (np.arange(n) - c) * mm
            for n, c, mm in zip(shape, self.centre, spacing_mm, strict=True)
        ]
        grid = np.meshgrid(*axes, indexing="ij", sparse=True)
        distance = np.sqrt(sum(g**2 for g in grid))
        edge = float(np.mean(spacing_mm))
        return np.clip((self.diameter_mm / 2 - distance) / edge + 0.5, 0, 1)


def places(mask: np.ndarray, count: int, apart: int, rng: np.random.Generator):
    """Random centres well inside the mask, not nearer to each other than `apart` voxels."""
    deep = np.argwhere(ndimage.binary_erosion(mask, iterations=8))
    chosen: list[np.ndarray] = []
    for candidate in rng.permutation(deep):
        if all(np.abs(candidate - other).max() >= apart for other in chosen):
            chosen.append(candidate)
        if len(chosen) == count:
            break
    return [tuple(int(v) for v in c) for c in chosen]


def around(centre: tuple[int, int, int], shape: tuple[int, ...], reach: int = 9):
    """The cube of voxels around a centre."""
    return tuple(
        slice(max(0, c - reach), min(n, c + reach + 1)) for c, n in zip(centre, shape, strict=True)
    )


def results(fine: Volume, enhancer: Enhancer, steps: list[int]) -> dict[str, np.ndarray]:
    """Label -> volume, for cubic interpolation and each number of steps."""
    _, low, plan = degraded_to(fine, 4.0 / fine.spacing_mm[2])
    found = {"cubic": upsample(torch.from_numpy(low.voxels.copy()), plan).numpy()}
    for count in steps:
        result = enhancer.run(Plan(low, plan, Options(steps=count)))
        found[f"medsr, {count} steps"] = np.array(result.volume.voxels)
    return found


def recovered(change: np.ndarray, ball: Ball, amplitude: float, spacing) -> tuple[float, float]:
    """Contrast over the true one, and how far the centre moved (mm)."""
    part = around(ball.centre, change.shape)
    template = ball.inside(change.shape, spacing)[part]
    local = change[part] / amplitude
    share = float((local * template).sum() / (template**2).sum())
    weight = np.clip(local, 0, None)
    grid = np.meshgrid(*[np.arange(n) for n in weight.shape], indexing="ij")
    moved = [
        ((g * weight).sum() / max(weight.sum(), 1e-9) - (g * template).sum() / template.sum()) * mm
        for g, mm in zip(grid, spacing, strict=True)
    ]
    return share, float(np.sqrt(sum(m**2 for m in moved)))


def false_share(error: np.ndarray, mask, diameter: float, amplitude: float, spacing, rng) -> float:
    """Share of random places where the error looks like a ball of half of the contrast."""
    hits, centres = 0, places(mask, FALSE_PLACES, 1, rng)
    for centre in centres:
        part = around(centre, error.shape)
        template = Ball(centre, diameter).inside(error.shape, spacing)[part]
        local = error[part] - error[part].mean()
        share = float((local * template).sum() / (template**2).sum()) / amplitude
        hits += abs(share) >= 0.5
    return hits / max(1, len(centres))


def measure(fine: Volume, enhancer: Enhancer, steps: list[int], rows: dict) -> None:
    """Add one person's lesions to the rows: (label, diameter, |contrast|) -> lists."""
    rng = np.random.default_rng(0)
    fine = degraded_to(fine, 4.0 / fine.spacing_mm[2])[0]
    truth, spacing = np.asarray(fine.voxels), tuple(float(mm) for mm in fine.spacing_mm)
    mask = foreground_mask(truth, modality=enhancer.card.modality)
    middle_value = float(np.median(truth[mask]))
    floor = -1000.0 if enhancer.card.modality == "CT" else 0.0
    plain = results(fine, enhancer, steps)
    centres = places(mask, PLACES, 20, rng)
    for diameter in DIAMETERS_MM:
        for contrast in CONTRASTS:
            amplitude = contrast * (middle_value - floor)
            balls = [Ball(centre, diameter) for centre in centres]
            added = sum(ball.inside(truth.shape, spacing) for ball in balls) * amplitude
            with_lesions = replace(fine, voxels=(truth + added).astype(np.float32))
            changed = results(with_lesions, enhancer, steps)
            for label, volume in changed.items():
                row = rows.setdefault((label, diameter, abs(contrast)), ([], [], []))
                for ball in balls:
                    share, moved = recovered(volume - plain[label], ball, amplitude, spacing)
                    row[0].append(share)
                    row[1].append(moved)
                error = plain[label] - truth
                row[2].append(false_share(error, mask, diameter, abs(amplitude), spacing, rng))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("data")
    parser.add_argument("--model", default=None)
    parser.add_argument("--steps", type=int, nargs="+", default=[1])
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    config = load_config(words.config, [f"data.root={words.data}"])
    enhancer = Enhancer.from_pretrained(words.model or config.name)
    rows: dict = {}
    for case in config.data.validate_:
        measure(middle(load_case(case, config.data, config.modality)), enhancer, words.steps, rows)
    lines = [
        "| method | mm | contrast | lesions | mean | kept | blurred | lost | moved | invented |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for (label, diameter, contrast), (shares, moved, false) in rows.items():
        s, m = np.array(shares), np.array(moved)
        lines.append(
            f"| {label} | {diameter:g} | {contrast:g} | {len(s)} | {s.mean():.2f} "
            f"| {(s >= 0.7).mean():.0%} | {((s >= 0.3) & (s < 0.7)).mean():.0%} "
            f"| {(s < 0.3).mean():.0%} | {(m > 1).mean():.0%} | {np.mean(false):.1%} |"
        )
    print("\n".join(lines))
    if words.write:
        write_region(PAGE, "quality.lesions", "\n".join(lines))


if __name__ == "__main__":
    main()

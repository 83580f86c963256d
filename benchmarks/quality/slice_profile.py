"""The slice profile estimated from the scan, against the true one: a Markdown table.

    python -m benchmarks quality.slice_profile CONFIG DATA_FOLDER [CONFIG DATA_FOLDER ...]

Each scan of the configurations that is fine in three axes is degraded along its axes with each
profile and factor of `TRIALS`, and enhanced without a header that states the slice thickness. The
estimate sees the whole thick scan; the posterior mean is compared on the middle block: PSNR with
the estimate and data consistency, less PSNR with the true profile (*cost*), and less PSNR with the
estimate but without data consistency (*consistency*). The outer two slices of the block are left
out: they are cut from a scan that goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.page import DOCS, write_region
from benchmarks.quality.common import SIDES
from medsr.acquisition.acquisition import Acquisition, AxisSampling, for_scan
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.acquisition.width_estimate import GAUSSIAN_PER_BOX
from medsr.config import load_config
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore.choices import Consistency
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.restore.slice_profile import choose_slice_profile
from medsr.training.cases import load_case
from medsr.volume.volume import Volume

#: (factor, profile, width in slice spacings): gaps, touching slices and overlap.
TRIALS = (
    (2, "gaussian", 1.0),
    (3, "gaussian", 0.75),
    (3, "box", 1.0),
    (4, "gaussian", 0.5),
    (4, "gaussian", 1.0),
    (4, "gaussian", 1.25),
    (4, "box", 0.25),
    (5, "gaussian", 0.8),
    (5, "box", 0.5),
    (6, "gaussian", 1.0),
    (6, "gaussian", 1.6),
    (6, "box", 0.75),
)


@dataclass(frozen=True)
class Row:
    """One trial; PSNR in dB, widths as of a Gaussian, in slice spacings."""

    person: str
    direction: str
    factor: float
    profile: str
    width: float
    estimate: float
    cost: float
    consistency: float

    def line(self) -> str:
        """A line of the table."""
        return (
            f"| {self.person}, {self.direction} | {self.factor:g} | {self.profile} {self.width:g} "
            f"| {self.estimate:.2f} | {self.cost:+.2f} | {self.consistency:+.2f} |"
        )


def turned(volume: Volume, axis: int) -> Volume:
    """The scan with one of its axes last."""
    order = [k for k in range(3) if k != axis] + [axis]
    affine = volume.affine.copy()
    affine[:3, :3] = affine[:3, order]
    voxels = np.ascontiguousarray(np.transpose(volume.voxels, order))
    return replace(volume, voxels=voxels, affine=affine, slice_axis=2)


def block(volume: Volume, sides: tuple[int, int, int]) -> tuple[slice, ...]:
    """The middle of a scan."""
    return tuple(
        slice(max(0, (n - m) // 2), max(0, (n - m) // 2) + min(n, m))
        for n, m in zip(volume.shape, sides, strict=True)
    )


def trial(fine: Volume, enhancer: Enhancer, factor: int, profile: str, width: float) -> Row:
    """Degrade along the last axis, estimate, enhance."""
    step = factor * fine.spacing_mm[2]
    made = plan_degradation(
        fine.shape,
        fine.spacing_mm,
        slice_axis=2,
        slice_spacing_mm=step,
        slice_thickness_mm=width * step,
        profile=profile,
    )
    low = replace(degrade(fine, made, slice_axis=2), slice_thickness_mm=None)
    target = [float(mm) for mm in fine.spacing_mm]
    chosen = choose_slice_profile(low, target, Options())
    slices = SIDES[2] // factor
    part = block(low, (SIDES[0], SIDES[1], slices))
    start = factor * part[2].start
    truth = np.asarray(fine.voxels[part[0], part[1], start : start + factor * slices])
    cut = replace(low, voxels=np.ascontiguousarray(low.voxels[part]))

    def score(thickness_mm: float | None, shape: str, mode: Consistency) -> float:
        plan = for_scan(cut, target, slice_thickness_mm=thickness_mm, profile=shape)
        done = enhancer.run(Plan(cut, as_made(plan), Options(consistency=mode)))
        top = robust_range(truth, modality=fine.modality)
        mask = foreground_mask(truth, modality=fine.modality)
        inner = (..., slice(2 * factor, -2 * factor))
        found = np.asarray(done.volume.voxels)[inner]
        return psnr(truth[inner], found, data_range=top, mask=mask[inner])

    on = score(chosen.thickness_mm, chosen.profile, Consistency.NOISE)
    off = score(chosen.thickness_mm, chosen.profile, Consistency.OFF)
    true = score(width * step, profile, Consistency.NOISE)
    used = (chosen.thickness_mm or step) / step
    axis = int(np.abs(fine.affine[:3, 2]).argmax())
    return Row(
        fine.name,
        ("right-left", "back-front", "feet-head")[axis],
        factor,
        profile,
        width,
        used,
        on - true,
        on - off,
    )


def as_made(plan: Acquisition) -> Acquisition:
    """The width adds to the fine voxels of the simulation, not to the pixels of the slices."""
    axes: list[AxisSampling] = [replace(axis, added_to_mm=None) for axis in plan.axes]
    return Acquisition((axes[0], axes[1], axes[2]))


def rows(config_page: str, data: str, axes: list[int]) -> Iterator[Row]:
    """All trials of the scans of one configuration."""
    config = load_config(config_page, [f"data.root={data}"])
    enhancer = Enhancer.from_pretrained("ct-body" if config.modality == "CT" else "mr-head")
    for case in (*config.data.validate_, *config.data.train):
        if case.in_plane_only:
            continue
        whole = replace(load_case(case, config.data, config.modality), name=case.person)
        for axis in axes if config.modality == "MR" else [2]:
            fine = turned(whole, axis)
            for factor, profile, width in TRIALS:
                yield trial(fine, enhancer, factor, profile, width)


def summary(found: list[Row]) -> str:
    """What the issue asks: how often the cost is small, and the worst of data consistency."""
    cost = np.array([row.cost for row in found])
    gain = np.array([row.consistency for row in found])
    wanted = [
        row.width if row.profile == "gaussian" else GAUSSIAN_PER_BOX * row.width for row in found
    ]
    off = np.array([row.estimate for row in found]) - np.array(wanted)
    return (
        f"{len(found)} trials: the estimate costs at most 0.1 dB in "
        f"{100 * (cost >= -0.1).mean():.0f} % (median {np.median(cost):+.2f}, worst "
        f"{cost.min():+.2f} dB); data consistency changes {gain.min():+.2f} to {gain.max():+.2f} "
        f"dB, at most 0.02 dB down in {100 * (gain >= -0.02).mean():.0f} %; error of the width "
        f"{off.mean():+.2f} +- {off.std():.2f} slice spacings."
    )


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", nargs="+", metavar="CONFIG DATA")
    parser.add_argument("--axes", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    words = parser.parse_args()
    lines = [
        "| scan, slices along | factor | true profile | estimate | cost, dB | consistency, dB |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    found: list[Row] = []
    for page, data in zip(words.pairs[::2], words.pairs[1::2], strict=True):
        for row in rows(page, data, words.axes):
            found.append(row)
            lines.append(row.line())
            print(lines[-1], flush=True)
    text = "\n".join([*lines, "", summary(found)])
    print(summary(found))
    if words.write:
        write_region(DOCS / "development/slice-profile.md", "quality.slice_profile", text)


if __name__ == "__main__":
    main()

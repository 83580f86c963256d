"""Several thick stacks of one head, joined: a Markdown table.

    python -m benchmarks quality.stacks mr-head SCAN.nii.gz [SCAN ...] [--factor 4] [--side 112]

The middle block of each fine scan is degraded along its axes, one after the other. Rows: one,
two and three stacks, and two of which the second moved by 2 degrees and 2 mm, which its header
does not say. Methods: cubic interpolation and the posterior mean (the best single stack of those,
and the mean of all), least squares with a weak smoothness term (no network; the best of four
weights on this very scan, so that the rival is at its best), the same with total variation
(likewise), and `joined`. PSNR in dB over the foreground, 6 voxels from the border of the block.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire, acquire_adjoint, upsample
from medsr.acquisition.stacks import moved_to
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore.enhancer import Enhanced, Enhancer
from medsr.restore.joined import joined
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.volume.formats import read
from medsr.volume.volume import Volume

#: Voxels from the border of the block that are not measured.
BORDER = 6

#: Weights of the rivals, of which the best counts.
SMOOTH = (0.0003, 0.001, 0.003, 0.01)
TOTAL_VARIATION = (0.0003, 0.001, 0.003)

#: The motion that no header tells: degrees about each axis, voxels along each.
ANGLES, SHIFT = (2.0, 0.0, 0.0), (0.0, 2.0, 0.0)


def across(axis: int, factor: int, side: int) -> Acquisition:
    """Touching Gaussian slices across one axis."""
    axes = [AxisSampling(side, 1.0, side, 1.0) for _ in range(3)]
    axes[axis] = AxisSampling(side, 1.0, side // factor, float(factor), float(factor))
    return Acquisition((axes[0], axes[1], axes[2]))


def motion(side: int) -> NDArray[np.float64]:
    """Voxel index where the head is -> voxel index where it was."""
    a = np.radians(ANGLES[0])
    index = np.eye(4)
    index[1:3, 1:3] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    middle = np.full(3, (side - 1) / 2)
    index[:3, 3] = middle - index[:3, :3] @ middle + np.asarray(SHIFT)
    return index


def one_stack(voxels: NDArray[np.float32], axis: int, factor: int) -> tuple[Volume, Acquisition]:
    """A thick scan of a block, with its place in the header."""
    plan = across(axis, factor, len(voxels))
    affine = np.eye(4)
    affine[axis, axis], affine[axis, 3] = factor, (factor - 1) / 2
    low = acquire(torch.from_numpy(voxels), plan).numpy()
    scan = Volume(low, affine, modality="MR", name=f"axis {axis}", slice_axis=axis)
    return replace(scan, slice_thickness_mm=float(factor)), plan


def gradient(u: Tensor) -> list[Tensor]:
    return [torch.diff(u, dim=k) for k in range(3)]


def divergence(parts: list[Tensor], shape: torch.Size) -> Tensor:
    """The adjoint of `gradient`."""
    out = torch.zeros(shape)
    for k, part in enumerate(parts):
        out.narrow(k, 1, shape[k] - 1).add_(part)
        out.narrow(k, 0, shape[k] - 1).sub_(part)
    return out


def least_squares(
    stacks: list[tuple[Tensor, Acquisition]], weight: float, *, edges: bool
) -> Tensor:
    """min sum |A x - y|^2 + weight |grad x|^2, or |grad x| by reweighting; nothing moved."""
    x = sum(upsample(y, a) for y, a in stacks) / len(stacks)
    known = sum(acquire_adjoint(y, a) for y, a in stacks)
    for _ in range(6 if edges else 1):
        parts = gradient(x)
        scales = [1 / (part.abs() + 0.01) if edges else torch.ones_like(part) for part in parts]

        def normal(u: Tensor, scales: list[Tensor] = scales) -> Tensor:
            pulled = [g * s for g, s in zip(gradient(u), scales, strict=True)]
            data = sum(acquire_adjoint(acquire(u, a), a) for _, a in stacks)
            return data + weight * divergence(pulled, u.shape)

        rest = known - normal(x)
        step, square = rest.clone(), float(rest.square().sum())
        for _ in range(30):
            seen = normal(step)
            length = square / max(float((step * seen).sum()), 1e-30)
            x, rest = x + length * step, rest - length * seen
            before, square = square, float(rest.square().sum())
            step = rest + square / max(before, 1e-30) * step
    return x


class Ruler:
    """PSNR in dB over the foreground of a block, away from its border."""

    def __init__(self, truth: NDArray[np.float32]) -> None:
        self.truth, self.top = truth, robust_range(truth, modality="MR")
        self.mask = foreground_mask(truth, modality="MR")
        inner = np.zeros_like(self.mask)
        inner[(slice(BORDER, -BORDER),) * 3] = True
        self.mask &= inner

    def __call__(self, image: NDArray[np.float32] | Tensor) -> float:
        return psnr(self.truth, np.asarray(image), data_range=self.top, mask=self.mask)


def rivals(measure: Ruler, scans: list[Enhanced], plans: list[Acquisition], gain: float) -> str:
    """Least squares and total variation at their best, the network left out."""
    stacks = [
        (torch.from_numpy(np.asarray(s.measured.voxels) / np.float32(gain)), plan)
        for s, plan in zip(scans, plans, strict=True)
    ]
    best = [
        max(measure(least_squares(stacks, w, edges=edges) * gain) for w in weights)
        for edges, weights in ((False, SMOOTH), (True, TOTAL_VARIATION))
    ]
    return " | ".join(f"{value:.2f}" for value in best)


def rows(scan: Volume, enhancer: Enhancer, factor: int, side: int) -> None:
    """All rows of a scan, printed."""
    side -= side % (3 * factor)
    starts = [(n - side) // 2 for n in scan.shape]
    block = np.ascontiguousarray(scan.voxels[tuple(slice(s, s + side) for s in starts)])
    measure = Ruler(block)
    there, _ = moved_to(block, motion(side), block.shape)
    made = [one_stack(block, axis, factor) for axis in (2, 0, 1)]
    made.append(one_stack(there, 0, factor))
    scans = [enhancer.run(Plan(low, plan, Options())) for low, plan in made]
    plans = [plan for _, plan in made]
    alone = [measure(s.volume.voxels) for s in scans[:3]]
    cubic = [
        measure(upsample(torch.from_numpy(np.array(low.voxels)), plan)) for low, plan in made[:3]
    ]
    for chosen, words in (((0,), "one"), ((0, 1), "two"), ((0, 1, 2), "three")):
        own = [scans[k] for k in chosen]
        mean = np.mean([np.asarray(s.volume.voxels) for s in own], axis=0)
        others = rivals(measure, own, [plans[k] for k in chosen], measure.top)
        result = joined(own, registered=True).volume.voxels if len(own) > 1 else mean
        print(
            f"| {scan.name} | {words} | {max(cubic[k] for k in chosen):.2f} | "
            f"{max(alone[k] for k in chosen):.2f} | {measure(mean):.2f} | {others} | "
            f"{measure(result):.2f} |",
            flush=True,
        )
    for registered, words in ((False, "two, moved, registered"), (True, "two, moved, not")):
        result = joined([scans[0], scans[3]], registered=registered)
        part = result.record.stacks[1]
        how = f"{part.angle_deg:.2f} degrees, {part.shift_mm:.2f} mm found"
        print(f"| {scan.name} | {words} ({how}) | | | | | | {measure(result.volume.voxels):.2f} |")


def other_person(first: Volume, second: Volume, enhancer: Enhancer, factor: int, side: int) -> str:
    """Correlation of stacks of two people after registration; what `joined` says of them."""
    made = []
    for scan, axis in ((first, 2), (second, 0)):
        starts = [(n - side) // 2 for n in scan.shape]
        block = np.ascontiguousarray(scan.voxels[tuple(slice(s, s + side) for s in starts)])
        low, plan = one_stack(block, axis, factor)
        made.append(enhancer.run(Plan(low, plan, Options())))
    try:
        return f"{joined(made).record.stacks[1].after:.2f}, joined"
    except Exception as fault:
        return str(fault)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("scans", nargs="+")
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--side", type=int, default=112)
    words = parser.parse_args()
    enhancer = Enhancer.from_pretrained(words.model)
    names = (
        "cubic",
        "posterior mean",
        "mean of these",
        "least squares",
        "total variation",
        "joined",
    )
    print(f"| scan | stacks | {' | '.join(names)} |")
    print("|---|---|" + "---|" * len(names))
    volumes = [read(path) for path in words.scans]
    for volume in volumes:
        rows(volume, enhancer, words.factor, words.side)
    for a, b in itertools.pairwise(volumes):
        print(f"{a.name} with {b.name}: {other_person(a, b, enhancer, words.factor, words.side)}")


if __name__ == "__main__":
    main()

"""Scans with thick slices, of people and contrasts that nobody trained on: a table (Markdown).

    python benchmarks/in_plane.py mr-head SCAN.nii.gz [SCAN ...] [--factor 4] [--slices 8]

Such scans have no fine truth along the slice axis, but each slice is sharp: it is degraded along
one of its own axes, then along the other, and restored from that alone (no neighbouring slices, as
in training). Posterior mean; PSNR and SSIM (in the slices) over the foreground of the middle ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from common import degraded_to

from medsr.acquisition.resample import lift
from medsr.metrics.fidelity import psnr, ssim_slice_mean
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore.enhancer import Enhancer, Plan
from medsr.restore.options import Options
from medsr.volume.files import read
from medsr.volume.volume import Volume


def turned(scan: Volume, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each in-plane axis and the middle slices as [slices, other axis, this axis]."""
    stack = scan.slice_axis if scan.slice_axis is not None else int(np.argmax(scan.spacing_mm))
    first = max(0, (scan.shape[stack] - count) // 2)
    voxels = np.take(scan.voxels, range(first, min(first + count, scan.shape[stack])), axis=stack)
    a, b = (k for k in range(3) if k != stack)
    for axis, other in ((a, b), (b, a)):
        yield axis, voxels.transpose(stack, other, axis)


def alone(image: np.ndarray, enhancer: Enhancer, factor: float) -> tuple[np.ndarray, ...]:
    """Truth, cubic interpolation and posterior mean of one slice [H, W], degraded along W."""
    twice = np.ascontiguousarray(np.stack([image, image]))  # its own neighbour
    scan = Volume(twice, np.eye(4), modality=enhancer.modality, slice_axis=2)
    fine, low, plan = degraded_to(scan, factor)
    cubic = lift(torch.from_numpy(low.voxels.copy()), plan).numpy()
    result = enhancer.run(Plan(low, plan, ()), Options(steps=1, quick=True))
    return fine.voxels[0], cubic[0], np.asarray(result.volume.voxels)[0]


def row(name: str, axis: int, stack: np.ndarray, enhancer: Enhancer, factor: float) -> str:
    """One line of the table."""
    parts = zip(*(alone(image, enhancer, factor) for image in stack), strict=True)
    truth, cubic, mean = (np.stack(part) for part in parts)
    top = robust_range(truth, modality=enhancer.modality)
    mask = foreground_mask(truth, modality=enhancer.modality)
    scores = [
        (
            psnr(truth, estimate, data_range=top, mask=mask),
            ssim_slice_mean(truth, estimate, data_range=top, axis=0, mask=mask),
        )
        for estimate in (cubic, mean)
    ]
    (cubic_db, cubic_ssim), (mean_db, mean_ssim) = scores
    gain = mean_db - cubic_db
    return (
        f"| {name} | {axis} | {cubic_db:.2f} | {mean_db:.2f} | {gain:+.2f} | "
        f"{cubic_ssim:.4f} | {mean_ssim:.4f} |"
    )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("scans", nargs="+")
    parser.add_argument("--factor", type=float, default=4.0)
    parser.add_argument("--slices", type=int, default=8)
    words = parser.parse_args()
    enhancer = Enhancer.from_pretrained(words.model)
    print("| scan | axis | cubic dB | mean dB | gain | cubic SSIM | mean SSIM |")
    print("|---|---|---|---|---|---|---|")
    for path in words.scans:
        scan = read(path)
        for axis, stack in turned(scan, words.slices):
            print(row(scan.name, axis, stack, enhancer, words.factor), flush=True)


if __name__ == "__main__":
    main()

"""Thick-slice scans of held-out subjects and contrasts, tested in-plane: a Markdown table.

    python -m benchmarks quality.in_plane mr-head SCAN.nii.gz [SCAN ...]
        [--factor 4] [--slices 8] [--steps 1] [--tolerance F]

Such scans have no fine truth along the slice axis, but each slice is sharp: it is degraded along
one of its own axes, then along the other, and restored from that alone (no neighbouring slices, as
in training). Posterior mean, or a sample of `--steps`; PSNR, SSIM (in the slices) and sharpness
(energy above half of Nyquist along the axis, over the truth's) over the foreground of the middle
slices. `--tolerance` replaces that of the model's card (`restore.detail_strength`); inf keeps
what the model learned.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degraded_to
from medsr.metrics.detail import high_frequency_ratio
from medsr.metrics.fidelity import psnr, ssim_slice_mean
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.plan import Plan
from medsr.volume.formats import read
from medsr.volume.modality import air_value
from medsr.volume.volume import Volume


def turned(scan: Volume, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each in-plane axis and the middle slices as [slices, other axis, this axis]."""
    stack = scan.through_plane_axis
    first = max(0, (scan.shape[stack] - count) // 2)
    voxels = np.take(scan.voxels, range(first, min(first + count, scan.shape[stack])), axis=stack)
    a, b = (k for k in range(3) if k != stack)
    for axis, other in ((a, b), (b, a)):
        yield axis, voxels.transpose(stack, other, axis)


def alone(
    image: np.ndarray, enhancer: Enhancer, factor: float, steps: int
) -> tuple[np.ndarray, ...]:
    """Truth, cubic interpolation and restoration of one slice [H, W], degraded along W."""
    twice = np.ascontiguousarray(np.stack([image, image]))  # its own neighbour
    scan = Volume(twice, np.eye(4), modality=enhancer.card.modality, slice_axis=2)
    fine, low, plan = degraded_to(scan, factor)
    cubic = upsample(torch.from_numpy(low.voxels.copy()), plan).numpy()
    result = enhancer.run(Plan(low, plan, Options(steps=steps, quick=steps == 1)))
    return fine.voxels[0], cubic[0], np.asarray(result.volume.voxels)[0]


def row(stack: np.ndarray, enhancer: Enhancer, factor: float, steps: int) -> str:
    """One line of the table, without its first two columns."""
    parts = zip(*(alone(image, enhancer, factor, steps) for image in stack), strict=True)
    truth, cubic, restored = (np.stack(part) for part in parts)
    top = robust_range(truth, modality=enhancer.card.modality)
    mask = foreground_mask(truth, modality=enhancer.card.modality)
    scores = [
        (
            psnr(truth, estimate, data_range=top, mask=mask),
            ssim_slice_mean(truth, estimate, data_range=top, axis=0, mask=mask),
        )
        for estimate in (cubic, restored)
    ]
    (cubic_db, cubic_ssim), (db, structure) = scores
    floor = np.float32(air_value(enhancer.card.modality))
    sharpness = high_frequency_ratio(truth - floor, restored - floor, axis=2, mask=mask)
    return (
        f"{cubic_db:.2f} | {db:.2f} | {db - cubic_db:+.2f} | {cubic_ssim:.4f} | {structure:.4f} | "
        f"{sharpness:.2f} |"
    )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("scans", nargs="+")
    parser.add_argument("--factor", type=float, default=4.0)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--tolerance", type=float)
    words = parser.parse_args()
    enhancer = Enhancer.from_pretrained(words.model)
    if words.tolerance is not None:
        enhancer.card = replace(enhancer.card, detail_tolerance=words.tolerance)
    print("| scan | axis | cubic dB | medsr dB | gain | cubic SSIM | medsr SSIM | sharpness |")
    print("|---|---|---|---|---|---|---|---|")
    for path in words.scans:
        scan = read(path)
        for axis, stack in turned(scan, words.slices):
            numbers = row(stack, enhancer, words.factor, words.steps)
            print(f"| {scan.name} | {axis} | {numbers}", flush=True)


if __name__ == "__main__":
    main()

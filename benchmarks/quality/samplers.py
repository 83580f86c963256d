"""Samplers and numbers of steps on held-out subjects: a Markdown table.

    python -m benchmarks quality.samplers configs/mr-head.yaml DATA_FOLDER [--steps N ...]

The middle 96 x 112 x 96 voxels of each validation scan, 4 mm Gaussian slices, no noise.
Sharpness is the energy above half of the Nyquist frequency along the coarse axis, over the
reference's; in-plane, the same along the first axis. Heun evaluates the network 2 steps - 1 times,
the others once a step.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from benchmarks.quality.common import middle
from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degraded_to
from medsr.config import load_config
from medsr.diffusion.samplers import SAMPLERS
from medsr.metrics.detail import high_frequency_ratio
from medsr.metrics.fidelity import psnr, ssim_3d
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import DEFAULT_SAMPLER, Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.training.cases import load_case
from medsr.volume.volume import Volume


def row(label: str, estimate: np.ndarray, fine: Volume, seconds: float) -> str:
    """One line of the table."""
    top = robust_range(fine.voxels, modality=fine.modality)
    mask = foreground_mask(fine.voxels, modality=fine.modality)
    decibels = psnr(fine.voxels, estimate, data_range=top, mask=mask)
    similarity = ssim_3d(fine.voxels, estimate, data_range=top, mask=mask)
    sharp = high_frequency_ratio(fine.voxels, estimate, axis=2)
    in_plane = high_frequency_ratio(fine.voxels, estimate, axis=0)
    return (
        f"| {label} | {decibels:.2f} | {similarity:.4f} | {sharp:.2f} | {in_plane:.2f} | "
        f"{seconds:.1f} |"
    )


def measure(fine: Volume, enhancer: Enhancer, words: argparse.Namespace) -> None:
    """Print the rows of one person."""
    fine, low, plan = degraded_to(fine, 4.0 / fine.spacing_mm[2])
    cubic = upsample(torch.from_numpy(low.voxels.copy()), plan).numpy()
    print(row("cubic |", cubic, fine, 0.0))
    for name in words.samplers:
        for steps in words.steps:
            wanted = Plan(low, plan, Options(steps=steps, consistency=words.consistency))
            sampler = None if name == DEFAULT_SAMPLER else SAMPLERS[name]
            began = time.monotonic()
            result = restore(
                wanted, enhancer.denoiser, enhancer.card, enhancer.running(), sampler=sampler
            )
            seconds = time.monotonic() - began
            print(row(f"{name} | {steps}", result.volume.voxels, fine, seconds), flush=True)


def main() -> None:
    """Parse, load, measure each person."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("data")
    parser.add_argument("--model", default=None)
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 3, 4, 6, 8, 16, 32])
    parser.add_argument("--consistency", default="noise")
    parser.add_argument("--people", nargs="+", help="of the validation list; all")
    words = parser.parse_args()
    config = load_config(words.config, [f"data.root={words.data}"])
    enhancer = Enhancer.from_pretrained(words.model or config.name)
    for case in config.data.validate_:
        if words.people and case.person not in words.people:
            continue
        print(f"\n{case.person}\n")
        print("| sampler | steps | PSNR dB | SSIM 3-D | sharpness | in-plane | seconds |")
        print("|---|---|---|---|---|---|---|")
        measure(middle(load_case(case, config.data, config.modality)), enhancer, words)


if __name__ == "__main__":
    main()

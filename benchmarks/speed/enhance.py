"""Speed of medsr on this machine: seconds, memory, profile, and MONAI's network for comparison.

    python -m benchmarks speed.enhance SCRATCH [--largest MILLIONS] [--no-peer] [--write]

Run it on an otherwise idle machine; it prints Markdown. The scan is the sample head, interpolated
to the size that each line names (times depend on the size and on the share of air, not on the
anatomy). Only the sample data is needed. The seconds of a command count from the start of the
process to the written file. With --write the tables replace those of docs/development/speed.md.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import zoom

from benchmarks.page import DOCS, write_region
from benchmarks.speed.roofline import convolution_table, sections_table
from benchmarks.training.blocks import monai_network
from medsr.network.device import half_is_fast
from medsr.volume.nifti import read_nifti
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume

SAMPLE = Path(__file__).parents[2] / "sample_data" / "head_T1w_thick.nii.gz"
PAGE = DOCS / "development" / "speed.md"
FACTOR = 4

#: MONAI's stock network as a user would take it for a volume: bf16 where it is fast, sliding
#: window, DDIM.
PEER_WINDOW, PEER_OVERLAP, PEER_STEPS = (96, 96, 96), 0.25, 50


def command(words: list[str]) -> tuple[float, float]:
    """Run `medsr WORDS`: seconds, peak resident memory in GB (looked at every 20 ms; Linux)."""
    began, peak = time.monotonic(), 0
    process = subprocess.Popen([sys.executable, "-m", "medsr", *words], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            peak = max([peak, *(int(kb) for kb in re.findall(r"VmHWM:\s+(\d+)", status))])
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"medsr {' '.join(words)}: exit status {process.returncode}")
    return time.monotonic() - began, peak * 1024 / 1e9


def thick_head(folder: Path, shape: tuple[int, int, int]) -> Path:
    """The sample head as `shape` voxels of 1 x 1 x FACTOR mm, a NIfTI file."""
    path = folder / f"head_{'x'.join(map(str, shape))}.nii"
    if not path.exists():
        head = read_nifti(SAMPLE)
        factors = [n / m for n, m in zip(shape, head.shape, strict=True)]
        voxels = zoom(head.voxels, factors, order=1).astype(np.float32)
        affine = np.diag([1.0, 1.0, FACTOR, 1.0])
        write_nifti(Volume(voxels, affine, modality="MR"), path, {"Modality": "MR"})
    return path


def best(count: int, work: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """The run with the least seconds."""
    return min(work() for _ in range(count))


def enhance_table(folder: Path) -> tuple[str, float]:
    """The 256 x 256 x 192 head in each mode, as Markdown, and the seconds of the default."""
    scan, out = thick_head(folder, (256, 256, 48)), folder / "out.nii.gz"
    seconds = 0.0
    lines = ["| what | seconds | peak memory, GB |", "|---|---|---|"]
    modes = {
        "posterior mean": ["--steps", "1"],
        "posterior mean, `--quick`": ["--steps", "1", "--quick"],
        "default sample": [],
    }
    for label, words in modes.items():
        call = ["enhance", str(scan), "-o", str(out), "--overwrite", "--no-progress", *words]
        seconds, memory = best(3, lambda call=call: command(call))
        lines.append(f"| {label}, 256 x 256 x 192, 4 mm slices | {seconds:.1f} | {memory:.2f} |")
    for words in (["--help"], ["info", str(scan)]):
        taken, memory = best(3, lambda words=words: command(words))
        lines.append(f"| `medsr {words[0]}` | {taken:.2f} | {memory:.2f} |")
    return "\n".join(lines), seconds


def growth_table(folder: Path, largest: float) -> str:
    """Posterior mean from 2 million voxels on, as Markdown."""
    lines = ["| output | million voxels | seconds | microseconds a voxel | peak memory, GB |"]
    lines.append("|---|---|---|---|---|")
    sizes = ((128, 128, 32), (256, 256, 48), (384, 384, 88), (512, 512, 200))
    for x, y, z in sizes:
        voxels = x * y * z * FACTOR
        if voxels > largest * 1e6:
            continue
        out = folder / "out.nii"
        scan = thick_head(folder, (x, y, z))
        call = ["enhance", str(scan), "-o", str(out), "--overwrite", "--steps", "1", "-q"]
        seconds, memory = command([*call, "--no-progress"])
        lines.append(
            f"| {x} x {y} x {z * FACTOR} | {voxels / 1e6:.0f} | {seconds:.1f} | "
            f"{seconds / voxels * 1e6:.2f} | {memory:.2f} |"
        )
        out.unlink()
    return "\n".join(lines)


def peer_seconds(shape: tuple[int, int, int]) -> float:
    """MONAI's `DiffusionModelUNet` on a whole volume, extrapolated from its fastest window."""
    network = monai_network().eval()
    window = torch.zeros(1, 2, *PEER_WINDOW)
    when = torch.zeros(1, dtype=torch.long)
    seconds = []
    with (
        torch.inference_mode(),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=half_is_fast(torch.device("cpu"))),
    ):
        for _ in range(3):
            began = time.monotonic()
            network(window, when)
            seconds.append(time.monotonic() - began)
    steps = [int(n * (1 - PEER_OVERLAP)) for n in PEER_WINDOW]
    windows = np.prod(
        [-(-max(n - w, 0) // s) + 1 for n, w, s in zip(shape, PEER_WINDOW, steps, strict=True)]
    )
    return float(min(seconds) * windows * PEER_STEPS)


def main() -> None:
    """Measure, print, and write the tables into the page if asked."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("scratch", type=Path)
    words.add_argument("--largest", type=float, default=220.0, help="million voxels")
    words.add_argument("--no-peer", action="store_true")
    words.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    given = words.parse_args()
    given.scratch.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads, load {os.getloadavg()[0]:.1f}\n")
    tables: dict[str, str] = {}
    tables["modes"], seconds = enhance_table(given.scratch)
    print(tables["modes"], flush=True)
    if not given.no_peer:
        peer = peer_seconds((256, 256, 192))
        print(
            f"\nMONAI DiffusionModelUNet (3-D, 32-64-64, {PEER_STEPS} DDIM steps, windows "
            f"of {PEER_WINDOW[0]} with {PEER_OVERLAP:.0%} overlap), extrapolated from one window: "
            f"{peer:.0f} s, {peer / seconds:.0f} times the default sample.",
            flush=True,
        )
    scan = thick_head(given.scratch, (256, 256, 48))
    tables["profile"] = sections_table(scan, given.scratch / "out.nii.gz")
    print(f"\n{tables['profile']}", flush=True)
    tables["convolutions"] = convolution_table(scan)
    print(f"\n{tables['convolutions']}", flush=True)
    tables["size"] = growth_table(given.scratch, given.largest)
    print(f"\n{tables['size']}", flush=True)
    if given.write:
        for name, text in tables.items():
            write_region(PAGE, f"speed.enhance {name}", text)


if __name__ == "__main__":
    main()

"""Scans an hour: one by one with `medsr enhance`, and `medsr batch` with 1 and 2 workers.

    python -m benchmarks speed.batch FOLDER SCRATCH [--steps 1] [--workers 1 2] [--write]

FOLDER holds real scans in any form. Each way enhances every scan that can be enhanced, into a
scratch folder of its own. Run it on an idle machine: a second busy process slows torch many times.
With --write the table replaces that of docs/development/scale.md.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import medsr.batch
from benchmarks.page import DOCS, write_region
from medsr.batch.plan import Plan
from medsr.restore.options import Options

PAGE = DOCS / "development" / "scale.md"


def one_by_one(plan: Plan, out: Path, steps: int) -> None:
    """A process a scan, as a shell loop would."""
    for item in plan.todo:
        paths = item.paths(plan.job.root)
        source = paths[0] if item.form == "nifti" else paths[0].parent
        words = ["enhance", source, "-o", out / f"{item.key}.nii.gz", "--steps", steps, "-q"]
        subprocess.run([sys.executable, "-m", "medsr", *map(str, words)], check=True)


def together(folder: Path, out: Path, steps: int, workers: int) -> None:
    """One command."""
    words = ["batch", folder, out, "--workers", workers, "--steps", steps, "--no-progress"]
    words += ["--format", "nifti"]  # as one by one
    subprocess.run([sys.executable, "-m", "medsr", *map(str, words)], check=False)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("folder", type=Path)
    words.add_argument("scratch", type=Path)
    words.add_argument("--steps", type=int, default=1)
    words.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    words.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    given = words.parse_args()
    plan = medsr.batch.make_plan(
        given.folder, given.scratch / "none", options=Options(steps=given.steps)
    )
    scans, voxels = len(plan.todo), sum(item.fine_voxels for item in plan.todo)
    print(f"{scans} scans, {voxels / 1e6:.1f} million voxels enhanced, {given.steps} steps")
    lines = ["| way | seconds | scans an hour | microseconds a voxel and step |"]
    lines.append("|---|---|---|---|")
    ways = [("one by one", lambda: one_by_one(plan, given.scratch / "single", given.steps))]
    for workers in given.workers:
        out = given.scratch / f"workers_{workers}"
        ways.append((f"{workers} workers", _way(given.folder, out, given.steps, workers)))
    for name, work in ways:
        began = time.monotonic()
        work()
        seconds = time.monotonic() - began
        each = 1e6 * seconds / (voxels * given.steps)
        lines.append(f"| {name} | {seconds:.0f} | {3600 * scans / seconds:.0f} | {each:.2f} |")
    print("\n".join(lines))
    if given.write:
        write_region(PAGE, "speed.batch", "\n".join(lines))


def _way(folder: Path, out: Path, steps: int, workers: int):
    return lambda: together(folder, out, steps, workers)


if __name__ == "__main__":
    main()

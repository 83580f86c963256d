"""Every figure of the page on speed as a ratio, in one run: tables in Markdown.

    python -m benchmarks speed.figures SCRATCH [--study FOLDER] [--only PART ...] [--write]

`python -m benchmarks speed` is short for it. PART is beside, precision, start, batch, peers or
convolutions. FOLDER holds real scans, for the batch; without it that part is left out. Run it on
an otherwise idle machine: what others kept busy is printed with each table. With --write the
tables replace those of docs/development/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import medsr.batch
from benchmarks.page import DOCS, write_region
from benchmarks.speed.batch import one_by_one, together
from benchmarks.speed.enhance import FACTOR, peer_seconds, thick_head
from benchmarks.speed.peers import ECLARE_SECONDS, synthsr_seconds
from benchmarks.speed.roofline import convolution_table
from benchmarks.speed.timing import Timed, busy, median, medsr, processor
from medsr.restore.options import Options

PAGE = DOCS / "development" / "speed.md"

#: Loads beside the command: how many busy processes, each in a session of its own or not.
LOADS = ((0, False), (1, False), (1, True), (4, False))

#: The instruction sets that are emulated: name -> variables.
EMULATED = {
    "AVX2 with VNNI": {"ONEDNN_MAX_CPU_ISA": "AVX2_VNNI", "ATEN_CPU_CAPABILITY": "avx2"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
}

#: Seconds until the first call of the network, those of importing torch apart.
START = """
import time; began = time.perf_counter()
import torch; torch_s = time.perf_counter() - began
import json, sys
from medsr.network.unet import UNet
def stop(*given):
    print(json.dumps([time.perf_counter() - began - torch_s, torch_s]), file=sys.stderr)
    sys.exit(0)
UNet._through = stop
from medsr.cli.main import app
app(["enhance", *sys.argv[1:], "-q"])
"""


def enhance(scan: Path, out: Path, *words: str, loads: int = 0, **variables: str) -> Timed:
    """One posterior mean."""
    return medsr("enhance", scan, "-o", out, "--overwrite", "-q", *words, loads=loads, **variables)


def beside_table(scan: Path, out: Path, rounds: int) -> str:
    """Alone and beside busy processes, in turn."""
    runs: dict[tuple[int, bool], list[Timed]] = {load: [] for load in LOADS}
    for _ in range(rounds):
        for count, own in LOADS:
            with busy(count, own_sessions=own):
                run = enhance(scan, out, loads=count)
            print(f"{count} busy, own sessions {own}: {run}", file=sys.stderr, flush=True)
            runs[count, own].append(run)
    alone = median(runs[0, False])
    lines = ["| beside | seconds, median | range | over alone |", "|---|---|---|---|"]
    for (count, own), found in runs.items():
        where = "in sessions of their own" if own else "in the same session"
        name = f"{count} busy {where}" if count else "nothing"
        spread = " to ".join(f"{f([run.seconds for run in found]):.1f}" for f in (min, max))
        mid = median(found)
        lines.append(f"| {name} | {mid:.1f} | {spread} | {mid / alone:.2f} |")
    return "\n".join([*lines, "", _others(runs[0, False], f"{rounds} rounds")])


def precision_table(scan: Path, out: Path, rounds: int) -> str:
    """Each number format, on this processor and with fewer instructions."""
    ways = [("as it is", name, dict[str, str]()) for name in ("bfloat16", "float32", "int8")]
    for isa, variables in EMULATED.items():
        ways += [(f"{isa} (emulated)", name, variables) for name in ("float32", "int8")]
    runs: dict[int, list[Timed]] = {k: [] for k in range(len(ways))}
    for _ in range(rounds):
        for k, (_, name, variables) in enumerate(ways):
            runs[k].append(enhance(scan, out, "--precision", name, **variables))
    first = median(runs[0])
    lines = ["| instructions | precision | seconds | over bfloat16 |", "|---|---|---|---|"]
    for k, (isa, name, _) in enumerate(ways):
        mid = median(runs[k])
        lines.append(f"| {isa} | {name} | {mid:.1f} | {mid / first:.2f} |")
    return "\n".join([*lines, "", _others([r for found in runs.values() for r in found])])


def start_table(scan: Path, out: Path, rounds: int) -> str:
    """Seconds until the first convolution."""
    call = [sys.executable, "-W", "ignore", "-c", START, str(scan), "-o", str(out), "--overwrite"]
    found = []
    for _ in range(rounds):
        run = subprocess.run(call, capture_output=True, text=True, check=True)
        found.append(json.loads(run.stderr.splitlines()[-1]))
    own, torch_s = sorted(found)[len(found) // 2]
    return (
        "| until the first convolution | seconds |\n|---|---|\n"
        f"| `import torch` | {torch_s:.2f} |\n| all else | {own:.2f} |"
    )


def batch_table(study: Path, folder: Path, rounds: int) -> str:
    """Real scans one by one, and by one and two workers."""
    plan = medsr.batch.make_plan(study, folder / "none", options=Options())
    ways: list[tuple[str, Callable[[], object]]] = [
        ("`medsr enhance` in a loop", lambda: one_by_one(plan, folder / "single", 1))
    ]
    for workers in (1, 2):
        out = folder / f"workers_{workers}"
        ways.append((f"`medsr batch --workers {workers}`", _way(study, out, workers)))
    lines = ["| way | seconds | scans an hour | times as fast |", "|---|---|---|---|"]
    first = 0.0
    for name, work in ways:
        seconds = _least(work, rounds)
        first = first or seconds
        hourly = 3600 * len(plan.todo) / seconds
        lines.append(f"| {name} | {seconds:.1f} | {hourly:.0f} | {first / seconds:.2f} |")
    voxels = sum(item.fine_voxels for item in plan.todo) / 1e6
    return "\n".join([*lines, "", f"{len(plan.todo)} scans, {voxels:.0f} million voxels."])


def peers_table(scan: Path, out: Path, shape: tuple[int, int, int]) -> str:
    """Others, over a posterior mean of medsr."""
    own = median([enhance(scan, out) for _ in range(3)])
    share = shape[0] * shape[1] * shape[2] / (256 * 256 * 192)
    rows = {
        "medsr, posterior mean (whole command)": own,
        "network of SynthSR, one pass (sizes as published, weights random; measured here)": (
            synthsr_seconds(shape)
        ),
        "ECLARE, a million patches (published setting; rate measured earlier)": (
            ECLARE_SECONDS * min(share, 1.0)
        ),
        "MONAI `DiffusionModelUNet`, 50 steps (extrapolated from a window)": peer_seconds(shape),
    }
    lines = ["| what | seconds | over medsr |", "|---|---|---|"]
    lines += [f"| {name} | {s:,.0f} | {s / own:,.1f} |" for name, s in rows.items()]
    return "\n".join(lines)


def _way(study: Path, out: Path, workers: int) -> Callable[[], object]:
    return lambda: together(study, out, 1, workers)


def _least(work: Callable[[], object], rounds: int) -> float:
    return min(_seconds(work) for _ in range(rounds))


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _others(runs: list[Timed], words: str = "") -> str:
    """What else ran, in words."""
    most = max(run.others for run in runs)
    start = f"{words}; " if words else ""
    return f"{start}beside the runs alone, other programs used at most {most:.2f} processors."


def main() -> None:
    """Measure, print, and write the tables into the page if asked."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("scratch", type=Path)
    words.add_argument("--study", type=Path, help="a folder of real scans, for the batch")
    words.add_argument("--only", nargs="+", help="some of the parts")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--shape", type=int, nargs=3, default=(256, 256, 192))
    words.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    given = words.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the loads end
    given.scratch.mkdir(parents=True, exist_ok=True)
    x, y, z = given.shape
    scan, out = thick_head(given.scratch, (x, y, z // FACTOR)), given.scratch / "out.nii.gz"
    parts: dict[str, Callable[[], str]] = {
        "beside": lambda: beside_table(scan, out, given.rounds),
        "precision": lambda: precision_table(scan, out, given.rounds),
        "start": lambda: start_table(scan, out, given.rounds),
        "batch": lambda: batch_table(given.study, given.scratch, 1),
        "peers": lambda: peers_table(scan, out, (x, y, z)),
        "convolutions": lambda: convolution_table(scan),
    }
    print(f"{processor()}, {x} x {y} x {z}, load {os.getloadavg()[0]:.1f}\n", flush=True)
    for name in given.only or parts:
        if name == "batch" and given.study is None:
            continue
        table = parts[name]()
        print(f"{table}\n", flush=True)
        if given.write:
            write_region(PAGE, f"speed.figures {name}", table)


if __name__ == "__main__":
    main()

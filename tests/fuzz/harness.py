"""Runs many cases in forked processes, so that a crash, a hang or a full memory is one finding.

Each worker writes the number of the case it begins to shared memory. When it dies or stands
still, the parent knows which case it was, notes it, and starts a worker at the next one. The time
of a case is CPU time for slowness and wall time for standing still; its memory is what the peak of
resident memory rose by. What a case prints past medsr (a codec, a library, a warning) is found
too.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import psutil

from tests.fuzz.case import KINDS, SECRET, Case, Make, random_for
from tests.fuzz.oracle import Wrong, judge

#: One case: CPU time, time until it is interrupted, until its process is ended; memory.
SLOW_S, HANG_S, DEAD_S = 4.0, 20.0, 60.0
BLOW_UP_BYTES, ADDRESS_BYTES = 256 * 1024**2, 3 * 1024**3

#: Columns of what workers share.
NOW, SINCE, CASES, LOADED, REFUSED, FOUND, SLOWEST, PEAK, SLOWEST_CASE = range(9)

#: Examples kept of findings that look alike.
EXAMPLES = 3


@dataclass(frozen=True)
class Figures:
    """What came of a run."""

    kind: str
    seed: int
    cases: int
    loaded: int
    refused: int
    findings: dict[str, int]
    slowest_s: float
    slowest_case: int
    peak_bytes: int
    seconds: float

    def line(self) -> str:
        """One line for people and documents."""
        rate = self.cases / max(self.seconds, 1e-9)
        return (
            f"{self.kind} seed {self.seed}: {self.cases} cases, {self.loaded} loaded, "
            f"{self.refused} refused, {sum(self.findings.values())} findings of "
            f"{len(self.findings)} kinds; slowest {self.slowest_s:.2f} s of CPU (case "
            f"{self.slowest_case}), largest memory {self.peak_bytes / 2**20:.0f} MiB; "
            f"{self.seconds:.0f} s, {rate:.0f} cases a second"
        )


class TimeLimit(BaseException):
    """A case took too long; no handler of `Exception` catches it."""


def maker(kind: str) -> Make:
    """The mutator of a kind."""
    if kind == "nifti":
        from tests.fuzz.mutate_nifti import make
    elif kind == "dicom":
        from tests.fuzz.mutate_dicom import make
    elif kind == "zip":
        from tests.fuzz.mutate_zip import make
    elif kind == "text":
        from tests.fuzz.mutate_text import make
    else:
        raise ValueError(f"no kind {kind}; there are {', '.join(KINDS)}")
    return make


def run(kind: str, count: int, seed: int, workers: int, out: Path, first: int = 0) -> Figures:
    """Run cases `first` to `first + count` of a kind and a seed; findings go below `out`."""
    out = out / kind
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    make, started = maker(kind), time.monotonic()
    with _scratch() as scratch:
        table = _Table(workers)
        streams = [iter(range(first + k, first + count, workers)) for k in range(workers)]
        _run_all(kind, seed, make, streams, table, out, scratch)
    rows = table.numbers
    slowest = int(rows[:, SLOWEST].argmax())
    return Figures(
        kind=kind,
        seed=seed,
        cases=int(rows[:, CASES].sum()),
        loaded=int(rows[:, LOADED].sum()),
        refused=int(rows[:, REFUSED].sum()),
        findings=_counts(out),
        slowest_s=float(rows[slowest, SLOWEST]),
        slowest_case=int(rows[slowest, SLOWEST_CASE]),
        peak_bytes=int(rows[:, PEAK].max()),
        seconds=time.monotonic() - started,
    )


class _scratch:
    """A folder in memory, below one that is named after a patient; temporary files go there."""

    def __enter__(self) -> Path:
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._outer = Path(tempfile.mkdtemp(prefix="medsr-fuzz-", dir=shared))
        self._before = tempfile.tempdir
        tempfile.tempdir = str(self._outer)
        inner = self._outer / f"{SECRET}_Erika"
        inner.mkdir()
        return inner

    def __exit__(self, *_: object) -> None:
        tempfile.tempdir = self._before
        shutil.rmtree(self._outer, ignore_errors=True)


class _Table:
    """Numbers that all processes share: one row a worker."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, workers * 9 * 8)
        self.numbers = np.frombuffer(self._memory, np.float64).reshape(workers, 9)
        self.numbers[:, NOW] = -1


def _run_all(
    kind: str,
    seed: int,
    make: Make,
    streams: list[Iterator[int]],
    table: _Table,
    out: Path,
    scratch: Path,
) -> None:
    alive: dict[int, int] = {}

    def start(k: int) -> None:
        numbers = list(streams[k])
        before = int(table.numbers[k, NOW])
        left = [n for n in numbers if n > before]
        streams[k] = iter(numbers)
        table.numbers[k, SINCE] = time.monotonic()
        pid = os.fork()
        if not pid:
            _work(kind, seed, make, left, table.numbers[k], out, scratch / str(k))
        alive[pid] = k

    for k in range(len(streams)):
        start(k)
    while alive:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            _end_the_stuck(alive, table)
            time.sleep(0.05)
            continue
        k = alive.pop(pid, None)
        if k is not None and status:
            number = int(table.numbers[k, NOW])
            how = (
                f"signal {os.WTERMSIG(status)}"
                if os.WIFSIGNALED(status)
                else f"exit {status >> 8}"
            )
            table.numbers[k, CASES] += 1
            _note(out, kind, seed, number, Case(scratch / str(k)), f"crash {how}", how, "")
            start(k)


def _end_the_stuck(alive: dict[int, int], table: _Table) -> None:
    for pid, k in alive.items():
        if time.monotonic() - table.numbers[k, SINCE] > DEAD_S:
            os.kill(pid, signal.SIGKILL)


def _work(
    kind: str, seed: int, make: Make, numbers: list[int], row: np.ndarray, out: Path, place: Path
) -> None:
    """Be a worker; never returns."""
    code = 1
    try:
        said = tempfile.TemporaryFile()  # noqa: SIM115 - to the end of this process
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        warnings.simplefilter("always")
        signal.signal(signal.SIGALRM, _interrupt)
        _load_libraries(kind)
        most = psutil.Process().memory_info().vms + ADDRESS_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in numbers:
            row[NOW], row[SINCE] = number, time.monotonic()
            _one(kind, seed, number, make, row, out, place, said.fileno())
            row[CASES] += 1
        code = 0
    except BaseException:
        (out / f"harness-{os.getpid()}.txt").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise TimeLimit


def _load_libraries(kind: str) -> None:
    """What a kind imports late: torch with CUDA takes more addresses than a case may."""
    if kind == "text":
        importlib.import_module("medsr.network.checkpoint")


def _one(
    kind: str,
    seed: int,
    number: int,
    make: Make,
    row: np.ndarray,
    out: Path,
    place: Path,
    said: int,
) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    case = make(random_for(kind, seed, number), place)
    before, started = _reset_peak(), time.process_time()
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    found: tuple[str, str, str] | None = None
    try:
        verdict = judge(kind, case, thorough=number % 4 == 0)
        row[LOADED if verdict.loaded else REFUSED] += 1
    except TimeLimit:
        found = "hang", f"no end in {HANG_S:g} s", traceback.format_exc()
    except Wrong as wrong:
        found = wrong.kind, str(wrong), traceback.format_exc()
    except BaseException as foreign:
        words = traceback.format_exc()
        found = f"foreign {type(foreign).__name__} {_where(words)}", repr(foreign)[:300], words
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    spent, grown = time.process_time() - started, _peak() - before
    if spent > row[SLOWEST]:
        row[SLOWEST], row[SLOWEST_CASE] = spent, number
    row[PEAK] = max(row[PEAK], grown)
    found = found or _cost(spent, grown) or _printed(said)
    if found:
        row[FOUND] += 1
        _note(out, kind, seed, number, case, *found)
    os.ftruncate(said, 0)
    os.lseek(said, 0, os.SEEK_SET)


def _cost(spent: float, grown: int) -> tuple[str, str, str] | None:
    if grown > BLOW_UP_BYTES:
        return "memory", f"{grown / 2**20:.0f} MiB", ""
    return ("slow", f"{spent:.1f} s of CPU", "") if spent > SLOW_S else None


def _printed(said: int) -> tuple[str, str, str] | None:
    sys.stderr.flush()
    if not os.fstat(said).st_size:
        return None
    words = os.pread(said, 2000, 0).decode(errors="replace")
    warning = re.search(r"(\w+/\w+\.py):\d+: (\w+Warning)", words)
    return f"prints {' '.join(warning.groups()) if warning else 'by a library'}", words, ""


def _where(words: str) -> str:
    """The innermost line of medsr in a traceback."""
    lines = re.findall(r'File ".*?/medsr/([\w/]+\.py)", line \d+, in (\w+)', words)
    return " ".join(lines[-1]) if lines else "outside medsr"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _reset_peak() -> int:
    """Let the peak of resident memory begin anew (Linux); bytes now."""
    try:
        with open("/proc/self/clear_refs", "wb") as control:
            control.write(b"5")
    except OSError:
        pass
    return _peak()


def _note(
    out: Path, kind: str, seed: int, number: int, case: Case, what: str, words: str, trace: str
) -> None:
    """Append a finding, and keep the files of the first few that look like it."""
    line = {"what": what, "number": number, "seed": seed, "done": case.done, "words": words[:2000]}
    with (out / "findings.jsonl").open("a") as sink:
        sink.write(json.dumps(line) + "\n")
    folder = out / re.sub(r"[^\w.]+", "-", what)[:90]
    folder.mkdir(exist_ok=True)
    if len(list(folder.iterdir())) >= EXAMPLES:
        return
    example = folder / f"{kind}-{seed}-{number}"
    place = case.path if case.path.name.isdigit() else _place_of(case.path)
    shutil.copytree(place, example, symlinks=True, ignore=_fifos, dirs_exist_ok=True)
    report = json.dumps(line, indent=2) + "\n\n" + trace
    (example / "finding.txt").write_text(report, errors="backslashreplace")


def _place_of(path: Path) -> Path:
    """The worker's own folder, which is named by a number."""
    return next(parent for parent in path.parents if parent.name.isdigit())


def _fifos(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_fifo()]


def _counts(out: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    path = out / "findings.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        what = json.loads(line)["what"]
        counts[what] = counts.get(what, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))

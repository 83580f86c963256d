"""Seconds of a command: alone, beside busy processes, and how busy the machine was otherwise."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Timed", "busy", "median", "medsr", "processor", "timed"]

#: What a busy process does.
LOAD = "while True: pass"


@dataclass(frozen=True)
class Timed:
    """One run of a command.

    Attributes:
        seconds: from the start of the process to its end.
        cpu_s: processor seconds of the command.
        others: processors that anything but the command and its load kept busy, on average.
    """

    seconds: float
    cpu_s: float
    others: float


@contextmanager
def busy(count: int, *, own_sessions: bool) -> Iterator[None]:
    """So many processes that compute without end.

    Args:
        count: how many.
        own_sessions: each in a session of its own, among which Linux divides the processors
            first (autogroup); otherwise in the session of the command.
    """
    loads = [
        subprocess.Popen([sys.executable, "-c", LOAD], start_new_session=own_sessions)
        for _ in range(count)
    ]
    time.sleep(0.5)
    try:
        yield
    finally:
        for load in loads:
            load.send_signal(signal.SIGKILL)
        for load in loads:
            load.wait()


def timed(words: Sequence[str], loads: int = 0, **variables: str) -> Timed:
    """Run a command.

    Args:
        words: of the command.
        loads: processes of `busy` that run beside it.
        variables: of its environment, besides those of this process.
    """
    before, cpu, began = _machine_s(), _children_s(), time.monotonic()
    environment = {**_plain(os.environ), **variables}
    subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
    seconds, cpu = time.monotonic() - began, _children_s() - cpu
    # The loads take what the command leaves: they cannot be told from others.
    others = 0.0 if loads else max(0.0, _machine_s() - before - cpu) / seconds
    return Timed(seconds, cpu, others)


def medsr(*words: object, loads: int = 0, **variables: str) -> Timed:
    """Run `medsr WORDS`."""
    return timed([sys.executable, "-m", "medsr", *map(str, words)], loads, **variables)


def median(runs: Sequence[Timed]) -> float:
    """Of the seconds."""
    return sorted(run.seconds for run in runs)[len(runs) // 2]


def processor() -> str:
    """Its name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else "unknown"


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would limit the threads."""
    return {name: value for name, value in environment.items() if name != "OMP_NUM_THREADS"}


def _machine_s() -> float:
    """Seconds that the processors of this machine have worked."""
    user, nice, system = Path("/proc/stat").read_text(encoding="ascii").split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

"""How many processors a process may use, and how one of medsr's own waits and keeps memory.

PyTorch's OpenMP threads (GNU libgomp) spin for milliseconds when they wait for each other, which
takes the processor from whatever they wait for; and the C library gives memory back to the system
that the next layer asks for again. Both are settings of a whole process. So they are made for
programs that are medsr's (its commands and workers), never for a program that imports medsr, and
what the user has set stays (docs/development/speed.md).
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["processors", "settle_process", "worker_environment"]

#: Rounds that a waiting thread spins before it sleeps; GNU's default is 300,000.
SPINS = 1000

#: Bytes of free memory that a process keeps, and from which on a block has pages of its own
#: (glibc takes no more than 32 MiB here).
KEPT_BYTES, OWN_PAGES_BYTES = 1 << 28, 1 << 25

#: Names of these in glibc's `mallopt`.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3

#: Where Linux shows the limits of control groups.
GROUPS = Path("/sys/fs/cgroup")

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
MEMORY = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def processors(groups: Path = Path("/proc/self/cgroup")) -> int:
    """Processors that this process may use: those of its affinity, no more than a container's.

    Args:
        groups: the control groups of the process, as Linux lists them.
    """
    able = getattr(os, "sched_getaffinity", None)
    cores = len(able(0)) if able else os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(groups))]))


def settle_process() -> None:
    """Make the settings for this process; before torch is imported."""
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    if any(name in os.environ for name in (*MEMORY, "GLIBC_TUNABLES")):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(MMAP_THRESHOLD, OWN_PAGES_BYTES)


def worker_environment(threads: int) -> dict[str, str]:
    """The same settings as variables, for a worker process that has not started yet.

    Args:
        threads: of the processor, for the worker.
    """
    libraries = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        **dict.fromkeys(libraries, str(threads)),
        **({} if "OMP_WAIT_POLICY" in os.environ else {"GOMP_SPINCOUNT": str(SPINS)}),
        **dict(zip(MEMORY, map(str, (KEPT_BYTES, OWN_PAGES_BYTES)), strict=True)),
    }


def _quotas(groups: Path) -> Iterator[float]:
    """Processors that each control group above the process allows it, where one is limited."""
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        own = Path(path.lstrip("/"))
        if not kinds:
            for folder in (own, *own.parents):
                yield from _ratio(_words(GROUPS / folder / "cpu.max"))
        elif "cpu" in kinds.split(","):
            for folder in (own, *own.parents):
                place = GROUPS / "cpu" / folder
                quota, period = (_words(place / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
                yield from _ratio([*quota, *period])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def _ratio(words: list[str]) -> Iterator[float]:
    """Time over period; none where there is no limit (`max`, or -1)."""
    if len(words) == 2 and words[0].isdigit() and int(words[0]) > 0:
        yield int(words[0]) / int(words[1])

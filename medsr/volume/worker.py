"""Processes of this program that may die: started to run code that a faulty file can crash."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from io import FileIO

__all__ = ["fill", "limit_memory", "started"]

#: The keyboard's interruption is for the process that started it.
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def started(code: str) -> subprocess.Popen[bytes] | None:
    """A process that runs a line of Python, with pipes to its input and output.

    It is no child of `multiprocessing`, which would run the caller's own script again in each.

    Args:
        code: what it runs; it can import what this process can.

    Returns:
        The process; None where there is no interpreter, or none can be started.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return None
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _DEAF + code],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
    except OSError:
        return None


def fill(target: bytearray | memoryview, source: FileIO) -> bool:
    """Read as many bytes as there is room for; False when the source ends before."""
    left = memoryview(target)
    while left:
        count = source.readinto(left)
        if not count:
            return False
        left = left[count:]
    return True


def limit_memory(amount: int) -> None:
    """Limit the memory of this process, where the system supports that; no core files."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, highest = resource.getrlimit(resource.RLIMIT_AS)
        if highest != resource.RLIM_INFINITY:
            amount = min(amount, highest)
        resource.setrlimit(resource.RLIMIT_AS, (amount, highest))

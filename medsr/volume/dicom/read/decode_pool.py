"""Compressed files, decoded on every core.

gdcm, pyjpegls, Pillow and pydicom's own RLE hold Python's lock while they decode, so that threads
gain nothing. A worker here is a process that takes names of files and gives back their stored
numbers, over pipes; this process decodes too, whenever no answer waits for it. A worker is no
child of `multiprocessing`, which would run the caller's own script again in every one. It says
nothing about faults: where it has no answer, the file is decoded in this process, which then says
what is wrong.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from multiprocessing import connection
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medsr.errors import MedsrError
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.decode import decode

__all__ = ["decode_each", "serve"]

#: Fewer voxels than this are decoded before a worker has begun (64 slices of 512 x 512).
MIN_VOXELS = 64 * 512 * 512

#: More processes than this wait for the one that rescales what they decode.
MAX_PROCESSES = 8

#: Files that a worker knows of: one that it decodes, and the next.
AHEAD = 2

#: A slice passes through a pipe in one piece, where the system allows it (Linux).
PIPE_BYTES = 1 << 20

#: Before stored numbers: NumPy's name of their type, then their shape; zeros when there are none.
ANSWER = struct.Struct("<4s3Q")

Use = Callable[[Path, NDArray[Any]], None]


def decode_each(paths: Sequence[Path], voxels: int, use: Use) -> None:
    """Decode files, on several cores where that pays. Call it inside `parse_quietly()`.

    Args:
        paths: of files, each once.
        voxels: in all compressed files among them.
        use: what to do with a file's stored values, [frames, rows, columns]; files come in any
            order.

    Raises:
        InputError, Refused: as `dicom_pixels.decode` and `use`, of the first file at fault.
    """
    todo, faults = deque(paths), dict[Path, MedsrError]()

    def finish(path: Path, pixels: NDArray[Any] | None) -> None:
        try:
            use(path, decode(path) if pixels is None else pixels)
        except MedsrError as fault:
            faults[path] = fault
            todo.clear()

    with _started(_process_count(len(paths), voxels) - 1) as workers:
        while todo or any(worker.asked for worker in workers):
            answering = _answering(workers, wait=not todo)
            for worker in answering:
                finish(*worker.answer())
            for worker in workers:
                while todo and len(worker.asked) < AHEAD:
                    worker.ask(todo.popleft())
            if todo and not answering:
                finish(todo.popleft(), None)
    for path in paths:
        if path in faults:
            raise faults[path]


def _process_count(files: int, voxels: int) -> int:
    """One where more do not pay: few voxels, or this process is itself one of several."""
    if voxels < MIN_VOXELS or multiprocessing.parent_process() is not None:
        return 1
    if os.name != "posix" or getattr(sys, "frozen", False) or not sys.executable:
        return 1  # no pipes that can be waited for, or no interpreter to start
    able = getattr(os, "sched_getaffinity", None)
    cores = len(able(0)) if able else os.cpu_count() or 1
    return min(cores, files, MAX_PROCESSES)


@contextmanager
def _started(count: int) -> Iterator[list[_Worker]]:
    workers: list[_Worker] = []
    try:
        with suppress(OSError):  # fewer are as good
            workers.extend(_Worker() for _ in range(count))
        yield workers
    finally:
        for worker in workers:
            worker.stop()


def _answering(workers: list[_Worker], *, wait: bool) -> list[_Worker]:
    """The workers that have an answer or have died; with `wait` there is at least one."""
    busy = [worker for worker in workers if worker.asked]
    ready = connection.wait([worker.output.fileno() for worker in busy], None if wait else 0)
    return [worker for worker in busy if worker.output.fileno() in ready]


class _Worker:
    """A process that decodes; `asked` are the files whose answers are due, in their order."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=PIPE_BYTES,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._input = cast(FileIO, self._process.stdin)
        self.output = cast(FileIO, self._process.stdout)
        self.asked: deque[Path] = deque()

    def ask(self, path: Path) -> None:
        """Give it a file."""
        self.asked.append(path)
        with suppress(OSError):  # it died: the answer will say so
            self._input.write(json.dumps(str(path)).encode() + b"\n")

    def answer(self) -> tuple[Path, NDArray[Any] | None]:
        """Wait for the next file's stored values, None when it has no answer."""
        path, told = self.asked.popleft(), bytearray(ANSWER.size)
        if not _fill(told, self.output):
            return path, None
        kind, *shape = ANSWER.unpack(told)
        if not any(shape):
            return path, None
        pixels = np.empty(shape, kind.rstrip(b"\0").decode())
        return path, pixels if _fill(pixels.data.cast("B"), self.output) else None

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _fill(target: bytearray | memoryview, source: FileIO) -> bool:
    """Read as many bytes as there is room for; False when the source ends before."""
    left = memoryview(target)
    while left:
        count = source.readinto(left)
        if not count:
            return False
        left = left[count:]
    return True


def serve() -> None:
    """Be a worker: read names of files, one a line in JSON, until there are no more.

    To each the answer is an ANSWER and then the stored numbers, if there are any. What a decoder
    prints goes nowhere.
    """
    with os.fdopen(os.dup(1), "wb") as answers, parse_quietly():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        for line in sys.stdin.buffer:
            try:
                pixels = np.ascontiguousarray(decode(Path(json.loads(line))))
            except Exception:  # whatever it is, the other process meets it too
                answers.write(ANSWER.pack(b"", 0, 0, 0))
            else:
                answers.write(ANSWER.pack(pixels.dtype.str.encode(), *pixels.shape))
                answers.write(pixels.data)
            answers.flush()

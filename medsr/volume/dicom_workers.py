"""Compressed files, decoded on every core.

gdcm, pyjpegls, Pillow and pydicom's own RLE hold Python's lock while they decode, so that threads
alone gain nothing. A worker here is a process that takes the name of a file and gives back its
stored numbers, over pipes. It is no child of `multiprocessing`, which would run the caller's own
script again in every worker. A worker says nothing about faults: where it has no answer, the file
is decoded in this process, which then says what is wrong.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.volume.dicom_open import parse_quietly
from medsr.volume.dicom_pixels import decode

__all__ = ["decode_each", "serve"]

#: Fewer voxels than this are decoded sooner than a worker starts (100 slices of 512 x 512).
MIN_VOXELS = 100 * 512 * 512

#: More workers wait for the process that rescales what they decode.
MAX_WORKERS = 8

Use = Callable[[Path, NDArray[Any]], None]


def decode_each(paths: Sequence[Path], voxels: int, use: Use) -> None:
    """Decode files, on several cores where that pays. Call it inside `parse_quietly()`.

    Args:
        paths: of files, each once.
        voxels: in all compressed files among them.
        use: what to do with a file's stored values, [frames, rows, columns]; it is called from
            several threads at once.

    Raises:
        InputError, Refused: as `dicom_pixels.decode`, of the first file at fault.
    """
    count = _worker_count(len(paths), voxels)
    if count < 2:
        for path in paths:
            use(path, decode(path))
        return
    idle: SimpleQueue[_Worker] = SimpleQueue()

    def decode_one(path: Path) -> None:
        worker = idle.get()
        try:
            pixels = worker.decode(path)
        finally:
            idle.put(worker)
        use(path, pixels)

    with _started(count) as workers, ThreadPoolExecutor(count + 1) as threads:
        for worker in workers:
            idle.put(worker)
        for _ in threads.map(decode_one, paths):
            pass


def _worker_count(files: int, voxels: int) -> int:
    """One where it does not pay: few voxels, or this process is one of several at work."""
    if voxels < MIN_VOXELS or multiprocessing.parent_process() is not None:
        return 1
    if getattr(sys, "frozen", False) or not sys.executable:
        return 1  # no interpreter to start
    able = getattr(os, "sched_getaffinity", None)
    cores = len(able(0)) if able else os.cpu_count() or 1
    return min(cores, files, MAX_WORKERS)


@contextmanager
def _started(count: int) -> Iterator[list[_Worker]]:
    workers = [_Worker() for _ in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """One process that decodes, and this process where that one has died or never began."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": paths},
            )
        except OSError:
            self._process = None

    def decode(self, path: Path) -> NDArray[Any]:
        """As `dicom_pixels.decode`."""
        try:
            pixels = self._ask(path)
        except (OSError, ValueError):
            pixels = None
        return decode(path) if pixels is None else pixels

    def _ask(self, path: Path) -> NDArray[Any] | None:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return None
        process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if answer is None:
            return None
        kind = np.dtype(answer["dtype"])
        stored = process.stdout.read(math.prod(answer["shape"]) * kind.itemsize)
        return np.frombuffer(stored, kind).reshape(answer["shape"])

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def serve() -> None:
    """Be a worker: read names of files, one a line in JSON, until there are no more.

    To each the answer is a line of JSON, the shape and type of its stored numbers, and then the
    numbers; or the line `null`. What a decoder prints goes nowhere.
    """
    with os.fdopen(os.dup(1), "wb") as answers, parse_quietly():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        for line in sys.stdin.buffer:
            try:
                pixels = np.ascontiguousarray(decode(Path(json.loads(line))))
            except Exception:  # whatever it is, the other process meets it too
                answers.write(b"null\n")
            else:
                told = {"shape": pixels.shape, "dtype": pixels.dtype.str}
                answers.write(json.dumps(told).encode() + b"\n")
                answers.write(pixels.data)
            answers.flush()

"""Decodes compressed files in separate processes, which a faulty file may crash.

Each thread here has a worker process (`decode_worker`): it names a file and takes back the stored
numbers, over pipes. A worker that dies, takes too long or too much memory, or answers with
anything but what the file's header declares is ended, and the fault is the file's; the next file
gets a new worker. Nothing compressed is ever decoded in this process, also when no worker can be
started. Several workers are as many cores: most codecs hold Python's lock while they decode.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.dicom.read.announced import Announced, announced, faulty
from medsr.volume.dicom.read.decode import decode_native
from medsr.volume.dicom.read.decode_worker import ANSWER, FAULTS, MAX_WORDS, READY
from medsr.volume.worker import fill, started

__all__ = ["decode_each"]

#: Another worker pays from so many voxels on (64 slices of 512 x 512), up to so many workers.
VOXELS_A_WORKER = 32 * 512 * 512
MAX_WORKERS = 8

#: A file may take so long, and a worker to start: many times what a busy machine needs.
SECONDS = START_SECONDS = 60.0
BYTES_A_SECOND = 1 << 20

#: A worker may take so much memory: for itself, and for each byte of the pixels and of the file.
MEMORY = 4 << 30
MEMORY_A_BYTE = 12

#: What a worker runs.
WORKER = "from medsr.volume.dicom.read.decode_worker import serve; serve()"

Use = Callable[[Path, NDArray[Any]], None]


def decode_each(paths: Sequence[Path], voxels: int, use: Use) -> None:
    """Decode files, on several cores where that pays. Call it inside `parse_quietly()`.

    Args:
        paths: of files, each once.
        voxels: in all compressed files among them.
        use: what to do with a file's stored values, [frames, rows, columns]; files come in any
            order, one at a time, from any thread.

    Raises:
        InputError, Refused: a file cannot be decoded, or as `use`; of the first file at fault.
    """
    if not paths:
        return
    todo, faults, one_at_a_time = deque(paths), dict[Path, MedsrError](), threading.Lock()

    def work(worker: _Worker) -> None:
        with worker.ended():
            while not faults and (path := _next(todo)):
                try:
                    pixels = _decode(path, worker)
                    with one_at_a_time:
                        use(path, pixels)
                except _NoWorkerError:
                    todo.appendleft(path)
                    return
                except MedsrError as fault:
                    faults[path] = fault

    workers = [_Worker() for _ in range(_worker_count(len(paths), voxels))]
    with ThreadPoolExecutor(len(workers)) as threads:
        try:
            for job in [threads.submit(work, worker) for worker in workers]:
                job.result()
        except BaseException:
            todo.clear()
            for worker in workers:
                worker.kill()
            raise
    for path in paths:
        if path in faults:
            raise faults[path]
    if todo:
        raise Refused(
            f"{todo[0].name}: is compressed, and the separate process in which medsr "
            "decodes such files cannot be started. Export the scan without compression."
        )


def _next(todo: deque[Path]) -> Path | None:
    try:
        return todo.popleft()
    except IndexError:  # another thread took the last
        return None


def _worker_count(files: int, voxels: int) -> int:
    """One where more do not pay: few voxels, or this process is itself one of several."""
    if multiprocessing.parent_process() is not None:
        return 1
    able = getattr(os, "sched_getaffinity", None)
    cores = len(able(0)) if able else os.cpu_count() or 1
    return max(min(cores, files, MAX_WORKERS, voxels // VOXELS_A_WORKER), 1)


def _decode(path: Path, worker: _Worker) -> NDArray[Any]:
    said = announced(path)
    return worker.decode(path, said) if said.is_compressed else decode_native(path)


class _NoWorkerError(Exception):
    """No process can be started."""


class _Worker:
    """A process that decodes for one thread: started when there is work, again when it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._lock = threading.Lock()

    def decode(self, path: Path, said: Announced) -> NDArray[Any]:
        """Stored values of a compressed file, [frames, rows, columns].

        Raises:
            InputError, Refused: the file cannot be decoded.
        """
        seconds = SECONDS + said.nbytes / BYTES_A_SECOND
        memory = MEMORY + MEMORY_A_BYTE * (said.nbytes + _size(path))
        request = {"path": str(path.absolute()), "seconds": seconds + 5, "bytes": memory}
        process = self._started()
        answer: NDArray[Any] | MedsrError | None = None
        try:
            with self._within(seconds) as late, suppress(OSError, ValueError):
                cast(FileIO, process.stdin).write(json.dumps(request).encode() + b"\n")
                answer = _answer(cast(FileIO, process.stdout), said)
        except MemoryError:
            self._end()
            raise Refused(
                f"{path.name}: does not fit into memory. Crop the scan or use a larger machine."
            ) from None
        if answer is None or late.is_set():
            self._end()
        if answer is None:
            fault = f"did not finish in {seconds:.0f} s" if late.is_set() else "stopped"
            raise faulty(path, said, f"cannot be decoded: the decoder {fault}")
        if isinstance(answer, MedsrError):
            raise answer
        return answer

    def kill(self) -> None:
        """End the process and start no other; from any thread."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Leave no process behind."""
        try:
            yield
        finally:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        with self._lock:
            if self._killed:
                raise _NoWorkerError
            self._process = process = _start()
        ready = bytearray(len(READY))
        with self._within(START_SECONDS):
            fill(ready, cast(FileIO, process.stdout))
        if ready != READY:
            self._end()
            raise _NoWorkerError
        return process

    @contextmanager
    def _within(self, seconds: float) -> Iterator[threading.Event]:
        """End the process when this lasts longer; the event says whether it did."""
        late, process = threading.Event(), self._process

        def expire() -> None:
            late.set()
            if process is not None:
                process.kill()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()
            timer.join()

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    cast(FileIO, pipe).close()
            process.wait()


def _start() -> subprocess.Popen[bytes]:
    process = started(WORKER)
    if process is None:
        raise _NoWorkerError
    return process


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        raise InputError(f"{path.name}: can no longer be read.") from None


def _answer(source: FileIO, said: Announced) -> NDArray[Any] | MedsrError | None:
    """What a worker says to a request; None when it is not what was declared.

    Raises:
        ValueError: words that are not its own.
    """
    start = bytearray(ANSWER.size)
    if not fill(start, source):
        return None
    kind, *shape, count = ANSWER.unpack(start)
    if 0 < count <= MAX_WORDS:
        words = bytearray(count)
        fault = json.loads(words) if fill(words, source) else None
        if not isinstance(fault, list) or len(fault) != 2 or str(fault[0]) not in FAULTS:
            return None
        return FAULTS[str(fault[0])](str(fault[1]))
    if count or tuple(shape) != said.shape or kind.rstrip(b"\0") != said.dtype.str.encode():
        return None
    pixels = np.empty(said.shape, said.dtype)
    return pixels if fill(pixels.data.cast("B"), source) else None

"""Calls of the network side by side, each on a thread of its own.

OpenMP divides one convolution among all threads and waits for the slowest at its end. Beside
another busy process that one waits for its processor each time, while the others spin. Here each
thread takes the next batch of slices when it is free, and waits for nobody until the last one
(docs/development/speed.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import torch
from torch import Tensor

from medsr.restore.slices import Box

__all__ = ["Part", "Totals", "in_lanes", "parts_of"]

#: Python runs between the layers, one thread at a time: more lanes would wait for it.
MOST_LANES = 8

#: What one call of the network takes: a box, and which of its slices.
Part = tuple[Box, slice]


class Totals:
    """Sums like an image, as many as the network turns out to give channels; at first one."""

    def __init__(self, like: Tensor) -> None:
        self.maps = [torch.zeros_like(like)]
        self._growing = Lock()

    def at_least(self, count: int) -> list[Tensor]:
        """The sums; new ones are zero."""
        with self._growing, torch.inference_mode(False):  # else only a lane could go on with it
            while len(self.maps) < count:
                self.maps.append(torch.zeros_like(self.maps[0]))
        return self.maps


def parts_of(boxes: Sequence[Box], voxels: int) -> list[Part]:
    """The slices of boxes, in parts of about the given number of voxels."""
    found = []
    for box in boxes:
        count = max(1, voxels // box.voxels)
        for start in range(box.stack.start, box.stack.stop, count):
            found.append((box, slice(start, min(start + count, box.stack.stop))))
    return found


def in_lanes(
    work: Callable[[Part], None], parts: Sequence[Part], device: torch.device
) -> Iterator[Part]:
    """Do the work on every part, on the CPU as many at once as torch has threads.

    Args:
        work: writes what it finds to a place of its own; runs in inference mode.
        parts: each is one call of the network.
        device: elsewhere than on the CPU one part follows the other.

    Yields:
        The parts in their order, each when it is done.
    """
    threads = torch.get_num_threads()
    lanes = min(threads, MOST_LANES, len(parts))
    if lanes < 2 or device.type != "cpu":
        for part in parts:
            work(part)
            yield part
        return

    def enter() -> None:
        torch.set_num_threads(threads // lanes)

    def one(part: Part) -> None:
        with torch.inference_mode():
            work(part)

    pool = ThreadPoolExecutor(lanes, initializer=enter)
    try:
        for part, done in [(part, pool.submit(one, part)) for part in parts]:
            done.result()
            yield part
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # that of a lane would also be that of threads to come

"""Numbers of one estimate with an interval, and what it cost.

Every number is a mean over the voxels of the foreground, taken block by block (about 8 planes
across the first axis, which hold the coarse axis); the blocks are what the bootstrap draws. So an
interval says how much the number changes within this one volume, not over people. Differences to
another method are drawn in pairs: the same blocks of both.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from medsr.evaluation.statistics import DRAWS
from medsr.metrics.detail import high_frequency_ratio
from medsr.metrics.fidelity import SSIM_RADIUS, ssim_3d, ssim_voxels
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.metrics.structure import gmsd
from medsr.volume.modality import air_value
from medsr.volume.volume import Volume

__all__ = ["Cost", "Ruler", "decibels", "drawn_means", "measured", "percentiles"]

#: Planes of a block, about.
BLOCK = 8

T = TypeVar("T")

#: Metric -> (sum over the counted voxels, how many) of each block, [blocks, 2].
Sums = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Ruler:
    """What every estimate of one reference is measured with.

    Attributes:
        reference: [X, Y, Z], counted from the floor of its modality (CT: HU + 1024).
        floor: that was taken off.
        mask: the foreground.
        data_range: R.
    """

    reference: np.ndarray
    floor: float
    mask: np.ndarray = field(repr=False)
    data_range: float

    @classmethod
    def of(cls, fine: Volume) -> Ruler:
        """The ruler of a reference, from it alone."""
        floor = air_value(fine.modality)
        mask = foreground_mask(fine.voxels, modality=fine.modality)
        top = robust_range(fine.voxels, modality=fine.modality)
        return cls(np.asarray(fine.voxels) - np.float32(floor), floor, mask, top)

    def sums(self, estimate: np.ndarray) -> Sums:
        """Square error (over R^2), SSIM 3-D and GMSD of each block."""
        y = np.asarray(estimate, dtype=np.float32) - np.float32(self.floor)
        count = max(2, round(len(y) / BLOCK))
        edges = np.linspace(0, len(y), count + 1).astype(int)
        blocks = [slice(a, b) for a, b in itertools.pairwise(edges)]
        parts = {"mse": self._mse, "ssim": self._ssim, "gmsd": self._gmsd}
        return {name: np.array([part(y, b) for b in blocks]) for name, part in parts.items()}

    def sharpness(self, estimate: np.ndarray) -> float:
        """Energy above half of Nyquist along the coarse (last) axis, over the reference's."""
        y = np.asarray(estimate, dtype=np.float32) - np.float32(self.floor)
        return high_frequency_ratio(self.reference, y, axis=2, mask=self.mask)

    def _mse(self, y: np.ndarray, block: slice) -> tuple[float, int]:
        mask = self.mask[block]
        error = (self.reference[block][mask] - y[block][mask]).astype(np.float64)
        return float(error @ error) / self.data_range**2, int(mask.sum())

    def _ssim(self, y: np.ndarray, block: slice) -> tuple[float, int]:
        wide = slice(max(0, block.start - SSIM_RADIUS), block.stop + SSIM_RADIUS)
        mask = self.mask[wide]
        count = ssim_voxels(mask.shape, mask)
        if count == 0:
            return 0.0, 0
        mean = ssim_3d(self.reference[wide], y[wide], data_range=self.data_range, mask=mask)
        return mean * count, count

    def _gmsd(self, y: np.ndarray, block: slice) -> tuple[float, int]:
        mask = self.mask[block]
        count = int(mask.sum())
        if count == 0:
            return 0.0, 0
        x, y = self.reference[block], y[block]
        return gmsd(x, y, data_range=self.data_range, axis=0, mask=mask) * count, count


def drawn_means(sums: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The mean of the volume (first) and of each bootstrap draw of its blocks: [1 + DRAWS].

    Args:
        sums: [blocks, 2], sums and counts.
        seed: the same seed draws the same blocks, so two methods can be compared in pairs.
    """
    chosen = np.random.default_rng(seed).integers(len(sums), size=(DRAWS, len(sums)))
    totals = np.concatenate([sums.sum(axis=0)[None], sums[chosen].sum(axis=1)])
    return totals[:, 0] / np.maximum(totals[:, 1], 1)


def decibels(mse: np.ndarray) -> np.ndarray:
    """PSNR of square errors that are relative to the range."""
    return -10 * np.log10(mse)


def percentiles(values: np.ndarray) -> tuple[float, float, float]:
    """The value of the volume and the 95 % percentile interval of its draws."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return float(values[0]), float(low), float(high)


@dataclass(frozen=True)
class Cost:
    """Processor seconds, and megabytes by which the process grew at most (None if unknown)."""

    seconds: float
    megabytes: float | None


def measured(call: Callable[[], T]) -> tuple[T, Cost]:
    """Run something once.

    Time is the processor's, of all threads, for beside other work it changes least; run with one
    thread (OMP_NUM_THREADS=1), since threads that wait in a loop count too. Memory is the peak
    resident size of the process (VmHWM, which Linux lets a process set back) over its size before
    the call, after giving free memory back to the system.
    """
    before = _resident_kilobytes("VmRSS", reset=True)
    began = time.process_time()
    result = call()
    seconds = time.process_time() - began
    peak = _resident_kilobytes("VmHWM")
    grown = None if before is None or peak is None else round(max(0.0, (peak - before) / 1024))
    return result, Cost(seconds, grown)


def _resident_kilobytes(key: str, *, reset: bool = False) -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    if reset:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return float(lines[key].split()[0])

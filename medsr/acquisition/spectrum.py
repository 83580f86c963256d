"""Estimate of the finest detail across the slices, from the detail within them.

Anatomy and noise have hardly a preferred direction. With S the power
spectrum of the fine image and H the transfer function of the slices, the energy in a band of
frequencies is

    along the slices' axis, of the fine image:       E_z = int_{k_z in band} S dk
    along an axis of the slices, of the scan:        E_x = int_{k_x in band} S |H(k_z)|^2 dk

so that E_z is E_x times a number, which S = |k|^-POWER gives. The band is the upper half of what
the fine grid can hold across the slices. The expected energy is right within a factor of
1.3 to 1.6 (docs/development/experiments.md, The strength of detail): a rule of thumb. Natural
images have such a power law (Field 1987, J Opt Soc Am A 4:2379, section 6, for its amplitude in
two dimensions).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.resample import axis_matrices
from medsr.intensity import AIR

__all__ = ["FinestBand", "band_energy", "central", "expected_energy", "filtered", "finest_band"]

Block = tuple[slice, slice, slice]

#: Of the power spectrum, three-dimensional. Chosen on the training subjects with factors 2 to 6,
#: so that the geometric mean of expected over true energy is 1 (docs/development/experiments.md).
POWER = 4.0

#: The band begins at this share of the fine grid's Nyquist frequency across the slices. An axis of
#: the slices contains it if its own Nyquist frequency is at least so many times higher.
BEGINS, SHOWS = 0.5, 1.5

#: Half of a filter's length, in fine voxels of the coarse axis.
REACH = 8

#: Length of the middle of the volume that is used, along each axis: skin, table and neck, whose
#: edges are stronger than all else, lie outside.
MIDDLE_MM = 100.0

#: Voxels brighter than AIR must fill this share of the middle.
LEAST_ANATOMY = 0.3

#: Frequencies along each axis at which the integrals are taken.
FREQUENCIES = 40


@dataclass(frozen=True)
class FinestBand:
    """The finest band of frequencies across the slices, and the axes that contain it.

    Attributes:
        low, high: cycles / mm.
        reach_mm: half of the length of the band-pass filters.
        measured_along: axes that the scanner did not blur, with samples fine enough.
    """

    low: float
    high: float
    reach_mm: float
    measured_along: tuple[int, ...]

    def taps(self, spacing_mm: float) -> NDArray[np.float64]:
        """The band-pass filter for an axis: linear phase, windowed (Hamming); [odd]."""
        from scipy import signal  # 0.6 s; only samples need it

        count, nyquist = 2 * round(self.reach_mm / spacing_mm) + 1, 0.5 / spacing_mm
        open_above = self.high > 0.98 * nyquist
        edges = self.low if open_above else [self.low, self.high]
        taps = signal.firwin(count, edges, pass_zero=False, fs=1 / spacing_mm)
        return np.asarray(taps, dtype=np.float64)


def finest_band(acquisition: Acquisition) -> FinestBand | None:
    """The finest band across the slices; None where no axis of the scan contains it."""
    axes, coarse = acquisition.axes, acquisition.coarse_axis
    fine_mm = axes[coarse].fine_mm
    low, reach_mm = BEGINS * 0.5 / fine_mm, REACH * fine_mm
    fine_enough = tuple(
        k
        for k, axis in enumerate(axes)
        if k != coarse
        and axis.is_identity
        and 0.5 / axis.fine_mm >= SHOWS * low
        and min(axis.fine_count * axis.fine_mm, MIDDLE_MM) > 2 * reach_mm + axis.fine_mm
    )
    longest = 2 * REACH + 1
    if not fine_enough or min(axes[coarse].fine_count, MIDDLE_MM // fine_mm) <= longest:
        return None
    high = min(0.5 / axes[k].fine_mm for k in (coarse, *fine_enough))
    return FinestBand(low, high, reach_mm, fine_enough)


def central(shape: Sequence[int], spacing_mm: Sequence[float]) -> Block:
    """The middle of a volume [X, Y, Z]."""
    found = []
    for count, mm in zip(shape, spacing_mm, strict=True):
        inside = min(count, round(MIDDLE_MM / mm))
        start = (count - inside) // 2
        found.append(slice(start, start + inside))
    return found[0], found[1], found[2]


def band_energy(lines: Tensor, taps: NDArray[np.float64]) -> float:
    """Mean square of lines [..., n] after a filter, borders left out."""
    return float(filtered(lines, taps).double().square().mean())


def filtered(lines: Tensor, taps: NDArray[np.float64]) -> Tensor:
    """Lines [..., n] after a filter, borders left out: [lines, n - taps + 1]."""
    flat = lines.reshape(-1, 1, lines.shape[-1])
    kernel = torch.as_tensor(taps, dtype=lines.dtype)[None, None]
    return torch.nn.functional.conv1d(flat, kernel)[:, 0]


def expected_energy(scan: Tensor, acquisition: Acquisition, band: FinestBand) -> float | None:
    """Energy in the band that the fine image should have across the slices.

    Args:
        scan: measured, in the network's range, [X, Y, Z].
        acquisition: of the scan.
        band: from `finest_band`.

    Returns:
        Mean square after the filter `band.taps`, in the scan's unit squared: the geometric mean
        of the estimates from each axis. None where the middle of the volume is mostly air.
    """
    ratios = _ratios(acquisition, band)
    spacing_mm = [axis.low_mm for axis in acquisition.axes]
    middle = scan[central(scan.shape, spacing_mm)]
    if float((middle > AIR).float().mean()) < LEAST_ANATOMY:
        return None
    estimates = []
    for axis, ratio in zip(band.measured_along, ratios, strict=True):
        lines = middle.movedim(axis, -1)
        estimates.append(ratio * band_energy(lines, band.taps(acquisition.axes[axis].fine_mm)))
    return math.exp(sum(math.log(max(value, 1e-30)) for value in estimates) / len(estimates))


@lru_cache(maxsize=16)
def _ratios(acquisition: Acquisition, band: FinestBand) -> tuple[float, ...]:
    """E_z / E_x for each axis that contains the band."""
    axes, coarse = acquisition.axes, acquisition.coarse_axis
    points = [(np.arange(FREQUENCIES) + 0.5) / FREQUENCIES * 0.5 / a.fine_mm for a in axes]
    grid = np.meshgrid(*points, indexing="ij")
    power = sum(np.square(k) for k in grid) ** (-POWER / 2)
    in_band = {
        k: power * _along(_response(band.taps(axes[k].fine_mm), axes[k].fine_mm, points[k]), k)
        for k in (coarse, *band.measured_along)
    }
    matrix = axis_matrices(acquisition)[coarse]
    row = np.ones(1) if matrix is None else matrix[len(matrix) // 2]
    slices = _along(_response(row, axes[coarse].fine_mm, points[coarse]), coarse)
    across = float(in_band[coarse].sum())
    return tuple(across / float((in_band[k] * slices).sum()) for k in band.measured_along)


def _response(
    weights: NDArray[np.float64], spacing_mm: float, frequencies: NDArray[np.float64]
) -> NDArray[np.float64]:
    """|sum_j w_j exp(-2 pi i k j s)|^2 at frequencies k, cycles / mm."""
    phase = np.exp(-2j * np.pi * np.outer(frequencies, np.arange(len(weights)) * spacing_mm))
    return np.asarray(np.abs(phase @ weights) ** 2)


def _along(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Values [n] of one axis, to multiply a grid with."""
    shape = [1, 1, 1]
    shape[axis] = len(values)
    return values.reshape(shape)

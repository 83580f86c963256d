"""Local Fourier ring correlation: how fine an estimate agrees with its reference.

After sFRC (Kc, Zeng, Soni and Badano 2026, "sFRC for assessing hallucinations in medical image
restoration", arXiv:2603.04673): patches of an estimate and of its reference are compared ring by
ring in the Fourier plane (van Heel 1987, Ultramicroscopy 21:95)::

    FRC(r) = Re sum_ring F_x conj(F_y) / sqrt(sum_ring |F_x|^2  sum_ring |F_y|^2).

The frequency at which it first falls below a threshold is the patch's *agreement*. A patch whose
agreement is lower than what the measurement supports holds structure that was added or lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused, UsageError

__all__ = ["Patch", "agreement", "doubtful_share", "patches_in_doubt", "ring_correlation"]

Array = NDArray[np.float32] | NDArray[np.float64]

#: FRC below this ends the agreement (van Heel and Schatz 2005, J Struct Biol 151:250, discuss it).
THRESHOLD = 0.5

#: Side of a patch, pixels; patches overlap by half.
SIDE = 32

#: Patches whose images both vary by less than this share of the data range are empty.
EMPTY = 0.02

#: Frequency up to which a patch must agree, cycles per pixel, for `doubtful_share`: what slices of
#: four pixels hold.
SUPPORTED = 0.125


@dataclass(frozen=True)
class Patch:
    """A patch in doubt: slice, first row and column, and its agreement in cycles per pixel."""

    slice: int
    row: int
    column: int
    agreement: float


def ring_correlation(x: Array, y: Array) -> NDArray[np.float64]:
    """FRC of square patches [..., side, side], one value a ring 1, 2, ...: [..., side / 2].

    The patches lose their mean and are tapered by a Hann window.

    Raises:
        UsageError: the patches are not square or differ in shape.
    """
    if x.shape != y.shape or x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise UsageError(f"Ring correlation needs two square patches, not {x.shape}, {y.shape}.")
    side = x.shape[-1]
    taper = np.hanning(side + 2)[1:-1]
    window = taper[:, None] * taper[None]
    a, b = (np.fft.fft2((v - v.mean(axis=(-2, -1), keepdims=True)) * window) for v in (x, y))
    f = np.fft.fftfreq(side) * side
    ring = np.rint(np.hypot(f[:, None], f[None])).astype(int).ravel()
    member = (ring[:, None] == np.arange(1, side // 2 + 1)[None]).astype(np.float64)

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values.reshape(*values.shape[:-2], -1) @ member)

    power = np.sqrt(summed(np.abs(a) ** 2) * summed(np.abs(b) ** 2))
    return np.asarray(summed((a * b.conj()).real) / np.maximum(power, 1e-30))


def agreement(x: Array, y: Array) -> NDArray[np.float64]:
    """Frequency of the first ring with a correlation below the threshold, cycles a pixel: [...].

    0.5 (Nyquist) where none is.
    """
    below = ring_correlation(x, y) < THRESHOLD
    first = np.where(below.any(axis=-1), below.argmax(axis=-1) + 1, x.shape[-1] // 2)
    return np.asarray(first / x.shape[-1])


def patches_in_doubt(
    reference: Array, estimate: Array, *, supported: float, floor: float, axis: int
) -> list[Patch]:
    """Patches that agree with the reference less far than the measurement supports.

    Args:
        reference, estimate: volumes [X, Y, Z] in one unit.
        supported: frequency up to which the scan was measured along its worst axis, cycles per
            pixel: half of fine spacing over slice spacing.
        floor: patches whose reference and estimate both have a standard deviation below this
            are empty and not examined.
        axis: slices are taken across it; patches lie in the other two.

    Returns:
        The worst first.
    """
    found = []
    slices = zip(np.moveaxis(reference, axis, 0), np.moveaxis(estimate, axis, 0), strict=True)
    for k, pair in enumerate(slices):
        for row, column, reach in _agreements(*pair, floor):
            if reach < supported:
                found.append(Patch(k, row, column, reach))
    return sorted(found, key=lambda patch: patch.agreement)


def doubtful_share(
    reference: Array,
    estimate: Array,
    *,
    mask: NDArray[np.bool_] | None = None,
    data_range: float,
    axis: int,
) -> float:
    """Share of patches that stop agreeing below `SUPPORTED`, in slices that hold the slice axis.

    Args:
        reference, estimate: volumes [X, Y, Z] in one unit.
        mask: patches without any voxel of it are not examined.
        data_range: of the images; decides which patches are empty.
        axis: voxel axis along which the acquired slices are stacked. Every second slice across the
            next axis is examined.

    Raises:
        Refused: no patch of 32 x 32 pixels with anatomy fits into the images.
    """
    # Views: np.take would copy the whole of a volume that is not contiguous, for each slice.
    truth, found = (np.moveaxis(v, (axis + 1) % 3, 0)[::2] for v in (reference, estimate))
    inside = (
        np.ones(truth.shape, bool) if mask is None else np.moveaxis(mask, (axis + 1) % 3, 0)[::2]
    )
    reaches: list[float] = []
    for x, y, seen in zip(truth, found, inside, strict=True):
        if seen.any():
            reaches += [reach for _, _, reach in _agreements(x, y, EMPTY * data_range)]
    if not reaches:
        raise Refused("No patch of 32 x 32 pixels with anatomy fits into the images.")
    return float(np.mean(np.array(reaches) < SUPPORTED))


def _agreements(x: Array, y: Array, floor: float) -> list[tuple[int, int, float]]:
    """Row, column and agreement of each patch of a slice that is not empty."""
    if min(x.shape) < SIDE:
        return []
    step = SIDE // 2
    views = [np.lib.stride_tricks.sliding_window_view(v, (SIDE, SIDE)) for v in (x, y)]
    a, b = (view[::step, ::step].astype(np.float64) for view in views)
    rows, columns = np.nonzero(np.maximum(a.std(axis=(2, 3)), b.std(axis=(2, 3))) >= floor)
    if not len(rows):
        return []
    reaches = agreement(a[rows, columns], b[rows, columns])
    return [
        (int(r) * step, int(c) * step, float(reach))
        for r, c, reach in zip(rows, columns, reaches, strict=True)
    ]

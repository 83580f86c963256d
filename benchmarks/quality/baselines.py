"""What a restoration has to beat: interpolation, tuned sharpening, and the best linear filter.

Symbols: y the low scan [X, Y, Z], slices along the last axis; x the fine one [X, Y, f Z], f the
whole factor; b a B-spline interpolation of y on the fine grid.

Unsharp masking along the coarse axis, G a Gaussian of `radius` fine voxels::

    u = b + amount (b - G b)

The amount that gives the least square error is <x - b, b - G b> / <b - G b, b - G b>, so tuning is
exact in it and a search over spline order and radius.

Linear ceiling: for each phase p = j mod f of the fine slice j, the 5 x 5 x 6 samples of y around
it (and a constant) are weighted by the least-squares fit to x itself, over the voxels that PSNR
counts. It has seen the answer: no linear filter of that reach, shift-variant or not, does better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.resample import upsample

__all__ = ["Example", "Unsharp", "interpolate", "linear_ceiling", "tune_unsharp"]

#: Spline orders that unsharp masking may start from.
ORDERS = (1, 3, 5)

#: Widths (sigma) of the Gaussian that are tried, in distances between slices.
RADII = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)

#: Reach of the linear ceiling: samples along each in-plane axis, and slices.
IN_PLANE, SLICES = 5, 6

#: Planes of the fine scan that the ceiling works on at once: bounds the memory.
SLAB = 8


def interpolate(low: np.ndarray, plan: Acquisition, order: int) -> np.ndarray:
    """B-spline interpolation of a scan to the fine grid: [X, Y, Z] -> [X', Y', Z']."""
    return upsample(torch.from_numpy(np.array(low)), plan, order=order).numpy()


@dataclass(frozen=True, eq=False)
class Example:
    """A scan with its truth, for tuning.

    Attributes:
        low: y; fine: x; plan: how y came from x.
        mask: bool, voxels of x that count.
        data_range: R of x; errors count relative to it.
    """

    low: np.ndarray
    fine: np.ndarray
    plan: Acquisition
    mask: np.ndarray
    data_range: float


@dataclass(frozen=True)
class Unsharp:
    """Sharpening along the last axis after B-spline interpolation; amount 0 only interpolates."""

    order: int
    radius: float
    amount: float

    def __call__(self, low: np.ndarray, plan: Acquisition) -> np.ndarray:
        """The sharpened interpolation, [X', Y', Z']."""
        image = interpolate(low, plan, self.order)
        if self.amount == 0:
            return image
        return image + np.float32(self.amount) * _detail(image, self.radius)


def tune_unsharp(examples: Sequence[Example], factor: int) -> Unsharp:
    """The order, radius and amount with the least mean square error over some people.

    Args:
        examples: people who are not those that will be judged; each weighs the same.
        factor: distance between slices in fine voxels.
    """
    best, least = Unsharp(3, 0.0, 0.0), np.inf
    for order in ORDERS:
        images = [interpolate(e.low, e.plan, order) for e in examples]
        for radius in (r * factor for r in RADII):
            squares = np.zeros(3)
            for example, image in zip(examples, images, strict=True):
                missing = (example.fine - image)[example.mask].astype(np.float64)
                detail = _detail(image, radius)[example.mask].astype(np.float64)
                sums = (missing @ missing, missing @ detail, detail @ detail)
                squares += np.array(sums) / (len(missing) * example.data_range**2)
            amount = squares[1] / max(squares[2], 1e-30)
            error = squares[0] - amount * squares[1]
            if error < least:
                best, least = Unsharp(order, radius, float(amount)), error
    return best


def _detail(image: np.ndarray, radius: float) -> np.ndarray:
    return image - ndimage.gaussian_filter1d(image, radius, axis=2)


def linear_ceiling(
    low: np.ndarray, fine: np.ndarray, factor: int, mask: np.ndarray | None = None
) -> np.ndarray:
    """The best shift-variant linear filter, fitted on the very scan that it is applied to.

    Args:
        low: y, [X, Y, Z].
        fine: x, [X, Y, factor Z].
        factor: a whole number.
        mask: bool [X, Y, factor Z], the voxels that the fit minimises over; all if None.

    Returns:
        The filter's output on the fine grid.
    """
    centre = float(low.mean())
    samples = np.asarray(low, dtype=np.float64) - centre
    reach = ((IN_PLANE // 2,) * 2, (IN_PLANE // 2,) * 2, (SLICES, SLICES))
    padded = np.pad(samples, reach, mode="symmetric")
    chosen = np.ones(fine.shape, dtype=bool) if mask is None else mask
    result = np.empty(fine.shape, dtype=np.float32)
    for phase in range(factor):
        first = SLICES + (2 * phase + 1 - factor) // (2 * factor) - (SLICES // 2 - 1)
        square = np.zeros((IN_PLANE**2 * SLICES + 1,) * 2)
        right = np.zeros(len(square))
        for rows, windows in _windows(padded, low.shape, first):
            counted = chosen[rows, :, phase::factor].ravel()
            seen = windows[counted]
            square += seen.T @ seen
            right += seen.T @ (fine[rows, :, phase::factor].ravel()[counted] - centre)
        weights = np.linalg.lstsq(square, right, rcond=None)[0]
        for rows, windows in _windows(padded, low.shape, first):
            part = (windows @ weights).reshape(-1, *low.shape[1:])
            result[rows, :, phase::factor] = part + centre
    return result


def _windows(
    padded: np.ndarray, shape: tuple[int, ...], first: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """The neighbourhoods of all low voxels, slab by slab: planes, [voxels, features]."""
    for start in range(0, shape[0], SLAB):
        rows = slice(start, min(start + SLAB, shape[0]))
        part = padded[rows.start : rows.stop + IN_PLANE - 1]
        views = sliding_window_view(part, (IN_PLANE, IN_PLANE, SLICES))
        flat = views[:, :, first : first + shape[2]].reshape(-1, IN_PLANE**2 * SLICES)
        yield rows, np.hstack([flat, np.ones((len(flat), 1))])

"""Trials of a calibration: scans whose truth is known, degraded, enhanced, compared.

A fine scan gives three trials, one for each axis, of its middle block. A thick scan whose slices
alone are sharp gives two: some of its slices, degraded along either of their axes and restored one
by one, each its own neighbour, as in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.simulate import degraded_to
from medsr.audit.conformal import Interval
from medsr.audit.scaled_interval import ScaledInterval, groups_of, predicted_psnr, slope
from medsr.intensity import FOREGROUND, scaling_for
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import TOP_PERCENTILE, foreground_mask, robust_range
from medsr.restore.enhancer import Enhancer
from medsr.restore.intervals import mode_of
from medsr.restore.options import Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["FACTORS", "Mode", "Pair", "Voxels", "pairs_of", "voxels_of"]

#: Slice spacings of the trials, voxels; a person takes three of them, the next person others.
FACTORS = (4.0, 2.0, 6.0, 3.0)

#: Sides of the block of a fine scan, voxels, the coarse axis last.
SIDES = (64, 144, 144)

#: Slices of a thick scan, from the middle part of it, and how much of each, voxels.
SLICES, SLICE_SIDES = 6, (256, 256)

#: Copies of such a slice that stand for its neighbours: as many as the local energy looks at.
COPIES = 5

#: Half-width = ranking quantity: asks `restore` for the uncalibrated one.
IDENTITY = Interval(0.9, (0.0, 10.0), (0.0, 10.0))
IDENTITY_OF_SCALE = ScaledInterval(0.9, 1.0, (1.0,) * 4, (1.0,) * 4, 1.0, 0.0)

#: (steps, samples).
Mode = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Pair:
    """A scan, the fine scan that it was made of, and how; the coarse axis is the last.

    Attributes:
        fine, low, acquisition: as `degraded_to` gives them.
        alone: whether it is one slice, several times.
    """

    fine: Volume
    low: Volume
    acquisition: Acquisition
    alone: bool = False


@dataclass(frozen=True, eq=False)
class Voxels:
    """Foreground voxels of one trial, [voxels] each, and what is known of the whole.

    Attributes:
        spread: what ranks them: half-width of the uncalibrated interval, over the gain.
        error: result minus truth, over the gain.
        group: of `scaled_interval.Groups`.
        edge: whether it is one of the steepest 20 % of the truth.
        tissue: tercile of the true intensity: dark, middle, bright.
        check: what the self-check found with the uncalibrated interval; None without one.
        psnr: dB.
        predicted: from the spread, dB.
    """

    spread: NDArray[np.float32]
    error: NDArray[np.float32]
    group: NDArray[np.int64]
    edge: NDArray[np.bool_]
    tissue: NDArray[np.int64]
    check: float | None
    psnr: float
    predicted: float


def pairs_of(scan: Volume, number: int, *, in_plane_only: bool) -> Iterator[list[Pair]]:
    """The trials of a scan; those of one trial belong together.

    Args:
        scan: as `cases.load_case` gives it.
        number: of the person, which decides on the factors.
        in_plane_only: whether only its slices are sharp.
    """
    voxels = np.asarray(scan.voxels)
    if in_plane_only:
        stack = int(np.argmax(scan.spacing_mm))
        for k, axis in enumerate(a for a in range(3) if a != stack):
            turned = np.moveaxis(np.moveaxis(voxels, axis, 2), stack - (axis < stack), 0)
            chosen = np.linspace(0.3, 0.7, SLICES) * (len(turned) - 1)
            images = _middle(turned[np.unique(chosen.round().astype(int))], (SLICES, *SLICE_SIDES))
            factor = FACTORS[(number + k) % len(FACTORS)]
            yield [_pair(np.stack([image] * COPIES), scan, factor, alone=True) for image in images]
        return
    for k, axis in enumerate((2, 1, 0)):
        block = _middle(np.moveaxis(voxels, axis, 2), SIDES)
        yield [_pair(block, scan, FACTORS[(number + k) % len(FACTORS)])]


def _pair(
    voxels: NDArray[np.float32], scan: Volume, factor: float, *, alone: bool = False
) -> Pair:
    """Degraded along the last axis, on voxels of 1 mm: as in training only the factor matters."""
    whole = Volume(np.ascontiguousarray(voxels), np.eye(4), modality=scan.modality, slice_axis=2)
    return Pair(*degraded_to(whole, factor), alone=alone)


def _middle(voxels: NDArray[np.float32], sides: Sequence[int]) -> NDArray[np.float32]:
    starts = [max(0, (n - m) // 2) for n, m in zip(voxels.shape, sides, strict=True)]
    return voxels[tuple(slice(a, a + m) for a, m in zip(starts, sides, strict=True))]


def voxels_of(pairs: list[Pair], enhancer: Enhancer, mode: Mode) -> Voxels:
    """Enhance the scans of one trial in a mode, and compare."""
    parts = [_compared(pair, enhancer, mode) for pair in pairs]
    return Voxels(
        spread=np.concatenate([part.spread for part in parts]),
        error=np.concatenate([part.error for part in parts]),
        group=np.concatenate([part.group for part in parts]),
        edge=np.concatenate([part.edge for part in parts]),
        tissue=np.concatenate([part.tissue for part in parts]),
        check=parts[0].check,
        psnr=float(np.mean([part.psnr for part in parts])),
        predicted=float(np.mean([part.predicted for part in parts])),
    )


def _compared(pair: Pair, enhancer: Enhancer, mode: Mode) -> Voxels:
    card, name = enhancer.card, mode_of(*mode)
    has_scale = bool(card.network.get("scale_head"))
    identity = asdict(IDENTITY_OF_SCALE if has_scale else IDENTITY)
    options = Options(
        steps=mode[0],
        samples=mode[1],
        interval=True,
        quick=pair.alone and name == "posterior_mean",  # the other orientation sees only copies
        no_self_check=pair.alone,
    )
    asked = replace(card, intervals={name: identity, "posterior_mean": identity})
    plan = Plan(pair.low, pair.acquisition, options)
    found = restore(plan, enhancer.denoiser, asked, enhancer.running())
    keep = slice(0, 1) if pair.alone else slice(None)
    result, truth = np.asarray(found.volume.voxels)[keep], np.asarray(pair.fine.voxels)[keep]
    width = np.zeros_like(result)
    if found.half_width is not None:
        width = np.asarray(found.half_width.voxels)[keep]
    check = None if found.self_check is None else found.self_check.interval_scale
    return _voxels(result, truth, width, pair.low, check)


def _voxels(
    result: NDArray[np.float32],
    truth: NDArray[np.float32],
    width: NDArray[np.float32],
    low: Volume,
    check: float | None,
) -> Voxels:
    modality = Modality(str(low.modality))
    scaling = scaling_for(modality, np.asarray(low.voxels))
    image = torch.from_numpy((result - scaling.offset) / scaling.gain)
    steepness, inside = slope(image), image > FOREGROUND
    group = groups_of(image, steepness, inside).index(image, steepness).numpy()
    mask = foreground_mask(truth, modality=modality)
    true_slope = slope(torch.from_numpy(np.array(truth))).numpy()
    spread = width / scaling.gain
    mean_square = float(np.square(spread[inside.numpy()], dtype=np.float64).mean())
    return Voxels(
        spread=spread[mask],
        error=(result - truth)[mask] / np.float32(scaling.gain),
        group=group[mask],
        edge=(true_slope > np.quantile(true_slope[mask], 0.8))[mask],
        tissue=np.digitize(truth[mask], np.quantile(truth[mask], [1 / 3, 2 / 3])),
        check=check,
        psnr=psnr(truth, result, data_range=robust_range(truth, modality=modality), mask=mask),
        predicted=predicted_psnr(
            max(mean_square, 1e-12), float(np.percentile(image, TOP_PERCENTILE)), 1.0
        ),
    )

"""Calibrated intervals from a learned scale, in groups of voxels, and a bound on PSNR.

A scale head gives how far each voxel is off on average. Split conformal prediction makes an
interval of it: half-width = scale times a factor, which on people who trained nothing covers the
nominal share (Vovk 2012; scaled residuals: Lei et al. 2018, arXiv:1604.04173, section 5.2). Every
person weighs the same. The factors are those of four groups of voxels, flat or edge, dark or
bright, which are found in the result alone.

A scan of another kind than those of the calibration is off by another factor, everywhere. The
self-check sees that factor on the scan's own slices (`restore.self_check`), where the interval of
all groups would have to be multiplied by it. What it sees is not the same as what is asked for, so
the half-width follows a power of it over the value that is usual. Scans without a self-check have
factors of their own.

The scales also predict the mean square error of a result. How far people's PSNR was below the
prediction at worst gives a lower bound: of n people as many are below as conformal prediction
allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.errors import UsageError

__all__ = ["Groups", "ScaledInterval", "Trial", "fit_scaled", "groups_of", "slope"]

#: An edge is a voxel among this share of the steepest of the result's foreground.
EDGE_SHARE = 0.2

#: The self-check changes a half-width by this factor at most, each way.
MOST = 2.5

#: Voxels of which quantiles are taken at most.
SAMPLED = 1_000_000


@dataclass(frozen=True)
class Groups:
    """What tells the groups of voxels of one result apart, in its own unit.

    Attributes:
        steep: a voxel with a steeper slope is an edge.
        bright: a voxel above this is bright: the median of the foreground.
    """

    steep: float
    bright: float

    def index(self, image: Tensor, steepness: Tensor) -> Tensor:
        """Group of each voxel, 0 to 3: flat and dark, flat and bright, edge and dark, and so on.

        Args:
            image: any shape.
            steepness: its `slope`.
        """
        return 2 * (steepness > self.steep).long() + (image > self.bright).long()


def slope(image: Tensor) -> Tensor:
    """Length of the gradient, in units of the image per voxel: [X, Y, Z], float32."""
    square = torch.zeros_like(image)
    for axis in range(3):
        if image.shape[axis] > 1:
            square += torch.gradient(image, dim=axis)[0].square_()
    return square.sqrt_()


def groups_of(image: Tensor, steepness: Tensor, foreground: Tensor) -> Groups:
    """The groups of a result [X, Y, Z]; without foreground, those of all voxels.

    Args:
        image: the result.
        steepness: its `slope`.
        foreground: bool, [X, Y, Z].
    """
    inside = foreground.flatten().nonzero().flatten()
    if not len(inside):
        inside = torch.arange(image.numel())
    some = inside[:: max(1, len(inside) // SAMPLED)]
    steep = torch.quantile(steepness.flatten()[some], 1 - EDGE_SHARE)
    return Groups(float(steep), float(image.flatten()[some].median()))


@dataclass(frozen=True)
class ScaledInterval:
    """Half-width of a nominal interval as a multiple of the scale.

    What a self-check finds is given as the factor by which `overall` would have to be multiplied
    to cover the nominal share on the scan's own slices.

    Attributes:
        nominal: share of voxels that the interval is to cover.
        overall: multiple of the scale, for all voxels alike.
        factors: of each group, in the order of `Groups.index`, where there is no self-check.
        checked: the same where there is one.
        usual: the multiple of the scale that usually covers the scan's own slices.
        power: how strongly its finding counts.
        psnr_offset: dB to add to the predicted PSNR for a lower bound, without self-check and
            with; None where too few people were measured.
    """

    nominal: float
    overall: float
    factors: tuple[float, ...]
    checked: tuple[float, ...]
    usual: float
    power: float
    psnr_offset: tuple[float | None, float | None] = (None, None)

    def __post_init__(self) -> None:
        numbers = (self.overall, self.usual, *self.factors, *self.checked)
        sound = len(self.factors) == len(self.checked) == 4 and min(numbers) > 0
        if not (sound and 0 < self.nominal < 1 and 0 <= self.power <= 1):
            raise UsageError(
                "A scaled interval needs a coverage between 0 and 1, positive factors of four "
                "groups, and a power between 0 and 1."
            )

    @classmethod
    def from_card(cls, table: dict[str, Any]) -> ScaledInterval:
        """From a model card.

        Raises:
            TypeError, ValueError, UsageError: it is not one.
        """
        lists = {name: tuple(table[name]) for name in ("factors", "checked", "psnr_offset")}
        return cls(**{**table, **lists})

    def of_scan(self, check: float | None) -> float:
        """The factor of a scan, given what its self-check found; 1 without one."""
        return 1.0 if check is None else _of_scan(check * self.overall, self.usual, self.power)

    def half_width(self, scale: Tensor, group: Tensor, check: float | None) -> Tensor:
        """Half-widths, any shape, in the unit of the scale.

        Args:
            scale: learned.
            group: from `Groups.index`.
            check: what the self-check found, where there was one.
        """
        table = self.factors if check is None else self.checked
        return scale * self.of_scan(check) * torch.tensor(table)[group]

    def psnr_bound(
        self, mean_square_scale: float, data_range: float, check: float | None
    ) -> float | None:
        """A PSNR in dB that the result reaches, as sure as the interval is to cover.

        Args:
            mean_square_scale: over the foreground, in a unit squared.
            data_range: in that unit.
            check: as in `half_width`.
        """
        offset = self.psnr_offset[check is not None]
        if offset is None or not mean_square_scale > 0 or not data_range > 0:
            return None
        return predicted_psnr(mean_square_scale, data_range, self.of_scan(check)) + offset


def predicted_psnr(mean_square_scale: float, data_range: float, factor: float) -> float:
    """PSNR, dB, if the root mean square error were the scale times a factor."""
    return 10 * math.log10(data_range**2 / (mean_square_scale * factor**2))


@dataclass(frozen=True, eq=False)
class Trial:
    """One result of a person whose truth is known.

    Attributes:
        ratio: absolute error over scale of voxels of the foreground, [voxels].
        group: of each, as `Groups.index` gives it.
        check: multiple of the scale that covers the nominal share on the scan's own slices; None
            without self-check.
        psnr: of the result, dB.
        predicted: `predicted_psnr` with factor 1.
    """

    ratio: NDArray[np.float32]
    group: NDArray[np.int64]
    check: float | None
    psnr: float
    predicted: float


def fit_scaled(people: Sequence[Sequence[Trial]], *, nominal: float = 0.9) -> ScaledInterval:
    """Calibrate on people whose truth is known; each weighs the same.

    Args:
        people: the trials of each.
        nominal: share to cover.
    """
    checked = [some for p in people if (some := [t for t in p if t.check is not None])]
    usual, power = _power(checked, nominal)
    plain = [[_Scaled(t, 1.0) for t in p] for p in people]
    scaled = [[_Scaled(t, _of_scan(t.check or usual, usual, power)) for t in p] for p in checked]
    return ScaledInterval(
        nominal=nominal,
        overall=float(np.quantile(np.concatenate(_pooled(plain)[0]), nominal)),
        factors=_factors(plain, nominal),
        checked=_factors(scaled or plain, nominal),
        usual=usual,
        power=power,
        psnr_offset=(_psnr_offset(plain, nominal), _psnr_offset(scaled, nominal)),
    )


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A trial whose scale is multiplied by the factor of its scan."""

    trial: Trial
    factor: float


def _of_scan(check: float, usual: float, power: float) -> float:
    return float(min(max((check / usual) ** power, 1 / MOST), MOST))


def _power(people: Sequence[Sequence[Trial]], nominal: float) -> tuple[float, float]:
    """The usual finding of a self-check, and the slope by which the true multiple follows it.

    Least squares of the logarithms; the noise of the check makes the slope flatter, as it should.
    """
    found = [
        (np.log(float(t.check or 1)), np.log(np.quantile(t.ratio, nominal)), 1 / len(p))
        for p in people
        for t in p
    ]
    if not found:
        return 1.0, 0.0
    check, true, weight = (np.array(column) for column in zip(*found, strict=True))
    centre = np.average(check, weights=weight)
    spread = np.sum(weight * (check - centre) ** 2)
    slope = np.sum(weight * (check - centre) * true) / spread if spread > 0 else 0.0
    return float(np.exp(centre)), float(np.clip(slope, 0, 1))


def _pooled(people: Sequence[Sequence[_Scaled]]) -> tuple[list[NDArray[np.float32]], list[Any]]:
    """Ratios and groups of as many voxels of each person, spread evenly over their trials."""
    rng = np.random.default_rng(0)
    each = min(min(s.trial.ratio.size for s in p) * len(p) for p in people)
    ratios, groups = [], []
    for person in people:
        for scaled in person:
            trial = scaled.trial
            index = rng.choice(trial.ratio.size, max(1, each // len(person)), replace=False)
            ratios.append(trial.ratio[index] / np.float32(scaled.factor))
            groups.append(trial.group[index])
    return ratios, groups


def _factors(people: Sequence[Sequence[_Scaled]], nominal: float) -> tuple[float, ...]:
    """The conformal quantile of each group; of all voxels where a group is empty."""
    ratios, groups = (np.concatenate(part) for part in _pooled(people))
    parts = [ratios[groups == k] if (groups == k).any() else ratios for k in range(4)]
    return tuple(_conformal(part, nominal) for part in parts)


def _conformal(values: NDArray[np.float32], nominal: float) -> float:
    rank = min(len(values), math.ceil((len(values) + 1) * nominal))
    return max(float(np.partition(values, rank - 1)[rank - 1]), 1e-6)


def _psnr_offset(people: Sequence[Sequence[_Scaled]], nominal: float) -> float | None:
    """How far PSNR lies below its prediction at worst: one number a person, so that of the next
    person it is exceeded with probability 1 - nominal at most. None of too few people."""
    lowest = sorted(
        min(s.trial.psnr - s.trial.predicted + 20 * math.log10(s.factor) for s in p)
        for p in people
    )
    rank = math.floor((len(lowest) + 1) * (1 - nominal) + 1e-9)
    return lowest[rank - 1] if rank else None

"""The self-check: what the model gains on a scan, measured on the scan's own slices.

Some measured slices are degraded along an axis within them, as the scanner degraded the scan
across them (`own_reference`), and restored as the scan is: the same posterior mean, the same data
consistency. What was measured is the reference, cubic interpolation the baseline.

Of the two orientations of slices only the one that sees whole measured slices is used: half the
network, and nothing in it is estimated but the neighbours. docs/explanation/own-reference.md says
how well the gain here predicts the true one, and where it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.resample import upsample
from medsr.audit.null_space import LOCAL_VOXELS
from medsr.audit.scaled_interval import ScaledInterval
from medsr.errors import Refused
from medsr.intensity import FOREGROUND
from medsr.metrics.fidelity import SSIM_WINDOW, ssim_slice_mean
from medsr.restore.data_consistency import DataConsistency
from medsr.restore.edge_strength import Slopes, edge_strength, slopes_of
from medsr.restore.guide_channels import OnGrid, with_guides
from medsr.restore.intervals import AnyInterval, half_width_of
from medsr.restore.own_error import OwnError, own_error
from medsr.restore.own_reference import (
    OwnPair,
    centres,
    fewest_voxels,
    own_pair,
    own_slices,
    own_slices_of,
    sharp_axes,
)
from medsr.restore.slice_denoiser import Network
from medsr.restore.slice_mean import mean_of_slices
from medsr.restore.upsampled import Upsampled
from medsr.restore.verdict import SelfCheck

__all__ = ["self_check"]

#: Fine planes that the network sees for each axis, over those of the volume: two axes in one
#: orientation against one volume in two make this the share of the network's work.
SHARE = 0.1

#: Slices that are done at once; no influence on the result but by the noise weighting.
GROUP = 8

#: A slice with less tissue than this, over the slice with most of it, is not used.
LEAST_TISSUE = 0.3

#: A larger gain or loss, dB, says only that there was nothing to restore.
MOST = 20.0

#: SSIM and intervals are slow: they are taken of one of so many slices.
EVERY = 4


@dataclass(frozen=True, eq=False)
class _Group:
    """Some slices restored from a degraded copy of themselves, [X, Y, n] each for an axis Z.

    `scale` is that of the error, where the model gives it.
    """

    restored: Tensor
    scale: Tensor | None
    cubic: Tensor
    reference: Tensor
    measured: DataConsistency
    across: int

    @property
    def tissue(self) -> Tensor:
        """Voxels that count: no air."""
        return self.reference > FOREGROUND

    def error(self, image: Tensor) -> OwnError:
        """Of one of the images."""
        acquisition = self.measured.projector.acquisition
        return own_error(image - self.reference, self.tissue, acquisition, self.across)

    def some(self) -> _Group:
        """Some of the slices."""
        index = torch.arange(0, self.reference.shape[self.across], EVERY)
        return replace(
            self,
            restored=self.restored.index_select(self.across, index),
            scale=None if self.scale is None else self.scale.index_select(self.across, index),
            cubic=self.cubic.index_select(self.across, index),
            reference=self.reference.index_select(self.across, index),
        )


@dataclass(frozen=True, eq=False)
class _Sums:
    """What one axis gives: errors, SSIMs, errors over half-widths, strength of edges."""

    cubic: OwnError
    restored: OwnError
    ssim_gains: tuple[float, ...]
    ratios: NDArray[np.float32]
    strength: float | None


def self_check(
    enhanced: Tensor,
    upsampled: Upsampled,
    measured: DataConsistency,
    network: Network,
    *,
    quick: bool,
    interval: AnyInterval | None,
    share: float = SHARE,
) -> SelfCheck | None:
    """Check a model on the scan that it has enhanced.

    Args:
        enhanced: the result in the network's range, [X', Y', Z'].
        upsampled: the scan.
        measured: the scan, its noise, and how strictly a result must agree with it.
        network: the model.
        quick: whether the result was made from one orientation of the slices; half the work then.
        interval: of a posterior mean; None where there is none.
        share: of the network's work.

    Returns:
        None where the slices are too small or show nothing.
    """
    acquisition = upsampled.acquisition
    axes = sharp_axes(acquisition)
    chosen = _chosen_slices(measured.scan, acquisition, share / 2 if quick else share)
    if min(measured.scan.shape[k] for k in axes) < fewest_voxels(acquisition) or not chosen:
        return None
    # Each axis has its own slices where there are enough.
    parts = (chosen[::2], chosen[1::2] or chosen)
    found = [
        _summed(_groups(enhanced, upsampled, measured, network, slices, axis), interval, axis)
        for slices, axis in zip(parts, axes, strict=True)
    ]
    pairs = [(sums.cubic.of_thin_slices, sums.restored.of_thin_slices) for sums in found]
    if min(min(pair) for pair in pairs) <= 0:
        return None
    gains = np.clip([10 * math.log10(cubic / restored) for cubic, restored in pairs], -MOST, MOST)
    ssim = [gain for sums in found for gain in sums.ssim_gains]
    ratios = np.concatenate([sums.ratios for sums in found])
    strengths = [sums.strength for sums in found if sums.strength is not None]
    nominal = interval.nominal if interval is not None and ratios.size else None
    return SelfCheck(
        gain=float(np.mean(gains)),
        ssim_gain=float(np.mean(ssim)) if ssim else None,
        coverage=None if nominal is None else float((ratios <= 1).mean()),
        interval_scale=None if nominal is None else float(np.quantile(ratios, nominal)),
        slices=len(set(parts[0]) | set(parts[1])),
        edge_strength=float(np.mean(strengths)) if strengths else None,
    )


def _chosen_slices(scan: Tensor, acquisition: Acquisition, share: float) -> list[int]:
    """Measured slices with tissue, evenly spread; so many that both axes cost what they may."""
    axis = acquisition.coarse_axis
    others = [k for k in range(3) if k != axis]
    tissue = (scan > FOREGROUND).sum(dim=others)
    enough = (tissue >= max(1, LEAST_TISSUE * int(tissue.max()))).nonzero().flatten()
    count = max(2, 2 * round(share * acquisition.axes[axis].fine_count))
    if len(enough) <= count:
        return [int(k) for k in enough]
    places = torch.linspace(0, len(enough) - 1, count).round().long()
    return [int(k) for k in enough[places]]


def _groups(
    enhanced: Tensor,
    upsampled: Upsampled,
    measured: DataConsistency,
    network: Network,
    slices: list[int],
    axis: int,
) -> Iterator[_Group]:
    """The slices, degraded along an axis and restored, some at a time."""
    for start in range(0, len(slices), GROUP):
        some = slices[start : start + GROUP]
        planes = centres(len(some), network.context)
        own = own_slices(enhanced, measured.scan, upsampled.acquisition, some, network.context)
        pair = own_pair(own, upsampled.acquisition, axis, planes=planes)
        whole = Upsampled.of(pair.scan, pair.acquisition, upsampled.unit)
        whole = with_guides(whole, _own_guides(upsampled, some, network.context, pair))
        yield _restored(pair, whole, measured, network)


def _own_guides(
    upsampled: Upsampled, slices: list[int], context: int, pair: OwnPair
) -> list[OnGrid]:
    """The guides of a scan on the grid of a pair."""
    within = tuple(slice(n) for n in pair.reference.shape)
    acquisition = upsampled.acquisition
    return [
        (
            own_slices_of(image, acquisition, slices, context)[within],
            own_slices_of(valid, acquisition, slices, context)[within],
        )
        for image, valid in upsampled.images
    ]


def _restored(
    pair: OwnPair, whole: Upsampled, measured: DataConsistency, network: Network
) -> _Group:
    """The measured planes of a pair, restored as the pipeline restores a scan."""
    across, index, unit = pair.across, torch.tensor(pair.planes), whole.unit
    residual, scale = mean_of_slices(network, whole, pair.planes, across, measured.noise)
    axes = list(pair.acquisition.axes)
    axes[across] = replace(axes[across], fine_count=len(index), low_count=len(index))
    acquisition = Acquisition((axes[0], axes[1], axes[2]))
    scan = pair.scan.index_select(across, index)
    cubic = upsample(scan, acquisition)
    consistency = DataConsistency.of(
        scan, acquisition, noise=measured.noise, floor=measured.floor, mode=measured.mode
    )
    return _Group(
        restored=consistency.apply(cubic.add(residual, alpha=unit)),
        scale=None if scale is None else scale * unit,
        cubic=cubic,
        reference=pair.reference.index_select(across, index),
        measured=consistency,
        across=across,
    )


def _summed(groups: Iterator[_Group], interval: AnyInterval | None, axis: int) -> _Sums:
    """Errors and edges of all groups of one axis."""
    slopes = list[Slopes]()
    cubic = restored = OwnError()
    ssim_gains, ratios = list[float](), [np.zeros(0, dtype=np.float32)]
    for group in groups:
        cubic += group.error(group.cubic)
        restored += group.error(group.restored)
        agreeing = group.measured.apply(group.cubic)
        images = agreeing, group.restored, group.reference, group.tissue
        slopes.append(slopes_of(*images, (axis, group.across)))
        few = group.some()
        ssim_gains += _ssim_gain(few)
        if interval is not None:
            ratios.append(_ratios(few, interval))
    thin = np.float32(math.sqrt(restored.thin_over_thick))
    errors = thin * np.concatenate(ratios)
    return _Sums(cubic, restored, tuple(ssim_gains), errors, edge_strength(slopes))


def _ssim_gain(group: _Group) -> list[float]:
    """SSIM over cubic interpolation; nothing where the slices are too small."""
    across = group.across
    truth, after, before, mask = (
        values.numpy() for values in (group.reference, group.restored, group.cubic, group.tissue)
    )
    if min(n for k, n in enumerate(truth.shape) if k != across) < SSIM_WINDOW:
        return []
    try:
        found = [
            ssim_slice_mean(truth, image, data_range=1.0, axis=across, mask=mask)
            for image in (after, before)
        ]
    except Refused:  # no voxel of tissue lies far enough inside
        return []
    return [found[0] - found[1]]


def _ratios(group: _Group, interval: AnyInterval) -> NDArray[np.float32]:
    """Error over half-width at voxels of tissue."""
    ratio = (group.restored - group.reference).abs() / _half_width(group, interval).clamp(min=1e-9)
    return ratio[group.tissue].numpy()


def _half_width(group: _Group, interval: AnyInterval) -> Tensor:
    """Of the interval as it is without a self-check and without groups of voxels.

    Where it follows from the cube around a voxel, each plane, which was restored without its
    neighbours, stands for them.
    """
    if isinstance(interval, ScaledInterval) and group.scale is not None:
        return group.scale * interval.overall
    count, across = group.reference.shape[group.across], group.across
    image = group.restored.repeat_interleave(LOCAL_VOXELS, dim=across)
    width = half_width_of(image, None, group.measured, interval)
    if width is None:
        raise ValueError("half_width_of gives a width for every interval.")
    return width.index_select(across, torch.tensor(centres(count, LOCAL_VOXELS // 2)))

"""What the benchmarks share: blocks of scans, and their degraded versions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.degrade import degrade, plan_degradation
from medsr.volume.volume import Volume

__all__ = ["degraded_to", "middle"]

#: Sides of the block of a scan that a benchmark looks at, voxels.
SIDES = (96, 112, 96)


def middle(volume: Volume) -> Volume:
    """The central block of a scan."""
    parts = tuple(
        slice(max(0, (n - m) // 2), max(0, (n - m) // 2) + m)
        for n, m in zip(volume.shape, SIDES, strict=True)
    )
    return replace(volume, voxels=np.ascontiguousarray(volume.voxels[parts]), slice_axis=2)


def degraded_to(
    fine: Volume, factor: float, *, profile: str = "gaussian", noise: float = 0.0
) -> tuple[Volume, Volume, Acquisition]:
    """A scan with slices `factor` voxels apart along its last axis.

    Returns:
        The fine scan cut to what the slices cover, the thick scan, and how it was made.
    """
    spacing = [float(mm) for mm in fine.spacing_mm]
    plan = plan_degradation(
        fine.shape,
        spacing,
        slice_axis=2,
        slice_spacing_mm=factor * spacing[2],
        slice_thickness_mm=None,
        profile=profile,
    )
    low = degrade(fine, plan, slice_axis=2, noise=noise)
    parts = tuple(slice(n) for n in plan.fine_shape)
    return replace(fine, voxels=np.ascontiguousarray(fine.voxels[parts])), low, plan

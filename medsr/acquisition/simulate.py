"""Simulation of thick-slice scans from fine ones (`medsr degrade`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.acquisition.acquisition import Acquisition, AxisSampling, for_scan
from medsr.acquisition.noise import filtered_backprojection_noise, rician
from medsr.acquisition.resample import acquire, upsample
from medsr.errors import Refused, UsageError
from medsr.volume import geometry
from medsr.volume.placement import common_box, place, words
from medsr.volume.volume import Volume

__all__ = ["degrade", "degraded_to", "interpolated", "plan_degradation", "predicted_scan"]


def plan_degradation(
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    *,
    slice_axis: int,
    slice_spacing_mm: float,
    slice_thickness_mm: float | None = None,
    profile: str = "gaussian",
    in_plane: float = 1.0,
    in_plane_profile: str = "kspace",
) -> Acquisition:
    """The acquisition that thickens one axis and blurs the other two.

    The slice spacing is kept exactly; slices that would extend beyond the far end are left out.

    Args:
        shape: (X, Y, Z) of the fine scan.
        spacing_mm: of the fine scan, (3,).
        slice_axis: the axis to thicken.
        slice_spacing_mm: distance between the new slices.
        slice_thickness_mm: width of their profile; the spacing when None.
        profile: gaussian or box.
        in_plane: factor by which in-plane resolution falls, >= 1.
        in_plane_profile: kspace (MR) or gaussian (CT).

    Raises:
        UsageError: slices finer than the scan's, fewer than two of them, or a factor below 1.
    """
    fine_mm, length = spacing_mm[slice_axis], shape[slice_axis] * spacing_mm[slice_axis]
    if not fine_mm * (1 - 1e-6) <= slice_spacing_mm < float("inf"):
        raise UsageError(
            f"A slice spacing of {slice_spacing_mm:g} mm is not coarser than the scan's "
            f"{fine_mm:.3g} mm along that axis. Give a larger --slice-spacing."
        )
    count = int(length / slice_spacing_mm + 1e-6)
    if count < 2:
        raise UsageError(
            f"The scan covers {length:.0f} mm; a slice spacing of {slice_spacing_mm:g} mm "
            "would leave fewer than 2 slices. Give a smaller --slice-spacing."
        )
    if not 1 <= in_plane < float("inf"):
        raise UsageError(f"An in-plane factor must be 1 or more, not {in_plane:g}.")
    thickness = slice_spacing_mm if slice_thickness_mm is None else slice_thickness_mm
    axes = []
    for k in range(3):
        n, mm = int(shape[k]), float(spacing_mm[k])
        if k == slice_axis:
            axes.append(AxisSampling(n, mm, count, slice_spacing_mm, thickness, profile))
        elif in_plane == 1.0:
            axes.append(AxisSampling(n, mm, n, mm))
        else:
            low = max(2, int(n / in_plane + 1e-6))
            axes.append(AxisSampling(n, mm, low, mm * in_plane, mm * in_plane, in_plane_profile))
    return Acquisition((axes[0], axes[1], axes[2]))


def degrade(
    volume: Volume, acquisition: Acquisition, *, slice_axis: int, noise: float = 0.0, seed: int = 0
) -> Volume:
    """y = N(A(x)): the scan that `acquisition` would give of `volume`.

    Args:
        volume: fine scan.
        acquisition: from `plan_degradation` of its grid.
        slice_axis: the axis that was thickened.
        noise: standard deviation in the scan's own unit (HU for CT); Rician for MR, correlated
            in-plane for CT.
        seed: of the noise.

    Returns:
        Volume on the low grid, with its slice thickness noted.

    Raises:
        UsageError: a negative noise level.
    """
    if not 0 <= noise < float("inf"):
        raise UsageError(f"A noise level must be 0 or more, not {noise:g}.")
    low = acquire(torch.from_numpy(np.array(volume.voxels)), acquisition)
    generator = torch.Generator().manual_seed(seed)
    if noise > 0 and volume.modality == "CT":
        low = filtered_backprojection_noise(low, noise, slice_axis, generator)
    elif noise > 0:
        low = rician(low, noise, generator)
    spacing = [axis.low_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(volume.affine, volume.shape, spacing)
    return replace(
        volume,
        voxels=low.numpy(),
        affine=affine,
        padding=None,
        slice_axis=slice_axis,
        slice_thickness_mm=acquisition.axes[slice_axis].width_mm,
    )


def interpolated(low: Volume, like: Volume, order: int) -> Volume:
    """A scan interpolated by a B-spline to the spacing of another, edge-aligned."""
    acquisition = for_scan(low, like.spacing_mm)
    voxels = upsample(torch.from_numpy(np.array(low.voxels)), acquisition, order=order)
    fine_mm = [axis.fine_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(low.affine, low.shape, fine_mm)
    return replace(low, voxels=voxels.numpy(), affine=affine, padding=None)


def predicted_scan(measured: Volume, estimate: Volume) -> NDArray[np.float32]:
    """A x: an estimate as the scanner of `measured` would have acquired it, without noise.

    Args:
        measured: the low scan, with its slice axis and thickness (touching slices where unknown).
        estimate: on a fine grid of that scan: same axes in any order, edge-aligned.

    Returns:
        [X, Y, Z] on the measured scan's grid, in its unit.

    Raises:
        Refused: the estimate is on another grid, or does not cover the scan.
    """
    turn = np.abs(np.linalg.solve(measured.affine, estimate.affine)[:3, :3])
    spacing = [estimate.spacing_mm[int(turn[k].argmax())] for k in range(3)]
    acquisition = for_scan(measured, spacing)
    affine, _ = geometry.refined_grid(measured.affine, measured.shape, spacing)
    fine = Volume(np.zeros(acquisition.fine_shape, dtype=np.float32), affine, name=measured.name)
    try:
        placed = place(estimate, fine)
        box = common_box(fine.shape, [placed])
    except Refused:
        raise Refused(
            f"{estimate.name} is not on a fine grid of the measured scan {measured.name} "
            f"({words(fine.shape)} voxels of {words(spacing)} mm, edge-aligned), so its "
            "consistency with the scan cannot be computed exactly."
        ) from None
    if box != tuple((0, n) for n in fine.shape):
        raise Refused(
            f"{estimate.name} does not cover all of the measured scan {measured.name}, so its "
            "consistency with the scan cannot be computed."
        )
    voxels = torch.from_numpy(np.array(placed.cut(box)))
    return np.asarray(acquire(voxels, acquisition).numpy())


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
    covered = tuple(slice(n) for n in plan.fine_shape)
    kept = replace(fine, voxels=np.ascontiguousarray(fine.voxels[covered]), padding=None)
    return kept, low, plan

"""Plain interpolation of a scan, which every restoration is compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.resample import lift
from medsr.volume import geometry
from medsr.volume.volume import Volume

__all__ = ["interpolated"]


def interpolated(low: Volume, like: Volume, order: int) -> Volume:
    """A scan interpolated by a B-spline to the spacing of another, outer corners shared."""
    acquisition = for_scan(low, like.spacing_mm)
    voxels = lift(torch.from_numpy(np.array(low.voxels)), acquisition, order=order)
    fine_mm = [axis.fine_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(low.affine, low.shape, fine_mm)
    return replace(low, voxels=voxels.numpy(), affine=affine)

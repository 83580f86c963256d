"""What would a scanner have measured of an estimate? A x on the grid of a measured scan."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.resample import acquire
from medsr.errors import Refused
from medsr.metrics.common_box import common_box, place, words
from medsr.volume import geometry
from medsr.volume.volume import Volume

__all__ = ["predicted_scan"]


def predicted_scan(measured: Volume, estimate: Volume) -> NDArray[np.float32]:
    """A x: an estimate as the scanner of `measured` would have seen it, without noise.

    Args:
        measured: the low scan, with its slice axis and thickness (touching slices where unknown).
        estimate: on a fine grid of that scan: same axes in any order, outer corners shared.

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
            f"({words(fine.shape)} voxels of {words(spacing)} mm, outer corners shared), so its "
            "consistency with the scan cannot be computed exactly."
        ) from None
    if box != tuple((0, n) for n in fine.shape):
        raise Refused(
            f"{estimate.name} does not cover all of the measured scan {measured.name}, so its "
            "consistency with the scan cannot be computed."
        )
    voxels = torch.from_numpy(np.array(placed.cut(box)))
    return np.asarray(acquire(voxels, acquisition).numpy())

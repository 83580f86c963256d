"""The value that every room passes on: voxels with their place in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.volume import geometry

Modality = Literal["MR", "CT"]

__all__ = ["Modality", "Volume"]


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan on a rectangular grid; valid or not made at all.

    Attributes:
        voxels: [X, Y, Z] float32, finite, in `unit`; read-only.
        affine: [4, 4] float64, voxel index -> RAS+ mm; read-only.
        modality: "MR", "CT", or None when nothing says which.
        unit: "HU" for CT, otherwise "scanner units".
        slice_axis: the voxel axis along which slices are stacked, or None when unknown.
        slice_thickness_mm: the nominal width of the slice profile, not the distance between
            slices; None when nothing says it.
        stored_as_integers: whether the file held whole numbers (so a writer may round).
        name: the file's or folder's name, for messages; never a patient's.

    Raises:
        Refused: not three axes, an empty axis, non-finite voxels, or sheared or singular axes.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    modality: Modality | None = None
    unit: str = "scanner units"
    slice_axis: int | None = None
    slice_thickness_mm: float | None = None
    stored_as_integers: bool = False
    name: str = "volume"

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels, dtype=np.float32)
        affine = np.array(self.affine, dtype=np.float64)
        _check_voxels(voxels, self.name)
        _check_affine(affine, self.name)
        voxels = voxels.view()
        voxels.setflags(write=False)
        affine.setflags(write=False)
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(X, Y, Z)."""
        x, y, z = self.voxels.shape
        return x, y, z

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along each axis, mm."""
        x, y, z = geometry.spacing_mm(self.affine)
        return float(x), float(y), float(z)


def _check_voxels(voxels: NDArray[np.float32], name: str) -> None:
    if voxels.ndim != 3:
        raise Refused(
            f"{name}: has {voxels.ndim} axes (shape {voxels.shape}); medsr takes one 3-D volume. "
            "Split a 4-D series into single volumes first."
        )
    if min(voxels.shape) < 2:
        raise Refused(
            f"{name}: has shape {voxels.shape}; a volume needs at least 2 voxels along each axis. "
            "A single slice has no third dimension to restore."
        )
    bad = int(voxels.size - np.isfinite(voxels).sum())
    if bad:
        raise Refused(
            f"{name}: {bad} of {voxels.size} voxels are not finite numbers (NaN or infinity). "
            "Replace them, for example with the background value, and try again."
        )


def _check_affine(affine: NDArray[np.float64], name: str) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise Refused(f"{name}: the affine must be a finite 4 x 4 matrix, found {affine.shape}.")
    spacing = geometry.spacing_mm(affine)
    if spacing.min() < 1e-3 or spacing.max() > 100:
        words = " x ".join(f"{s:.4g}" for s in spacing)
        raise Refused(
            f"{name}: the header gives a voxel spacing of {words} mm, which is not believable. "
            "Correct the header (spacing in millimetres) and try again."
        )
    if not geometry.is_rectangular(affine):
        raise Refused(
            f"{name}: the voxel axes are not perpendicular (a gantry tilt or a shear). "
            "Resample the scan to a rectangular grid first."
        )

"""The scan as a value: voxels with their position in the patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused, SeveralVolumes
from medsr.remarks import Remark
from medsr.volume import geometry, planes
from medsr.volume.anatomy import Kind
from medsr.volume.modality import Modality, unit_of
from medsr.volume.origin import Origin
from medsr.volume.padding import Padding
from medsr.words import printable

__all__ = ["Volume", "check_affine", "check_shape"]


#: No scanner measures a larger value, in HU or in units of its own.
LARGEST_VALUE = 1e9

#: No scanner places a voxel farther away from its origin.
FARTHEST_MM = 10_000.0


@dataclass(frozen=True, eq=False, repr=False)
class Volume:
    """A scan on a rectangular grid, validated on creation.

    Attributes:
        voxels: [X, Y, Z] float32, finite, in `unit`; read-only.
        affine: [4, 4] float64, voxel index -> RAS+ mm; read-only.
        modality: "MR", "CT", or None if unknown.
        named_modality: what the name of the file or its folder suggests where `modality` is None.
        unit: "HU" for CT, otherwise "scanner units".
        slice_axis: the voxel axis along which slices are stacked, or None when unknown.
        slice_thickness_mm: the nominal width of the slice profile, not the distance between
            slices; None if unknown.
        slice_profile: gaussian or box, if the file states it.
        stored_as_integers: whether the file held whole numbers (so a writer may round).
        name: the file's or folder's name, for messages; never a patient's.
        digest: SHA-256 (hex) of the files that were read; "" for a volume made in memory.
        padding: where nothing was measured, and what a file shows there; the voxels hold
            background instead. None where all was measured.
        space: sform_code and qform_code of NIfTI: 1 the scanner's, 2 aligned to another scan,
            3 Talairach, 4 MNI, 5 another template; both 0 for no place in the patient.
        kind: what the image shows when that is not anatomy; see `anatomy.check_is_anatomy`.
        origin: whether its slices were acquired, reformatted, or made by medsr.
        remarks: what the reader assumed or questioned.

    Raises:
        Refused: not three axes, an empty axis, voxels that are not finite or not plausible, or
            sheared or singular axes.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    modality: Modality | None = None
    unit: str = "scanner units"
    slice_axis: int | None = None
    slice_thickness_mm: float | None = None
    slice_profile: str | None = None
    stored_as_integers: bool = False
    name: str = "volume"
    digest: str = ""
    padding: Padding | None = None
    space: tuple[int, int] = (1, 1)
    kind: Kind | None = None
    origin: Origin = Origin.ACQUIRED
    remarks: tuple[Remark, ...] = ()
    named_modality: Modality | None = None

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels, dtype=np.float32)
        affine = np.array(self.affine, dtype=np.float64)
        _check_voxels(voxels, self.name)
        check_affine(affine, self.name)
        if self.padding is not None and self.padding.mask.shape != voxels.shape:
            raise ValueError("the padding mask and the voxels differ in shape")
        voxels = voxels.view()
        voxels.setflags(write=False)
        affine.setflags(write=False)
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "name", printable(self.name))
        if self.modality is not None:
            object.__setattr__(self, "modality", Modality(self.modality))
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

    @property
    def through_plane_axis(self) -> int:
        """The voxel axis along which slices are stacked; the coarsest where that is not stated."""
        spacing = self.spacing_mm
        stated = self.slice_axis
        return max(range(3), key=lambda k: spacing[k]) if stated is None else stated

    def of_modality(self, modality: Modality) -> Volume:
        """The same voxels with a known modality."""
        return replace(self, modality=modality, unit=unit_of(modality))

    def save(self, path: str | Path) -> Path:
        """Write the volume as NIfTI (.nii or .nii.gz) atomically.

        Raises:
            UsageError: the name does not end in .nii or .nii.gz.
            OutputError: the file cannot be written.

        Example:
            >>> medsr.read("scan.nii.gz").save("copy.nii.gz")  # doctest: +SKIP
        """
        from medsr.volume.nifti_write import save_volume  # nibabel: only for who writes

        return save_volume(self, Path(path))

    def to_nibabel(self) -> Any:
        """The volume as a `nibabel.Nifti1Image` (float32, RAS+ affine in mm)."""
        from medsr.volume.nifti_write import to_nibabel

        return to_nibabel(self)

    def __repr__(self) -> str:
        """One line: name, modality, shape, spacing."""
        shape = " x ".join(str(n) for n in self.shape)
        spacing = " x ".join(f"{mm:.3g}" for mm in self.spacing_mm)
        kind = self.modality or "modality unknown"
        return f"Volume({self.name}: {kind}, {shape} voxels of {spacing} mm)"

    def _repr_png_(self) -> bytes:
        """Three planes, which a notebook shows."""
        return planes.three_planes(self.voxels, self.affine)


def check_shape(shape: tuple[int, ...], name: str) -> None:
    """Refuse what is not three axes of at least two voxels.

    Raises:
        SeveralVolumes: more than three axes.
        Refused: fewer axes, or an axis of a single voxel.
    """
    if len(shape) != 3:
        axes = f"{name}: has {len(shape)} axes (shape {shape}); medsr enhances one 3-D volume."
        if len(shape) < 3:
            raise Refused(f"{axes} Give the whole scan, not one slice of it.")
        raise SeveralVolumes(f"{axes} Split a 4-D series into single volumes first.")
    if min(shape) < 2:
        raise Refused(
            f"{name}: has shape {shape}; a volume needs at least 2 voxels along each "
            "axis. A single slice is not a volume."
        )


def _check_voxels(voxels: NDArray[np.float32], name: str) -> None:
    check_shape(voxels.shape, name)
    slabs = np.moveaxis(voxels, int(np.argmax(voxels.strides)), 0)  # no second volume in memory
    bad = sum(slab.size - np.count_nonzero(np.isfinite(slab)) for slab in slabs)
    if bad:
        raise Refused(
            f"{name}: {bad} of {voxels.size} voxels are not finite numbers (NaN or infinity). "
            "Replace them, for example with the background value, and try again."
        )
    least, most = float(voxels.min()), float(voxels.max())
    if max(-least, most) > LARGEST_VALUE:
        raise Refused(
            f"{name}: its intensities reach from {least:.3g} to {most:.3g}, which is not "
            "plausible for a scan: the values or their scaling are damaged. Export the scan again."
        )


def check_affine(affine: NDArray[np.float64], name: str) -> None:
    """Refuse an affine that places no rectangular grid in millimetres.

    Raises:
        Refused: not finite, implausible spacing, or sheared axes.
    """
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise Refused(f"{name}: the affine must be a finite 4 x 4 matrix, found {affine.shape}.")
    if np.abs(affine[:3, 3]).max() > FARTHEST_MM:
        raise Refused(
            f"{name}: the header places the image "
            f"{np.abs(affine[:3, 3]).max() / 1000:.3g} m away from the scanner's origin, "
            "which is not plausible. Correct the header and try again."
        )
    spacing = geometry.spacing_mm(affine)
    if spacing.min() < 1e-3 or spacing.max() > 100:
        words = " x ".join(f"{s:.4g}" for s in spacing)
        raise Refused(
            f"{name}: the header gives a voxel spacing of {words} mm, which is not "
            "plausible. Correct the header (spacing in millimetres) and try again."
        )
    if not geometry.is_rectangular(affine):
        raise Refused(
            f"{name}: the voxel axes are not perpendicular (a gantry tilt or a shear). "
            "Resample the scan to a rectangular grid first."
        )

"""What all image files have in common: NIfTI, MGH, MetaImage and NRRD.

A reader of a format finds shape, affine and voxels; here they become a `Volume` or, for the plan
of a batch, an `ImageHeader`. Sidecars belong to NIfTI alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medsr.volume import geometry
from medsr.volume.anatomy import Kind, kind_of_voxels
from medsr.volume.anatomy_names import kind_of_name
from medsr.volume.file_bytes import check_range
from medsr.volume.modality import CT_AIR_HU, Modality, unit_of
from medsr.volume.origin import Origin
from medsr.volume.padding import Padding, constant_padding, without_padding
from medsr.volume.recognise import guess_modality, modality_of_name
from medsr.volume.sidecar import strip_suffix
from medsr.volume.volume import Volume, check_affine, check_shape

__all__ = ["ImageHeader", "RawImage", "header_of", "padding_replaced", "volume_of"]


@dataclass(frozen=True)
class ImageHeader:
    """One image file without its voxels.

    Attributes:
        shape: (X, Y, Z).
        spacing_mm: along each axis.
        modality: "MR", "CT", or None when nothing states it.
        named_modality: what the name of the file or its folder says.
        slice_thickness_mm: as a sidecar declares it; None if unknown.
        integers: whether it holds whole numbers.
        kind: what it shows when that is not anatomy.
        origin: what its slices are, as its sidecar says.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    modality: Modality | None
    integers: bool
    kind: Kind | None = None
    origin: Origin = Origin.ACQUIRED
    named_modality: Modality | None = None
    slice_thickness_mm: float | None = None


@dataclass(frozen=True, eq=False)
class RawImage:
    """One image file of a format without sidecars, its header checked against its size.

    Attributes:
        path: the file.
        shape: of the voxels, without axes of one voxel after the third.
        affine: [4, 4], voxel -> RAS+ mm.
        integers: whether it holds whole numbers.
        read: reads the voxels, [X, Y, Z].
        modality: as its header states it.
        placed: whether its header says where it lies in the patient.
    """

    path: Path
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    integers: bool
    read: Callable[[], NDArray[np.float32]]
    modality: Modality | None = None
    placed: bool = True

    def __post_init__(self) -> None:
        check_shape(self.shape, self.path.name)
        check_affine(self.affine, self.path.name)


def header_of(file: RawImage) -> ImageHeader:
    """What the plan of a batch asks of a file."""
    x, y, z = file.shape
    a, b, c = geometry.spacing_mm(file.affine)
    stem = strip_suffix(file.path)
    return ImageHeader(
        shape=(x, y, z),
        spacing_mm=(float(a), float(b), float(c)),
        modality=file.modality,
        integers=file.integers,
        kind=kind_of_name(stem),
        named_modality=modality_of_name(file.path, stem),
    )


def volume_of(file: RawImage) -> Volume:
    """The voxels with their place in the patient; padding is replaced with background.

    Raises:
        InputError: the file is damaged.
        Refused: values that no scanner writes.
    """
    name, stem = file.path.name, strip_suffix(file.path)
    voxels = file.read()
    check_range(voxels, name)
    with np.errstate(all="ignore"):  # numbers that are none are refused by Volume
        voxels, padding = padding_replaced(voxels, file.modality, name)
    return Volume(
        voxels=voxels,
        affine=file.affine,
        modality=file.modality,
        unit=unit_of(file.modality),
        slice_axis=geometry.clearly_coarse_axis(geometry.spacing_mm(file.affine)),
        stored_as_integers=file.integers,
        name=name,
        padding=padding,
        space=(1, 1) if file.placed else (0, 0),
        kind=kind_of_name(stem) or kind_of_voxels(voxels),
        named_modality=modality_of_name(file.path, stem),
    )


def padding_replaced(
    voxels: NDArray[np.float32], modality: Modality | None, name: str
) -> tuple[NDArray[np.float32], Padding | None]:
    """Background where a converter kept the scanner's padding, and air for what is below air."""
    is_ct = modality == "CT" or (
        modality is None and guess_modality(voxels).modality == Modality.CT
    )
    padding = constant_padding(voxels, is_ct=is_ct)
    if padding is not None:
        voxels = voxels.copy(order="K")
        without_padding(voxels, padding.mask, "CT" if is_ct else "MR", name)
    if is_ct and float(voxels.min()) < CT_AIR_HU:
        voxels = np.maximum(voxels, np.float32(CT_AIR_HU))
    return voxels, padding

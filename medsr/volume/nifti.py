"""Reads NIfTI files; `nifti_file` opens them, `sidecar` reads the settings beside them.

Affine: the header's best one (sform, else qform), as nibabel chooses. A file with neither has no
place in the patient; it is read with its spacing and centred on the origin, as nibabel does, and
what is made of it has no place either.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medsr.volume import geometry
from medsr.volume.anatomy import Kind, kind_of_settings, kind_of_voxels
from medsr.volume.anatomy_names import kind_of_name
from medsr.volume.file_bytes import faults_in_words
from medsr.volume.image_file import ImageHeader, padding_replaced
from medsr.volume.modality import Modality, unit_of
from medsr.volume.nifti_file import NiftiFile, open_nifti
from medsr.volume.nifti_header import kind_of_intent, shape_of
from medsr.volume.nifti_place import Placement, place
from medsr.volume.origin import origin_of_settings
from medsr.volume.recognise import modality_of_name
from medsr.volume.sidecar import (
    Sidecar,
    declared_modality,
    declared_profile,
    positive_number,
    read_settings,
    strip_suffix,
)
from medsr.volume.thickness import believed_thickness
from medsr.volume.volume import Volume, check_affine, check_shape

__all__ = [
    "read_nifti",
    "read_nifti_header",
]

#: A scan does not become so many times smaller by gzip; masks and label maps do.
MASK_DEFLATED = 25


@dataclass(frozen=True, eq=False)
class _Known:
    """What a file says without its voxels, for the reader and the plan alike."""

    file: NiftiFile
    placement: Placement
    sidecar: Sidecar
    modality: Modality | None
    kind: Kind | None
    integers: bool


def _known(path: Path) -> _Known:
    file = open_nifti(path)
    check_shape(shape_of(file.header)[:3], path.name)
    with faults_in_words(path):
        placement = place(file.header)
        check_affine(placement.affine, path.name)
    sidecar = read_settings(path)
    kind = kind_of_intent(file.header) or kind_of_settings(sidecar.settings)
    return _Known(
        file,
        placement,
        sidecar,
        modality=declared_modality(sidecar.settings, path.name),
        kind=kind or kind_of_name(strip_suffix(path)),
        integers=bool(np.issubdtype(file.header.get_data_dtype(), np.integer)),
    )


def read_nifti(path: Path) -> Volume:
    """Read a 3-D scan from .nii or .nii.gz.

    What does not show anatomy is read, too: `Volume.kind` says so.

    Returns:
        Volume with voxels [X, Y, Z] after the header's slope and intercept; padding is replaced
        with background.

    Raises:
        InputError: the file is missing, unreadable, damaged or not NIfTI.
        Refused: the image is colour, complex, 4-D, or its grid is not valid.
    """
    known = _known(path)
    header = known.file.header
    voxels = known.file.voxels().reshape(shape_of(header), order="F")
    with np.errstate(all="ignore"):  # numbers that are none are refused by Volume
        voxels, padding = padding_replaced(voxels, known.modality, path.name)
    settings = known.sidecar.settings
    spacing = geometry.spacing_mm(known.placement.affine)
    slice_axis = _slice_axis(header, spacing)
    step_mm = float(spacing.max() if slice_axis is None else spacing[slice_axis])
    declared_mm = positive_number(settings.get("SliceThickness"))
    thickness_mm, doubts = believed_thickness(declared_mm, step_mm)
    return Volume(
        voxels=voxels,
        affine=known.placement.affine,
        modality=known.modality,
        unit=unit_of(known.modality),
        slice_axis=slice_axis,
        slice_thickness_mm=thickness_mm,
        slice_profile=declared_profile(settings),
        stored_as_integers=known.integers,
        name=path.name,
        padding=padding,
        space=known.placement.space,
        kind=known.kind or kind_of_voxels(voxels),
        origin=origin_of_settings(settings),
        remarks=(*known.placement.remarks, *known.sidecar.remarks, *doubts),
        named_modality=modality_of_name(path, strip_suffix(path)),
    )


def read_nifti_header(path: Path) -> ImageHeader:
    """Read the header and the sidecars of a 3-D scan, and check the grid.

    The voxels of a file that compresses like a mask are examined; those of scans are not.

    Raises:
        InputError: the file is missing, unreadable, or not NIfTI.
        SeveralVolumes: it is 4-D.
        Refused: the image is colour or complex, or its grid is not valid.
    """
    known = _known(path)
    kind = known.kind
    if kind is None and known.integers and known.file.deflated >= MASK_DEFLATED:
        kind = kind_of_voxels(known.file.voxels())
    x, y, z = shape_of(known.file.header)
    a, b, c = geometry.spacing_mm(known.placement.affine)
    return ImageHeader(
        shape=(x, y, z),
        spacing_mm=(float(a), float(b), float(c)),
        modality=known.modality,
        integers=known.integers,
        kind=kind,
        origin=origin_of_settings(known.sidecar.settings),
        named_modality=modality_of_name(path, strip_suffix(path)),
        slice_thickness_mm=positive_number(known.sidecar.settings.get("SliceThickness")),
    )


def _slice_axis(header: Any, spacing: np.ndarray[Any, Any]) -> int | None:
    """The header's statement, else the one axis that is clearly coarser than both others."""
    declared = header.get_dim_info()[2]
    if declared is not None:
        return int(declared)
    return geometry.clearly_coarse_axis(spacing)

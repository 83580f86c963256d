"""NIfTI in and out; `nifti_file` opens files, `sidecar` has the settings beside them.

Affine: the header's best one (sform, else qform), as nibabel chooses. A file with neither has no
place in the patient; it is read with its spacing and centred on the origin, as nibabel does, and
what is made of it has no place either.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import igzip
from numpy.typing import NDArray

from medsr.errors import OutputError
from medsr.volume import geometry
from medsr.volume.anatomy import Kind, kind_of_name, kind_of_settings, kind_of_voxels
from medsr.volume.nifti_file import NiftiFile, faults_in_words, open_nifti
from medsr.volume.nifti_header import kind_of_intent, shape_of
from medsr.volume.nifti_place import Placement, place
from medsr.volume.padding import (
    AIR_HU,
    Padding,
    constant_padding,
    looks_like_ct,
    with_padding,
    without_padding,
)
from medsr.volume.sidecar import (
    Sidecar,
    declared_modality,
    declared_profile,
    positive_number,
    read_settings,
    sidecar_path,
    strip_suffix,
)
from medsr.volume.volume import Modality, Volume, check_affine, check_shape

__all__ = [
    "NiftiHeader",
    "nifti_bytes",
    "read_nifti",
    "read_nifti_header",
    "save_image",
    "write_nifti",
]

#: A scan does not become so many times smaller by gzip; masks and label maps do.
MASK_DEFLATED = 25


@dataclass(frozen=True)
class NiftiHeader:
    """One NIfTI file without its voxels.

    Attributes:
        shape: (X, Y, Z).
        spacing_mm: along each axis.
        modality: "MR", "CT", or None when the sidecar does not say.
        integers: whether it holds whole numbers.
        kind: what it shows when that is not anatomy.
        made_by_medsr: whether its sidecar says so.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    modality: Modality | None
    integers: bool
    kind: Kind | None = None
    made_by_medsr: bool = False


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
    voxels, padding = _without_padding(voxels, known.modality, path.name)
    settings = known.sidecar.settings
    spacing = geometry.spacing_mm(known.placement.affine)
    return Volume(
        voxels=voxels,
        affine=known.placement.affine,
        modality=known.modality,
        unit="HU" if known.modality == "CT" else "scanner units",
        slice_axis=_slice_axis(header, spacing),
        slice_thickness_mm=positive_number(settings.get("SliceThickness")),
        slice_profile=declared_profile(settings),
        stored_as_integers=known.integers,
        name=path.name,
        padding=padding,
        space=known.placement.space,
        kind=known.kind or kind_of_voxels(voxels),
        remarks=(*known.placement.remarks, *known.sidecar.remarks),
    )


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header and the sidecars of a 3-D scan, and check the grid.

    The voxels of what compresses like a mask are looked at; those of scans are not.

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
    return NiftiHeader(
        shape=(x, y, z),
        spacing_mm=(float(a), float(b), float(c)),
        modality=known.modality,
        integers=known.integers,
        kind=kind,
        made_by_medsr="ModelSHA256" in known.sidecar.settings,
    )


def _without_padding(
    voxels: NDArray[np.float32], modality: Modality | None, name: str
) -> tuple[NDArray[np.float32], Padding | None]:
    """Background where a converter kept the scanner's padding, and air for what is below air."""
    is_ct = modality == "CT" or (modality is None and looks_like_ct(voxels))
    padding = constant_padding(voxels, is_ct=is_ct)
    if padding is not None:
        voxels = voxels.copy(order="K")
        without_padding(voxels, padding.mask, "CT" if is_ct else "MR", name)
    if is_ct and float(voxels.min()) < AIR_HU:
        voxels = np.maximum(voxels, np.float32(AIR_HU))
    return voxels, padding


def write_nifti(volume: Volume, path: Path, facts: dict[str, Any] | None = None) -> None:
    """Write a volume and, when facts are given, its sidecar; whole or not at all.

    CT that was stored as whole numbers is rounded to int16 HU; all else is float32.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    suffix = ".nii.gz" if path.name.lower().endswith(".gz") else ".nii"
    partial = path.with_name(f".{strip_suffix(path)}.{os.getpid()}.partial{suffix}")
    sidecar_partial = sidecar_path(partial)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(volume, partial)
        if facts is not None:
            sidecar_partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            sidecar_partial.replace(sidecar_path(path))
        partial.replace(path)
    except OSError as fault:
        raise OutputError(
            f"{path.name}: cannot be written ({fault.strerror or 'unknown reason'}). "
            "Choose a folder that exists, is yours and has room."
        ) from None
    finally:
        with suppress(OSError):  # the folder may not be one
            partial.unlink(missing_ok=True)
            sidecar_partial.unlink(missing_ok=True)


def nifti_bytes(
    stored: NDArray[np.integer[Any]],
    affine: NDArray[np.float64],
    *,
    slope: float,
    intercept: float,
) -> bytes:
    """A NIfTI file in memory: value = slope * stored + intercept, no other header fields."""
    image = nibabel.Nifti1Image(stored, affine)
    image.header.set_slope_inter(slope, intercept)
    image.header.set_xyzt_units("mm")
    content: bytes = image.to_bytes()
    return content


def save_image(volume: Volume, path: Path) -> None:
    """Write the image alone, in place; the same volume gives the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    voxels: np.ndarray[Any, Any] = _padded_with_background(volume)
    if volume.unit == "HU" and volume.stored_as_integers:
        voxels = np.clip(np.rint(voxels), -32768, 32767).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, volume.affine)
    sform, qform = volume.space
    image.set_sform(volume.affine, code=sform)
    image.set_qform(volume.affine, code=qform)
    image.header.set_xyzt_units("mm", "sec")
    if volume.slice_axis is not None:
        image.header.set_dim_info(slice=volume.slice_axis)
    with path.open("wb") as raw:
        if path.suffix != ".gz":
            image.to_stream(raw)
            return
        with igzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed:
            image.to_stream(packed)


def _padded_with_background(volume: Volume) -> NDArray[np.float32]:
    """NIfTI has no value for padding: background stands there, and nothing that was restored."""
    if volume.padding is None:
        return volume.voxels
    background = AIR_HU if volume.modality == "CT" else 0.0
    return with_padding(volume.voxels, Padding(background, volume.padding.mask))


def _slice_axis(header: Any, spacing: np.ndarray[Any, Any]) -> int | None:
    """The header's statement, else the one axis that is clearly coarser than both others."""
    declared = header.get_dim_info()[2]
    if declared is not None:
        return int(declared)
    coarse = int(spacing.argmax())
    return coarse if spacing[coarse] > 1.1 * np.delete(spacing, coarse).max() else None

"""NIfTI files; `sidecar` has the settings beside them.

Affine: the header's best one (sform, else qform), as nibabel chooses. A file with neither has no
place in the patient; it is read with its spacing and an origin of zero, as nibabel does.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import igzip
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from medsr.errors import InputError, OutputError, Refused, SeveralVolumes, UsageError
from medsr.volume import geometry
from medsr.volume.modality import Modality, unit_of
from medsr.volume.sidecar import (
    SUFFIXES,
    declared_modality,
    declared_profile,
    positive_number,
    read_sidecar,
    sidecar_path,
    strip_suffix,
)
from medsr.volume.volume import Volume, check_affine, check_shape

__all__ = [
    "NiftiHead",
    "nifti_bytes",
    "read_nifti",
    "read_nifti_head",
    "save_image",
    "save_volume",
    "to_nibabel",
    "volume_of_image",
    "write_nifti",
]

#: What nibabel raises for bytes that are no image.
DAMAGED = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
)


def read_nifti(path: Path) -> Volume:
    """Read a 3-D scan from .nii or .nii.gz.

    Returns:
        Volume with voxels [X, Y, Z] after the header's slope and intercept.

    Raises:
        InputError: the file is missing, unreadable, truncated or not NIfTI.
        Refused: the image is colour, complex, 4-D, or its grid is not valid.
    """
    with _faults_in_words(path):
        volume = volume_of_image(nibabel.load(path), name=path.name)  # NIfTI-1 or NIfTI-2
    facts = read_sidecar(path)
    modality = declared_modality(facts, path.name)
    return replace(
        volume,
        modality=modality,
        unit=unit_of(modality),
        slice_thickness_mm=positive_number(facts.get("SliceThickness")),
        slice_profile=declared_profile(facts),
    )


def volume_of_image(image: Any, *, name: str) -> Volume:
    """A nibabel image as a volume of unknown modality.

    Raises:
        Refused: it is colour, complex, 4-D, or its grid is not valid.
    """
    _check_kind(image, name)
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    affine = _affine_mm(image)
    return Volume(
        voxels=voxels,
        affine=affine,
        slice_axis=_slice_axis(image, geometry.spacing_mm(affine)),
        stored_as_integers=bool(np.issubdtype(image.get_data_dtype(), np.integer)),
        name=name,
    )


@dataclass(frozen=True)
class NiftiHead:
    """One NIfTI file without its voxels.

    Attributes:
        shape: (X, Y, Z).
        spacing_mm: along each axis.
        modality: "MR", "CT", or None when the sidecar does not say.
        integers: whether it holds whole numbers.
        facts: the sidecar; empty when there is none.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    modality: Modality | None
    integers: bool
    facts: dict[str, Any]


def read_nifti_head(path: Path) -> NiftiHead:
    """Read the header and the sidecar of a 3-D scan, and check the grid.

    Raises:
        InputError: the file is missing, unreadable, or not NIfTI.
        SeveralVolumes: it is 4-D.
        Refused: the image is colour or complex, or its grid is not valid.
    """
    with _faults_in_words(path):
        image = nibabel.load(path)
        _check_kind(image, path.name)
    shape = tuple(int(n) for n in image.shape)
    check_shape(shape[:3], path.name)
    affine = _affine_mm(image)
    check_affine(affine, path.name)
    facts = read_sidecar(path)
    x, y, z = geometry.spacing_mm(affine)
    return NiftiHead(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(float(x), float(y), float(z)),
        modality=declared_modality(facts, path.name),
        integers=bool(np.issubdtype(image.get_data_dtype(), np.integer)),
        facts=facts,
    )


@contextmanager
def _faults_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path.name}: there is no such file.") from None
    except PermissionError:
        raise InputError(f"{path.name}: no permission to read this file.") from None
    except DAMAGED:
        raise InputError(
            f"{path.name}: cannot be read as NIfTI; it is damaged, truncated or another format. "
            "Copy or convert it again."
        ) from None
    except (MemoryError, OverflowError):
        raise InputError(
            f"{path.name}: the header announces more voxels than fit into memory; it is damaged, "
            "or the scan must be cropped first."
        ) from None


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


def save_volume(volume: Volume, path: Path) -> Path:
    """Write a volume without a sidecar, whole or not at all; returns the path.

    Raises:
        UsageError: the name does not end in .nii or .nii.gz.
        OutputError: the file cannot be written.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise UsageError(f"{path.name}: a volume is saved as .nii or .nii.gz. Choose such a name.")
    write_nifti(volume, path)
    return path


def to_nibabel(volume: Volume) -> Any:
    """The image that `save_image` writes, in memory."""
    voxels: np.ndarray[Any, Any] = np.asarray(volume.voxels)
    if volume.unit == "HU" and volume.stored_as_integers:
        voxels = np.clip(np.rint(voxels), -32768, 32767).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    if volume.slice_axis is not None:
        image.header.set_dim_info(slice=volume.slice_axis)
    return image


def save_image(volume: Volume, path: Path) -> None:
    """Write the image alone, in place; the same volume gives the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    image = to_nibabel(volume)
    with path.open("wb") as raw:
        if path.suffix != ".gz":
            image.to_stream(raw)
            return
        with igzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed:
            image.to_stream(packed)


def _check_kind(image: Any, name: str) -> None:
    if image.get_data_dtype().fields is not None:
        raise Refused(f"{name}: is a colour image; medsr takes scans with one value a voxel.")
    if np.issubdtype(image.get_data_dtype(), np.complexfloating):
        raise Refused(f"{name}: holds complex numbers; give medsr the magnitude image.")
    shape = tuple(int(n) for n in image.shape)
    if len(shape) > 3 and math.prod(shape[3:]) > 1:
        raise SeveralVolumes(
            f"{name}: has {len(shape)} axes (shape {shape}); medsr takes one 3-D volume. "
            "Split a 4-D series into single volumes first."
        )


def _affine_mm(image: Any) -> np.ndarray[Any, Any]:
    """The affine in mm, whatever unit of length the header names; no unit means mm."""
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= {"meter": 1000.0, "micron": 0.001}.get(image.header.get_xyzt_units()[0], 1.0)
    return affine


def _slice_axis(image: Any, spacing: np.ndarray[Any, Any]) -> int | None:
    """The header's own word, else the one axis that is clearly coarser than both others."""
    said = image.header.get_dim_info()[2]
    if said is not None:
        return int(said)
    return geometry.clearly_coarse_axis(spacing)

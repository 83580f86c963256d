"""Writes a volume as a NIfTI file, with its sidecar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import igzip
from numpy.typing import NDArray

from medsr.errors import UsageError
from medsr.volume.atomic import commit, output_faults, staging
from medsr.volume.modality import air_value
from medsr.volume.padding import Padding, with_padding
from medsr.volume.sidecar import SUFFIXES, sidecar_path
from medsr.volume.volume import Volume

__all__ = ["nifti_bytes", "save_image", "save_volume", "to_nibabel", "write_nifti"]


def write_nifti(volume: Volume, path: Path, facts: dict[str, Any] | None = None) -> None:
    """Write a volume and, when facts are given, its sidecar, atomically.

    CT that was stored as whole numbers is rounded to int16 HU; all else is float32.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    suffix = ".nii.gz" if path.name.lower().endswith(".gz") else ".nii"
    with staging(path) as partial, output_faults(path.name):
        image = partial / f"image{suffix}"
        save_image(volume, image)
        moves = [(image, path)]
        if facts is not None:
            page = partial / "image.json"
            page.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            moves.insert(0, (page, sidecar_path(path)))
        commit(moves, partial)


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
    """Write a volume without a sidecar atomically; returns the path.

    Raises:
        UsageError: the name does not end in .nii or .nii.gz.
        OutputError: the file cannot be written.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise UsageError(
            f"{path.name}: a volume is saved as .nii or .nii.gz. Choose a name with one of "
            "these endings."
        )
    write_nifti(volume, path)
    return path


def to_nibabel(volume: Volume) -> Any:
    """The image that `save_image` writes, in memory."""
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


def _padded_with_background(volume: Volume) -> NDArray[np.float32]:
    """NIfTI has no value for padding: background stands there, and nothing that was restored."""
    if volume.padding is None:
        return volume.voxels
    return with_padding(volume.voxels, Padding(air_value(volume.modality), volume.padding.mask))

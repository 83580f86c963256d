"""Converts images of other libraries to a `Volume`, without importing those libraries.

An image that exists was made by its library, which is then in `sys.modules`. Places in the
patient follow each library's convention: nibabel and MONAI use RAS+, SimpleITK uses LPS+ (x and y
reversed).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medsr.errors import Refused, UsageError
from medsr.volume import geometry
from medsr.volume.itk import affine_of_lps
from medsr.volume.nifti_place import place
from medsr.volume.volume import Volume

__all__ = ["as_volume"]


def as_volume(
    scan: Any, *, affine: Any = None, spacing_mm: Sequence[float] | None = None
) -> Volume:
    """A scan in any form as a `Volume`.

    Args:
        scan: a path, a `Volume`, a nibabel image, a SimpleITK image, a MONAI MetaTensor, a NumPy
            array or a torch tensor [X, Y, Z] (a leading or trailing axis of 1 is dropped).
        affine: [4, 4], voxel -> RAS+ mm, of an array or tensor.
        spacing_mm: along X, Y and Z, of an array or tensor without an affine.

    Raises:
        InputError, Refused: the file cannot be read, or is not one volume.
        UsageError: an array without affine and spacing, a spacing for anything else, or
            something that is no image.

    Example:
        >>> as_volume(np.ones((4, 4, 4)), spacing_mm=(1, 1, 3)).spacing_mm
        (1.0, 1.0, 3.0)
    """
    if spacing_mm is not None and not (_is_of("torch", scan) or isinstance(scan, np.ndarray)):
        raise UsageError(
            "spacing_mm= describes an array; this scan states its own spacing. For the spacing "
            "of the result, give options=medsr.Options(spacing_mm=...)."
        )
    if isinstance(scan, Volume):
        return scan
    if isinstance(scan, str | Path):
        from medsr.volume.formats import read

        return read(scan)
    if _is_of("nibabel.", scan) and hasattr(scan, "dataobj"):
        return _from_nibabel(scan)
    if _is_of("SimpleITK", scan):
        return _from_simpleitk(scan)
    if _is_of("torch", scan) or _is_of("monai.", scan):
        found = getattr(scan, "affine", None) if affine is None else affine
        affine = found if found is None or isinstance(found, np.ndarray) else np.asarray(found)
        scan = scan.detach().cpu().float().numpy()
    if isinstance(scan, np.ndarray):
        return _from_array(scan, affine, spacing_mm)
    raise UsageError(
        f"A scan of type {type(scan).__name__} is not supported. Give a path, a Volume, a "
        "nibabel or SimpleITK image, or an array with its affine or spacing_mm."
    )


def _is_of(package: str, value: Any) -> bool:
    """Whether a value's class, or one that it derives from, comes from a package."""
    return any(kind.__module__.startswith(package) for kind in type(value).__mro__)


def _from_nibabel(image: Any) -> Volume:
    """Any image of nibabel; of NIfTI also the unit of length and the codes of its space."""
    name = Path(image.get_filename() or "image").name
    data = np.asanyarray(image.dataobj)
    if data.dtype.fields is not None:
        raise Refused(f"{name}: is a colour image; medsr needs one value per voxel.")
    if not hasattr(image.header, "get_xyzt_units"):
        return replace(_from_array(data, image.affine, None), name=name)
    image.update_header()
    placement = place(image.header)
    volume = _from_array(data, placement.affine, None)
    return replace(volume, space=placement.space, remarks=placement.remarks, name=name)


def _from_simpleitk(image: Any) -> Volume:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UsageError("A SimpleITK image must have 3 dimensions and one value per voxel.")
    affine = affine_of_lps(image.GetDirection(), image.GetSpacing(), image.GetOrigin())
    voxels = sys.modules["SimpleITK"].GetArrayFromImage(image).transpose(2, 1, 0)
    return _from_array(voxels, affine, None)


def _from_array(array: Any, affine: Any, spacing_mm: Sequence[float] | None) -> Volume:
    if affine is None and spacing_mm is None:
        raise UsageError(
            "An array has no voxel spacing: give its affine (4 x 4, voxel -> RAS+ mm) or "
            "its spacing_mm (X, Y, Z)."
        )
    if not np.issubdtype(array.dtype, np.number) and array.dtype != bool:
        raise UsageError(f"An array of type {array.dtype} does not contain intensities.")
    if np.iscomplexobj(array):
        raise UsageError("A complex array is not a magnitude image: give its absolute value.")
    try:
        place = np.asarray(affine, dtype=np.float64) if affine is not None else _scaled(spacing_mm)
    except (TypeError, ValueError):
        raise UsageError("The affine or the spacing_mm must consist of numbers.") from None
    voxels = np.asarray(array)
    while voxels.ndim > 3 and 1 in (voxels.shape[0], voxels.shape[-1]):
        voxels = voxels[0] if voxels.shape[0] == 1 else voxels[..., 0]
    whole = bool(np.issubdtype(voxels.dtype, np.integer))
    return Volume(
        voxels=voxels.astype(np.float32),
        affine=place,
        slice_axis=_slice_axis(place),
        stored_as_integers=whole,
        name="array",
    )


def _scaled(spacing_mm: Sequence[float] | None) -> Any:
    values = np.asarray(spacing_mm, dtype=np.float64)
    if values.shape != (3,) or not (values > 0).all():
        raise UsageError("spacing_mm must be three positive numbers of mm (X, Y, Z).")
    return np.diag([*values, 1.0])


def _slice_axis(affine: Any) -> int | None:
    """The one axis that is clearly coarser than both others."""
    if affine.shape != (4, 4):
        return None  # the Volume refuses it
    return geometry.clearly_coarse_axis(geometry.spacing_mm(affine))

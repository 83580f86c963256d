"""The position of a NIfTI image: its affine in mm and its space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.remarks import Meaning, Remark
from medsr.volume import geometry
from medsr.volume.nifti_header import shape_of

__all__ = ["Placement", "place"]

#: Unit codes of length -> mm.
_UNITS = {1: 1000.0, 2: 1.0, 3: 0.001}

#: Spacing that a scan of a patient can have, mm.
_FINEST, _COARSEST = 0.01, 100.0


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a NIfTI image lies.

    Attributes:
        affine: [4, 4], voxel -> RAS+ mm, of the form that counts: sform, else qform, else pixdim.
        space: sform_code and qform_code for what is written; of two forms that differ only
            the first is kept.
        remarks: what was assumed instead of what the header says.
    """

    affine: NDArray[np.float64]
    space: tuple[int, int]
    remarks: tuple[Remark, ...]


def place(header: Any) -> Placement:
    """The affine in mm, with the codes of its space.

    Raises:
        ValueError, numpy.linalg.LinAlgError: a quaternion that is none.
    """
    assumed: list[str] = []
    for form in ("sform_code", "qform_code"):
        if not 0 <= int(header[form]) <= 5:
            assumed.append(f"The {form} {int(header[form])} is undefined in NIfTI; 2 is assumed.")
            header[form] = 2
    affine = np.array(header.get_best_affine(), dtype=np.float64)
    scale = _unit_mm(header, affine, assumed)
    affine[:3] *= scale
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if sform and qform and not _agree(header, affine, scale):
        assumed.append(
            "The sform and the qform place the image differently; the sform is used, as in "
            "most programs."
        )
        qform = 0
    remarks = tuple(Remark(Meaning.ASSUMPTION, words) for words in assumed)
    return Placement(affine, (sform, qform), remarks)


def _unit_mm(header: Any, affine: NDArray[np.float64], assumed: list[str]) -> float:
    """Millimetres of one unit of length: what the header says, where that can be."""
    code = int(header["xyzt_units"]) & 7
    if code == 0:
        return 1.0
    if code not in _UNITS:
        assumed.append(f"The unit of length {code} is undefined in NIfTI; mm is assumed.")
        return 1.0
    spacing = geometry.spacing_mm(affine)

    def believable(scale: float) -> bool:
        return bool(spacing.min() * scale >= _FINEST and spacing.max() * scale <= _COARSEST)

    if believable(_UNITS[code]) or not believable(1.0):
        return _UNITS[code]
    mm = " x ".join(f"{s:.4g}" for s in spacing * _UNITS[code])
    unit = "metres" if code == 1 else "microns"
    assumed.append(
        f"The header gives lengths in {unit}, which would make the voxels {mm} mm; mm is assumed."
    )
    return 1.0


def _agree(header: Any, affine: NDArray[np.float64], scale: float) -> bool:
    """Whether the qform places no corner of the image more than a voxel away from the sform."""
    try:
        other = np.array(header.get_qform(), dtype=np.float64)
    except ValueError:  # HeaderDataError among them: a quaternion that is none
        return False
    other[:3] *= scale
    shape = np.array(shape_of(header)[:3], dtype=np.float64)
    corners = np.array(np.meshgrid(*([0.0, n - 1] for n in shape))).reshape(len(shape), -1)
    if len(shape) < 3 or not np.isfinite(other).all():
        return False
    apart = (other - affine)[:3, :3] @ corners + (other - affine)[:3, 3:]
    return bool(np.abs(apart).max() <= geometry.spacing_mm(affine).min())

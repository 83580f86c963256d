"""Data range, intensity floor and slice axis of a reference, independent of any estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsr.errors import Refused
from medsr.metrics import foreground
from medsr.volume import geometry
from medsr.volume.modality import Modality, air_value
from medsr.volume.recognise import guess_modality
from medsr.volume.volume import Volume

__all__ = ["Ruler", "ruler_of"]

#: An MR reference with more than this share of voxels as far below zero as its foreground starts
#: above it is normalized, or no magnitude image.
NEGATIVE_SHARE = 0.01


@dataclass(frozen=True)
class Ruler:
    """The settings with which a reference is measured, independent of any estimate.

    Attributes:
        modality, modality_how: "MR" or "CT", and how that is known.
        intensity_floor: subtracted from both images before comparing.
        data_range, data_range_how: R, in the reference's unit, and where it comes from.
        slice_axis, slice_axis_how: the axis across which slices are taken, and why.
    """

    modality: Modality
    modality_how: str
    intensity_floor: float
    data_range: float
    data_range_how: str
    slice_axis: int
    slice_axis_how: str


def ruler_of(reference: Volume, data_range: float | None) -> Ruler:
    """The reference's ruler; `data_range` as given, or `foreground.robust_range`.

    Raises:
        Refused: the reference is constant, empty or normalized, so that it sets no scale.
    """
    modality, modality_how = _modality(reference)
    _check_scale(reference, modality)
    floor = air_value(modality)
    axis, axis_how = _slice_axis(reference)
    if data_range is None:
        value = foreground.robust_range(reference.voxels, modality=modality)
        how = (
            f"{foreground.TOP_PERCENTILE}th percentile of the whole reference, "
            f"{value + floor:.6g}, minus {floor:g}"
        )
    else:
        value, how = float(data_range), "as given"
    return Ruler(modality, modality_how, floor, value, how, axis, axis_how)


def _check_scale(reference: Volume, modality: Modality) -> None:
    """Refuse a reference from which neither a range nor a foreground follows."""
    low, high = float(reference.voxels.min()), float(reference.voxels.max())
    if low == high:
        raise Refused(
            f"{reference.name}: every voxel of the reference is {low:.4g}, so there is nothing to "
            "compare. Check that it is the right file."
        )
    if modality == Modality.CT:
        return
    top = float(np.percentile(reference.voxels, foreground.TOP_PERCENTILE))
    below = reference.voxels < -foreground.MR_THRESHOLD * max(top, 0.0)
    share = np.count_nonzero(below) / below.size
    if share > NEGATIVE_SHARE:
        raise Refused(
            f"{reference.name}: {100 * share:.0f} % of the reference's voxels are clearly "
            f"negative (lowest {low:.4g}, 99.9th percentile {top:.4g}). A magnitude image starts "
            "at zero, so this one seems to be normalized (z-scored, for example), and neither the "
            "range of PSNR and SSIM nor the foreground can be taken from it. Compare the scans as "
            "they were before normalization, or undo it in both with the mean and the standard "
            "deviation of the reference. For a CT in HU, state the modality in the sidecar."
        )


def _modality(reference: Volume) -> tuple[Modality, str]:
    if reference.modality is not None:
        return reference.modality, "from the reference's header"
    if reference.unit == "HU":
        return Modality.CT, "because the unit is HU"
    if guess_modality(reference.voxels).modality == Modality.CT:
        return (
            Modality.CT,
            "assumed, because the header does not state it and many voxels are as dark "
            "as air in HU",
        )
    return Modality.MR, (
        "assumed, because the header does not state it and the intensities do not look like HU"
    )


def _slice_axis(reference: Volume) -> tuple[int, str]:
    """The axis of the slice-wise SSIM: the reference's own, else the one nearest to foot-head."""
    if reference.slice_axis is not None:
        direction = geometry.axis_words(reference.affine, reference.slice_axis)
        return reference.slice_axis, f"the reference's slices, stacked {direction}"
    axis = int(np.abs(reference.affine[2, :3] / reference.spacing_mm).argmax())
    return (
        axis,
        "slices stacked foot-head (assumed; the reference does not state its slice direction)",
    )

"""How close are several estimates of one scan to its reference, and what do the numbers mean?

One reference, any number of estimates, one common box, one mask, one range: the rows of the table
differ in the estimate alone. The range and the mask come from the reference (`foreground`), the
box from the grids (`common_box`), the numbers from `table.METRICS`. The `Evaluation` carries all
that a reader needs to compute the same numbers elsewhere.

CT is compared as HU + 1024, so that intensities start at zero, as SSIM expects; no other number
changes by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused, UsageError
from medsr.metrics import foreground
from medsr.metrics.common_box import Box, Placed, common_box, place, words
from medsr.metrics.evaluation import Evaluation, Row, Ruler, Score
from medsr.metrics.fidelity import ssim_voxels
from medsr.metrics.table import METRICS
from medsr.volume import geometry
from medsr.volume.volume import Modality, Volume

__all__ = ["evaluate_pair"]

#: A scan of unknown modality with more than this per cent of voxels below
#: `foreground.CT_THRESHOLD_HU` is taken as CT: no magnitude image is that negative.
AIR_PERCENT = 1.0


def evaluate_pair(
    reference: Volume,
    estimates: Mapping[str, Volume],
    mask: Volume | None = None,
    data_range: float | None = None,
) -> Evaluation:
    """Compare estimates with their reference, voxel by voxel.

    Args:
        reference: what the estimates should look like.
        estimates: label -> volume, on the reference's grid. Axes stored in another order or
            direction, and whole-voxel crops, are resolved exactly; nothing is interpolated.
        mask: a volume on that grid whose non-zero voxels are compared; None for
            `foreground.foreground_mask` of the reference.
        data_range: R > 0 in the reference's unit; None for `foreground.robust_range` of the whole
            reference.

    Returns:
        Evaluation; a metric that has no value here (a volume too thin for SSIM) says why.

    Raises:
        UsageError: no estimate, or a range that is not positive.
        Refused: an estimate or the mask is on another grid, an estimate has another modality, the
            mask marks no common voxel, or the reference is empty.
    """
    if not estimates:
        raise UsageError("There is no estimate to compare with the reference; give at least one.")
    for volume in estimates.values():
        _check_modality(volume, reference)
    ruler = _ruler(reference, data_range)
    placed = {label: place(volume, reference) for label, volume in estimates.items()}
    placed_mask, mask_how = _placed_mask(mask, reference, ruler.modality)
    box = common_box(reference.shape, [*placed.values(), placed_mask])
    chosen = placed_mask.cut(box) != 0
    if not chosen.any():
        raise Refused(f"{mask_how}: marks no voxel that all scans share. Give a larger mask.")
    x = _counted(_whole(reference), box, ruler)
    rows = []
    for label, part in placed.items():
        scores = _scores(x, _counted(part, box, ruler), ruler, chosen)
        rows.append(Row(label, estimates[label].name, _notes(part, reference), scores))
    return Evaluation(
        reference=reference.name,
        reference_shape=reference.shape,
        spacing_mm=reference.spacing_mm,
        unit=reference.unit,
        ruler=ruler,
        box=box,
        mask_how=mask_how,
        mask_voxels=int(np.count_nonzero(chosen)),
        ssim_3d_voxels=ssim_voxels(x.shape, chosen),
        ssim_slice_voxels=ssim_voxels(x.shape, chosen, axis=ruler.slice_axis),
        rows=tuple(rows),
    )


def _ruler(reference: Volume, data_range: float | None) -> Ruler:
    modality, modality_how = _modality(reference)
    floor = foreground.intensity_floor(modality)
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


def _whole(volume: Volume) -> Placed:
    return Placed(volume.voxels, (0, 0, 0), False)


def _counted(part: Placed, box: Box, ruler: Ruler) -> NDArray[np.float64]:
    """The box of a scan, with intensities counted from the floor."""
    return part.cut(box).astype(np.float64) - ruler.intensity_floor


def _scores(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    ruler: Ruler,
    mask: NDArray[np.bool_],
) -> tuple[Score, ...]:
    known: dict[str, Any] = {"data_range": ruler.data_range, "axis": ruler.slice_axis}
    scores = []
    for name, metric in METRICS.items():
        needed = {key: known[key] for key in metric.needs}
        try:
            scores.append(Score(name, metric.function(x, y, mask=mask, **needed)))
        except Refused as why:
            scores.append(Score(name, None, str(why)))
    return tuple(scores)


def _modality(reference: Volume) -> tuple[Modality, str]:
    if reference.modality is not None:
        return reference.modality, "as the reference's file says"
    if reference.unit == "HU":
        return "CT", "since the unit is HU"
    limit = foreground.CT_THRESHOLD_HU
    if float(np.percentile(reference.voxels, AIR_PERCENT)) < limit:
        return "CT", (
            f"assumed: the file does not say, and more than {AIR_PERCENT:g} % of the voxels are "
            f"below {limit:g}"
        )
    return "MR", "assumed: the file does not say, and the intensities do not look like HU"


def _check_modality(volume: Volume, reference: Volume) -> None:
    known = {volume.modality, reference.modality} - {None}
    if len(known) > 1:
        raise Refused(
            f"{volume.name} is {volume.modality}, the reference {reference.name} is "
            f"{reference.modality}; their intensities cannot be compared. Check the files."
        )


def _placed_mask(mask: Volume | None, reference: Volume, modality: Modality) -> tuple[Placed, str]:
    """The mask on the reference's grid (non-zero voxels count), and what it is."""
    if mask is not None:
        return place(mask, reference), f"non-zero voxels of {mask.name}"
    found = foreground.foreground_mask(reference.voxels, modality=modality)
    threshold = (
        f"voxels above {foreground.CT_THRESHOLD_HU:g} HU"
        if modality == "CT"
        else f"voxels above {foreground.MR_THRESHOLD:g} of the {foreground.TOP_PERCENTILE}th "
        "percentile"
    )
    how = f"foreground of the reference ({threshold}, holes filled, largest component)"
    return Placed(found.astype(np.float32), (0, 0, 0), False), how


def _slice_axis(reference: Volume) -> tuple[int, str]:
    """The axis of the slice-wise SSIM: the reference's own, else the one nearest to foot-head."""
    if reference.slice_axis is not None:
        direction = geometry.axis_words(reference.affine, reference.slice_axis)
        return reference.slice_axis, f"the reference's slices, stacked {direction}"
    axis = int(np.abs(reference.affine[2, :3] / reference.spacing_mm).argmax())
    return axis, "slices stacked foot-head; the reference does not say how it was sliced"


def _notes(part: Placed, reference: Volume) -> tuple[str, ...]:
    notes = []
    if part.reoriented:
        notes.append("axes permuted or flipped to the reference's, exactly")
    if part.offset != (0, 0, 0) or part.voxels.shape != reference.shape:
        notes.append(
            f"is a whole-voxel crop: shape {words(part.voxels.shape)}, first voxel at "
            f"{part.offset} of the reference"
        )
    return tuple(notes)

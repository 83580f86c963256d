"""Compares several estimates of one scan with its reference.

One reference, any number of estimates, one common box, one mask, one range: the rows of the table
differ in the estimate alone. The range and the mask come from the reference (`foreground`), the
box from the grids (`common_box`), the numbers from `table.METRICS`. The `Evaluation` carries all
that a reader needs to compute the same numbers elsewhere.

CT is compared as HU + 1024, so that intensities start at zero, as SSIM expects; no other number
changes by that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused, UsageError
from medsr.evaluation.evaluation import Evaluation
from medsr.evaluation.parts import parts_of
from medsr.evaluation.ruler import Ruler, ruler_of
from medsr.evaluation.scores import Row, Score, warnings_of
from medsr.evaluation.sentences import FOREGROUND
from medsr.metrics import consistency, foreground
from medsr.metrics.fidelity import ssim_voxels
from medsr.metrics.registry import ALL_METRICS, METRICS, OTHER_NUMBERS
from medsr.metrics.shift import find_shift
from medsr.regions.segmenter import Segmenter
from medsr.volume.modality import Modality
from medsr.volume.placement import Box, Placed, common_box, place, words
from medsr.volume.volume import Volume

__all__ = ["Measured", "evaluate_pair"]

#: All scans must share this part of the mask.
SMALLEST_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Measured:
    """The scan that an enhancement started from, and how a scanner would see an estimate.

    Attributes:
        volume: the measured scan.
        slice_axis: its slices are stacked along this voxel axis.
        predict: A of an estimate: voxels on the measured scan's grid; raises `Refused` where the
            estimate's grid is not a fine grid of the scan.
    """

    volume: Volume
    slice_axis: int
    predict: Callable[[Volume], NDArray[np.float32]]


def evaluate_pair(
    reference: Volume,
    estimates: Mapping[str, Volume],
    mask: Volume | None = None,
    data_range: float | None = None,
    measured: Measured | None = None,
    labels: Volume | None = None,
    baselines: Collection[str] = (),
    segmenter: Segmenter | None = None,
) -> Evaluation:
    """Compare estimates with their reference; a metric without a value here says why.

    Args:
        reference: what the estimates should look like.
        estimates: label -> volume; other axes and whole-voxel crops are resolved exactly.
        mask: its non-zero voxels are compared; the reference's foreground when None.
        data_range: R > 0 in the reference's unit; `foreground.robust_range` when None.
        measured: the low scan, for the consistency with it.
        labels: a label map on the reference's grid, for the tissue numbers.
        baselines: the estimates that are plain interpolation.
        segmenter: for the numbers of regions.

    Raises:
        UsageError: no estimate, or a range that is not positive.
        Refused: grids, modalities or the mask do not fit, the scans share too little, or the
            reference is empty, constant or normalized.
    """
    if not estimates:
        raise UsageError("Give at least one estimate to compare with the reference.")
    ruler = ruler_of(reference, data_range)
    placed = {label: _placed(volume, reference) for label, volume in estimates.items()}
    placed_labels = [] if labels is None else [place(labels, reference)]
    placed_mask, mask_how = _placed_mask(mask, reference, ruler.modality)
    box = common_box(reference.shape, [*placed.values(), placed_mask, *placed_labels])
    chosen = _chosen(placed_mask, mask_how, box)
    case = _Case(reference, ruler, box, chosen, measured, frozenset(baselines))
    x = _counted(_whole(reference), box, ruler)
    images = {label: _counted(placed[label], box, ruler) for label in estimates}
    parts = parts_of(x, images, reference, box, (*placed_labels, None)[0], segmenter)
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
        rows=tuple(
            case.row(x, images[k], k, volume, placed[k], parts.scores(k))
            for k, volume in estimates.items()
        ),
        reference_scores=case.own(x, parts.scores()),
        tissues=parts.tissues,
        regions=parts.regions,
        segmenter=parts.segmenter,
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """What every estimate of one reference is measured with."""

    reference: Volume
    ruler: Ruler
    box: Box
    mask: NDArray[np.bool_]
    measured: Measured | None
    baselines: frozenset[str]

    def scores(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        volume: Volume,
        of_parts: tuple[Score, ...],
    ) -> tuple[Score, ...]:
        """All numbers of an image y but its shift."""
        return (
            *_scores(x, y, self.ruler, self.mask, self.reference.spacing_mm),
            *_consistency(volume, self.measured, self.ruler),
            *of_parts,
        )

    def own(self, x: NDArray[np.float64], of_parts: tuple[Score, ...]) -> tuple[Score, ...]:
        """What the reference has by itself."""
        scores = self.scores(x, x, self.reference, of_parts)
        return tuple(s for s in scores if _is_own(s.metric))

    def row(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        label: str,
        volume: Volume,
        part: Placed,
        of_parts: tuple[Score, ...],
    ) -> Row:
        """One estimate: its numbers, where it lies, and what to warn of."""
        spacing = self.reference.spacing_mm
        shift = find_shift(x, y, spacing_mm=spacing, mask=self.mask)
        scores = (*self.scores(x, y, volume, of_parts), Score("shift_mm", shift.mm))
        warnings = warnings_of(scores, shift, self.ruler.data_range)
        notes = _notes(part, self.reference)
        plain = label in self.baselines
        return Row(label, volume.name, notes, scores, shift.voxels, warnings, plain)


def _whole(volume: Volume) -> Placed:
    return Placed(volume.voxels, (0, 0, 0), False)


def _counted(part: Placed, box: Box, ruler: Ruler) -> NDArray[np.float64]:
    """The box of a scan, with intensities counted from the floor."""
    return np.asarray(part.cut(box), np.float64) - ruler.intensity_floor


def _scores(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    ruler: Ruler,
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> tuple[Score, ...]:
    known: dict[str, Any] = {
        "data_range": ruler.data_range,
        "axis": ruler.slice_axis,
        "spacing_mm": spacing_mm,
    }
    scores = []
    for name, metric in METRICS.items():
        if metric.function is None:
            continue
        needed = {key: known[key] for key in metric.needs}
        try:
            scores.append(Score(name, metric.function(x, y, mask=mask, **needed)))
        except Refused as why:
            scores.append(Score(name, None, str(why)))
    return tuple(scores)


def _is_own(name: str) -> bool:
    """Whether a number of the reference against itself says something about the reference."""
    return ALL_METRICS[name].better == "reference" or name in OTHER_NUMBERS


def _consistency(volume: Volume, measured: Measured | None, ruler: Ruler) -> tuple[Score, ...]:
    """The two numbers of `consistency`, where there is a measured scan."""
    if measured is None:
        return ()
    try:
        predicted = measured.predict(volume).astype(np.float64) - ruler.intensity_floor
        y = measured.volume.voxels.astype(np.float64) - ruler.intensity_floor
        worst, _ = consistency.worst_slice(y, predicted, axis=measured.slice_axis)
        return (
            Score("consistency", consistency.residual(y, predicted)),
            Score("consistency_worst", worst),
        )
    except Refused as why:
        return Score("consistency", None, str(why)), Score("consistency_worst", None, str(why))


def _placed(volume: Volume, reference: Volume) -> Placed:
    """An estimate on the reference's grid."""
    known = {volume.modality, reference.modality} - {None}
    if len(known) > 1:
        raise Refused(
            f"{volume.name} is {volume.modality}, the reference {reference.name} is "
            f"{reference.modality}; their intensities cannot be compared. Check the files."
        )
    return place(volume, reference)


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
    how = f"{FOREGROUND} ({threshold}, holes filled, largest component)"
    return Placed(found.astype(np.float32), (0, 0, 0), False), how


def _chosen(mask: Placed, how: str, box: Box) -> NDArray[np.bool_]:
    """The voxels of a mask in the box; refuses where that is a small part of the mask."""
    chosen = np.asarray(mask.cut(box) != 0)
    if not chosen.any():
        raise Refused(f"{how}: selects no voxel that all scans share. Give a larger mask.")
    share = float(np.count_nonzero(chosen)) / float(np.count_nonzero(mask.voxels))
    if share < SMALLEST_SHARE:
        raise Refused(
            f"The scans share only {100 * share:.2g} % of the mask ({how}); at least "
            f"{100 * SMALLEST_SHARE:g} % is needed. Check that the estimate belongs to this "
            "reference, or crop the reference to the region that is to be compared."
        )
    return chosen


def _notes(part: Placed, reference: Volume) -> tuple[str, ...]:
    notes = []
    if part.reoriented:
        notes.append("axes permuted or flipped to the reference's, exactly")
    if part.offset != (0, 0, 0) or part.voxels.shape != reference.shape:
        notes.append(
            f"has {words(part.voxels.shape)} voxels, the first at {part.offset} of the "
            f"reference, which has {words(reference.shape)}"
        )
    return tuple(notes)

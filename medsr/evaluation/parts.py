"""Numbers of parts of the anatomy: tissues by a label map, regions by a segmenter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.evaluation.scores import Score
from medsr.metrics.tissue import Tissue, compare_tissues
from medsr.regions.compare import Region, compare_regions
from medsr.regions.segmenter import Segmenter
from medsr.volume.placement import Box, Placed
from medsr.volume.volume import Volume

__all__ = ["Parts", "parts_of"]

#: The label under which the reference's own parts stand.
REFERENCE = "reference"


@dataclass(frozen=True)
class Parts:
    """Tissues and regions of the reference and of each estimate.

    Attributes:
        tissues: "reference" and each label -> its tissues; empty without a label map.
        regions: the same for regions; empty without a segmenter.
        segmenter: its name; empty for none.
        why_none: why it gave no regions.
    """

    tissues: Mapping[str, tuple[Tissue, ...]]
    regions: Mapping[str, tuple[Region, ...]]
    segmenter: str = ""
    why_none: str = ""

    def scores(self, label: str = REFERENCE) -> tuple[Score, ...]:
        """The mean numbers of one image."""
        tissues = _means("tissue", self.tissues.get(label, ()))
        if self.why_none:
            why = self.why_none
            return (*tissues, Score("region_dice", None, why), Score("region_volume", None, why))
        return (*tissues, *_means("region", self.regions.get(label, ())))


def _means(kind: str, found: Sequence[Tissue | Region]) -> tuple[Score, ...]:
    """Mean overlap and absolute change of volume of the parts of one image; none without parts."""
    if not found:
        return ()
    return (
        Score(f"{kind}_dice", float(np.mean([part.dice for part in found]))),
        Score(f"{kind}_volume", float(np.mean([abs(part.change_percent) for part in found]))),
    )


def parts_of(
    x: NDArray[np.float64],
    images: Mapping[str, NDArray[np.float64]],
    reference: Volume,
    box: Box,
    labels: Placed | None,
    segmenter: Segmenter | None,
) -> Parts:
    """Segment and compare.

    Args:
        x: the reference in the box; images: each estimate there; counted from the floor.
        reference: whose grid the box is on.
        box: what is compared.
        labels: the label map; None for no tissues.
        segmenter: None for no regions.

    Raises:
        Refused: the label map does not suit; see `compare_tissues`.
    """
    tissues: dict[str, tuple[Tissue, ...]] = {}
    if labels is not None:
        found = np.rint(labels.cut(box)).astype(np.int64)
        tissues = compare_tissues(x, images, found, math.prod(reference.spacing_mm) / 1000)
    if segmenter is None:
        return Parts(tissues, {})
    affine = reference.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [start for start, _ in box]
    try:
        regions = compare_regions(segmenter, x, images, affine)
        return Parts(tissues, regions, segmenter.name)
    except Refused as why:
        return Parts(tissues, {}, segmenter.name, str(why))

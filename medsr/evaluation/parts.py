"""Numbers of parts of the anatomy: tissues by a label map, regions by a segmenter."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
        return (*self._tissue_scores(label), *self._region_scores(label))

    def _tissue_scores(self, label: str) -> tuple[Score, ...]:
        found = self.tissues.get(label)
        if not found:
            return ()
        return (
            Score("tissue_dice", float(np.mean([t.dice for t in found]))),
            Score("tissue_volume", float(np.mean([abs(t.change_percent) for t in found]))),
        )

    def _region_scores(self, label: str) -> tuple[Score, ...]:
        if self.why_none:
            return tuple(Score(n, None, self.why_none) for n in ("region_dice", "region_volume"))
        found = self.regions.get(label)
        if not found:
            return ()
        return (
            Score("region_dice", float(np.mean([r.dice for r in found]))),
            Score("region_volume", float(np.mean([abs(r.change_percent) for r in found]))),
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

"""The result of an evaluation, as JSON and as text.

Every number stands beside its definition: range, mask, box, window, unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medsr.evaluation.ruler import Ruler
from medsr.evaluation.scores import Row, Score
from medsr.evaluation.sentences import (
    FOREGROUND,
    NO_INTERPOLATION,
    NO_LOW,
    definition,
    left_out,
    reading,
    wrapped,
)
from medsr.metrics.registry import ALL_METRICS, FIRST, IMAGE_UNIT
from medsr.metrics.tissue import Tissue
from medsr.regions.compare import Region
from medsr.volume.placement import Box, words

__all__ = ["BASELINES", "Evaluation", "cell"]

#: The interpolations that are added where a measured scan is given; the first is shown on request.
BASELINES = ("linear", "cubic")


@dataclass(frozen=True)
class Evaluation:
    """Estimates against one reference, on one box, with one mask and one range.

    Attributes:
        reference: the reference's file name.
        reference_shape: (X, Y, Z).
        spacing_mm: of the reference, mm.
        unit: of the intensities.
        ruler: range, floor, modality and slice axis.
        box: start and stop along each axis, in voxels of the reference.
        mask_how, mask_voxels: what the mask is, and how many voxels it marks in the box.
        ssim_3d_voxels, ssim_slice_voxels: how many of them the two SSIM are averaged over.
        rows: one for each estimate.
        reference_scores: numbers that the reference has by itself: rise, consistency, tissue.
        tissues: "reference" and each label -> its tissues, where a label map was given.
        regions: "reference" and each label -> its regions, where a segmenter was given.
        segmenter: its name; empty for none.
    """

    reference: str
    reference_shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    unit: str
    ruler: Ruler
    box: Box
    mask_how: str
    mask_voxels: int
    ssim_3d_voxels: int
    ssim_slice_voxels: int
    rows: tuple[Row, ...]
    reference_scores: tuple[Score, ...] = ()
    tissues: Mapping[str, tuple[Tissue, ...]] = field(default_factory=dict)
    regions: Mapping[str, tuple[Region, ...]] = field(default_factory=dict)
    segmenter: str = ""

    @property
    def box_shape(self) -> tuple[int, int, int]:
        """The compared box, in voxels."""
        x, y, z = (stop - start for start, stop in self.box)
        return x, y, z

    def value(self, label: str, metric: str) -> float | None:
        """One number of the table.

        Raises:
            KeyError: there is no such label or metric.
        """
        return {(r.label, s.metric): s.value for r in self.rows for s in r.scores}[label, metric]

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, in the order shown."""
        return tuple(s.metric for s in self.rows[0].scores)

    @property
    def first_metrics(self) -> tuple[str, ...]:
        """The metrics that are shown without being asked for."""
        return tuple(name for name in FIRST if name in self.metrics)

    @property
    def first_rows(self) -> tuple[Row, ...]:
        """The estimates, and cubic interpolation where there is a measured scan."""
        return tuple(r for r in self.rows if not (r.is_baseline and r.label == BASELINES[0]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings to read before the metrics; those of an interpolation are only in its row."""
        rows = [row for row in self.rows if not row.is_baseline]
        return tuple(f"{row.label} {warning}" for row in rows for warning in row.warnings)

    def to_json(self) -> dict[str, Any]:
        """Everything, in JSON's own types; an infinite PSNR is the text "infinity"."""
        return {
            "warnings": list(self.warnings),
            "reference": {
                "name": self.reference,
                "shape": list(self.reference_shape),
                "spacing_mm": list(self.spacing_mm),
                "unit": self.unit,
                "modality": self.ruler.modality,
                "modality_how": self.ruler.modality_how,
            },
            "box": {"start_stop": [list(ends) for ends in self.box], "shape": [*self.box_shape]},
            "data_range": {
                "value": self.ruler.data_range,
                "unit": self.unit,
                "how": self.ruler.data_range_how,
                "intensity_floor": self.ruler.intensity_floor,
            },
            "mask": {
                "how": self.mask_how,
                "voxels": self.mask_voxels,
                "of_voxels": math.prod(self.box_shape),
                "ssim_3d_voxels": self.ssim_3d_voxels,
                "ssim_slice_mean_voxels": self.ssim_slice_voxels,
            },
            "slices": {"axis": self.ruler.slice_axis, "how": self.ruler.slice_axis_how},
            "metrics": {
                name: {
                    "definition": ALL_METRICS[name].definition,
                    "unit": self.unit_of(name),
                    "better": ALL_METRICS[name].better,
                }
                for name in self.metrics
            },
            "reference_scores": {s.metric: s.value for s in self.reference_scores},
            "tissues": {name: [asdict(t) for t in each] for name, each in self.tissues.items()},
            "segmenter": self.segmenter or None,
            "regions": {name: [asdict(r) for r in each] for name, each in self.regions.items()},
            "estimates": {row.label: _row_json(row) for row in self.rows},
        }

    def to_text(self, *, every: bool = False, explain: bool = False) -> str:
        """Warnings, the table and what was compared; lines of at most 99 characters.

        Args:
            every: all metrics, linear interpolation too, and all settings; otherwise PSNR, SSIM,
                sharpness and consistency.
            explain: also the definitions of the metrics shown.
        """
        names = self.metrics if every else self.first_metrics
        table = self.table(names, self.rows if every else self.first_rows)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                text.ljust(width) if i == 0 else text.rjust(width)
                for i, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        warnings = [line for w in self.warnings for line in wrapped(f"WARNING: {w}")]
        sentences = [*self.facts(), *self.without()] if every else self.first_facts()
        if explain:
            sentences = [*sentences, *map(definition, names)]
        notes = [line for sentence in sentences for line in wrapped(sentence)]
        return "\n".join([*warnings, *lines, "", *notes]) + "\n"

    def table(self, metrics: Sequence[str], rows: Sequence[Row]) -> list[list[str]]:
        """Cells: a line of headings, then a line a metric; the reference's own value first."""
        own = {s.metric: s for s in self.reference_scores}
        found = {row.label: {s.metric: s for s in row.scores} for row in rows}
        lines = [["", "reference", *found]]
        for name in metrics:
            scores = [own.get(name), *(scores[name] for scores in found.values())]
            lines.append([self.heading(name), *map(cell, scores)])
        return lines

    def unit_of(self, name: str) -> str:
        """The unit of a number; empty for a pure one."""
        unit = ALL_METRICS[name].unit
        return self.unit if unit == IMAGE_UNIT else unit

    def heading(self, name: str) -> str:
        """Title and unit of a number."""
        unit = self.unit_of(name)
        return ALL_METRICS[name].title + (f" [{unit}]" if unit else "")

    def first_facts(self) -> list[str]:
        """Sentences below the first metrics: how to read them, what was compared."""
        share = 100 * self.mask_voxels / math.prod(self.box_shape)
        given = not self.mask_how.startswith(FOREGROUND)
        facts = [
            *reading(self.first_metrics),
            *([] if self.box_shape == self.reference_shape else [self._box_words()]),
            f"Mask: {self.mask_how if given else FOREGROUND}, {share:.0f} % of the voxels. "
            f"Range of PSNR and SSIM: {self.ruler.data_range:.6g} {self.unit}.",
        ]
        return facts + self.without() + self._missing(self.first_metrics, self.first_rows)

    def facts(self) -> list[str]:
        """Sentences: what was compared, with which range, mask and slices, what has no number."""
        voxels = math.prod(self.box_shape)
        facts = [
            f"Reference: {self.reference}, {self.ruler.modality} ({self.ruler.modality_how}), "
            f"{words(self.reference_shape)} voxels of {words(self.spacing_mm)} mm.",
            self._box_words(),
            f"Range: {self.ruler.data_range:.6g} {self.unit} ({self.ruler.data_range_how}).",
            f"Mask: {self.mask_how}; {self.mask_voxels} of {voxels} voxels, of which "
            f"{self.ssim_3d_voxels} enter SSIM 3-D and {self.ssim_slice_voxels} SSIM 2-D.",
            f"Slices: across axis {self.ruler.slice_axis} ({self.ruler.slice_axis_how}).",
        ]
        if self.ruler.intensity_floor:
            facts.append(
                f"Intensities are measured from {self.ruler.intensity_floor:g} {self.unit}."
            )
        own = self.regions.get("reference")
        if own:
            facts.append(
                f"Regions: {len(own)} by the segmenter {self.segmenter}, together "
                f"{sum(r.volume_ml for r in own):.0f} ml in the reference."
            )
        facts += [f"{row.label}: {note}." for row in self.rows for note in row.notes]
        return facts + self._missing(self.metrics, self.rows)

    def without(self) -> list[str]:
        """Why there is no consistency, or no interpolation."""
        if "consistency" not in self.metrics:
            return [NO_LOW]
        return [] if any(row.is_baseline for row in self.rows) else [NO_INTERPOLATION]

    def _missing(self, metrics: Sequence[str], rows: Sequence[Row]) -> list[str]:
        """Why a number is missing."""
        scores = [("reference", s) for s in self.reference_scores]
        scores += [(row.label, s) for row in rows for s in row.scores]
        return [
            f"{label}: no {ALL_METRICS[score.metric].title}: {score.why_none}"
            for label, score in scores
            if score.value is None and score.metric in metrics
        ]

    def _box_words(self) -> str:
        if self.box_shape == self.reference_shape:
            return "Compared: every voxel of the reference's grid; nothing is interpolated."
        ends = zip(self.box, self.reference_shape, strict=True)
        out = [left_out(a, *end, n, self.ruler.slice_axis) for a, (end, n) in enumerate(ends)]
        return (
            f"Compared: the {words(self.box_shape)} voxels that all scans share; nothing is "
            f"interpolated. Left out of the reference: {', '.join(filter(None, out))}."
        )


def cell(score: Score | None) -> str:
    """A number as a table shows it."""
    if score is None or score.value is None:
        return "-"
    return f"{score.value:.{ALL_METRICS[score.metric].digits}f}"


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "notes": list(row.notes),
        "warnings": list(row.warnings),
        "shift_voxels": list(row.shift_voxels),
        "scores": {
            score.metric: "infinity" if score.value == math.inf else score.value
            for score in row.scores
        },
        "missing": {s.metric: s.why_none for s in row.scores if s.value is None},
    }

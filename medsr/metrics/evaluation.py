"""What does an evaluation say, to a program (`to_json`) and to a person (`to_text`)?

Every number stands beside its definition: range, mask, box, window, unit.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

from medsr.metrics.common_box import Box, words
from medsr.metrics.table import IMAGE_UNIT, METRICS
from medsr.volume.volume import Modality

__all__ = ["Evaluation", "Row", "Ruler", "Score"]


@dataclass(frozen=True)
class Ruler:
    """What a reference is measured with; no estimate enters.

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


@dataclass(frozen=True)
class Score:
    """One number of one estimate.

    Attributes:
        metric: a key of `table.METRICS`.
        value: the number, infinite for the PSNR of identical images; None where it has no value.
        why_none: why it has none.
    """

    metric: str
    value: float | None
    why_none: str = ""


@dataclass(frozen=True)
class Row:
    """One estimate: label, file name, what was done to lay it on the grid, scores."""

    label: str
    name: str
    notes: tuple[str, ...]
    scores: tuple[Score, ...]


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

    def to_json(self) -> dict[str, Any]:
        """Everything, in JSON's own types; an infinite PSNR is the text "infinity"."""
        return {
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
                    "definition": metric.definition,
                    "unit": self._unit(name),
                    "better": metric.better,
                }
                for name, metric in METRICS.items()
            },
            "estimates": {row.label: _row_json(row) for row in self.rows},
        }

    def to_text(self) -> str:
        """The table and, below it, what its numbers mean; lines of at most 99 characters."""
        heads = ["estimate", *(self._heading(name) for name in METRICS)]
        cells = [heads, *([row.label, *map(_cell, row.scores)] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        return "\n".join([*lines, "", *self._explanations()]) + "\n"

    def _unit(self, name: str) -> str:
        unit = METRICS[name].unit
        return self.unit if unit == IMAGE_UNIT else unit

    def _heading(self, name: str) -> str:
        unit = self._unit(name)
        return METRICS[name].title + (f" [{unit}]" if unit else "")

    def _explanations(self) -> list[str]:
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
                f"Both images are counted from {self.ruler.intensity_floor:g} {self.unit}."
            )
        for row in self.rows:
            facts += [f"{row.label}: {note}." for note in row.notes]
            facts += [
                f"{row.label}: no {METRICS[score.metric].title}: {score.why_none}"
                for score in row.scores
                if score.value is None
            ]
        facts += [f"{m.title} ({m.better} is closer): {m.definition}" for m in METRICS.values()]
        return [line for fact in facts for line in textwrap.wrap(fact, 99, subsequent_indent="  ")]

    def _box_words(self) -> str:
        if self.box_shape == self.reference_shape:
            return "Compared: every voxel of the reference's grid; nothing is interpolated."
        ends = ", ".join(f"{start}:{stop}" for start, stop in self.box)
        return (
            f"Compared: voxels [{ends}] of the reference ({words(self.box_shape)}), the part that "
            "all scans share; nothing is interpolated."
        )


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "notes": list(row.notes),
        "scores": {
            score.metric: "infinity" if score.value == math.inf else score.value
            for score in row.scores
        },
        "missing": {s.metric: s.why_none for s in row.scores if s.value is None},
    }


def _cell(score: Score) -> str:
    if score.value is None:
        return "-"
    return f"{score.value:.{METRICS[score.metric].digits}f}"

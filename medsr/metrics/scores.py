"""The numbers of one evaluation, as values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row", "Score"]


@dataclass(frozen=True)
class Score:
    """One number of one image.

    Attributes:
        metric: a key of `table.ALL_METRICS`.
        value: the number, infinite for the PSNR of identical images; None where it has no value.
        why_none: why it has none.
    """

    metric: str
    value: float | None
    why_none: str = ""


@dataclass(frozen=True)
class Row:
    """One estimate.

    Attributes:
        label, name: what the report calls it, and its file.
        notes: what was done to lay it on the reference's grid.
        scores: its numbers.
        shift_voxels: how far it lies from the reference along each axis.
        warnings: sentences, each to be read after the label.
    """

    label: str
    name: str
    notes: tuple[str, ...]
    scores: tuple[Score, ...]
    shift_voxels: tuple[float, float, float]
    warnings: tuple[str, ...]

"""The scores of one evaluation, and warnings about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsr.metrics.shift import Shift

__all__ = ["Row", "Score", "warnings_of"]


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


#: High-frequency energy above this share of the reference's is called suspicious.
TOO_MUCH_DETAIL = 1.25


#: A bias above this share of the data range is called out.
LARGE_BIAS = 0.02


def warnings_of(scores: Sequence[Score], shift: Shift, data_range: float) -> tuple[str, ...]:
    """Sentences on one estimate: a shift, invented detail, a bias; empty where all is well."""
    found = []
    if shift.matters:
        by = ", ".join(f"{v:+.2f}" for v in shift.voxels)
        found.append(
            f"lies {shift.mm:.2f} mm away from the reference ({by} voxels along the three "
            "axes). The metrics below include the effect of this shift. Correct the "
            "resampling (a half-voxel shift is typical) and evaluate again."
        )
    values = {s.metric: s.value for s in scores if s.value is not None}
    for axis in range(3):
        ratio = values.get(f"hf_ratio_{axis}", 1.0)
        if ratio > TOO_MUCH_DETAIL:
            found.append(
                f"has {ratio:.2f} times the reference's high-frequency energy along voxel axis "
                f"{axis}: noise, ringing or invented detail."
            )
    bias = values.get("bias", 0.0)
    if abs(bias) > LARGE_BIAS * data_range:
        found.append(
            f"differs from the reference by {bias:+.4g} on average "
            f"({100 * bias / data_range:+.1f} % of the range): its intensities are "
            "shifted or scaled."
        )
    return tuple(found)

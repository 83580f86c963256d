"""The scores of one evaluation, and warnings about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        warnings: sentences, each to be read after the label, the gravest first.
        is_baseline: plain interpolation that medsr added for comparison.
    """

    label: str
    name: str
    notes: tuple[str, ...]
    scores: tuple[Score, ...]
    shift_voxels: tuple[float, float, float]
    warnings: tuple[str, ...]
    is_baseline: bool = False


#: High-frequency energy above this share of the reference's is called suspicious.
TOO_MUCH_DETAIL = 1.25


#: A bias above this share of the data range is called out.
LARGE_BIAS = 0.02


#: A contrast (standard deviation over the mask) that is more than this many times the reference's,
#: or less than its inverse, is called another intensity scale: no blur and no noise of a usable
#: estimate goes so far.
OTHER_SCALE = 2.0


#: A contrast below this is none.
NO_CONTRAST = 1e-6


def warnings_of(scores: Sequence[Score], shift: Shift, data_range: float) -> tuple[str, ...]:
    """Sentences on one estimate, the gravest first; empty where all is well."""
    values = {s.metric: s.value for s in scores if s.value is not None}
    scale = _scale_words(values)
    others = [scale] if scale else [_bias_words(values, data_range), _detail_words(values)]
    return tuple(words for words in (*others[:1], _shift_words(shift), *others[1:]) if words)


def _scale_words(values: Mapping[str, float]) -> str:
    """Whether an estimate has another intensity scale than its reference."""
    slope = values.get("proportional_bias", 0.0)  # 2 (g - 1) / (g + 1) of a contrast g
    contrast = (2 + slope) / (2 - slope) if slope < 2 else float("inf")
    if 1 / OTHER_SCALE <= contrast <= OTHER_SCALE:
        return ""
    if contrast < NO_CONTRAST:
        return "is constant within the mask, so it shows nothing. Check that it is the right file."
    return (
        f"has {contrast:.2g} times the contrast of the reference, so it seems to be on another "
        "intensity scale. All metrics but sharpness and shift measure that difference. Bring it "
        "to the unit of the reference (undo a normalization) and evaluate again."
    )


def _bias_words(values: Mapping[str, float], data_range: float) -> str:
    bias = values.get("bias", 0.0)
    if abs(bias) <= LARGE_BIAS * data_range:
        return ""
    return (
        f"differs from the reference by {bias:+.4g} on average ({100 * bias / data_range:+.1f} % "
        "of the range): its intensities are shifted or scaled."
    )


def _shift_words(shift: Shift) -> str:
    if not shift.matters:
        return ""
    by = ", ".join(f"{v:+.2f}" for v in shift.voxels)
    return (
        f"lies {shift.mm:.2f} mm away from the reference ({by} voxels along the three axes). The "
        "metrics include the effect of this shift. Correct the resampling (a half-voxel shift is "
        "typical) and evaluate again."
    )


def _detail_words(values: Mapping[str, float]) -> str:
    ratios = {axis: values.get(f"hf_ratio_{axis}", 1.0) for axis in range(3)}
    high = {axis: ratio for axis, ratio in ratios.items() if ratio > TOO_MUCH_DETAIL}
    if not high:
        return ""
    found = ", ".join(f"{ratio:.2f} along voxel axis {axis}" for axis, ratio in high.items())
    return (
        "has more high-frequency energy than the reference: noise, ringing or invented detail "
        f"(ratio {found})."
    )

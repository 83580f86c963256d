"""The calibrated interval of a result, and the least PSNR that it promises."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from medsr.audit.conformal import Interval
from medsr.audit.null_space import local_energy, null_space_component
from medsr.audit.scaled_interval import ScaledInterval, groups_of, slope
from medsr.errors import Refused, UsageError
from medsr.intensity import FOREGROUND
from medsr.metrics.foreground import TOP_PERCENTILE
from medsr.network.checkpoint import ModelCard
from medsr.restore.data_consistency import DataConsistency
from medsr.restore.options import Options

__all__ = [
    "AnyInterval",
    "half_width_of",
    "interval_for",
    "interval_in",
    "interval_of_mean",
    "mode_of",
    "psnr_bound",
]

AnyInterval = Interval | ScaledInterval


def interval_for(card: ModelCard, options: Options) -> AnyInterval:
    """The calibrated interval of the mode that the options ask for.

    Raises:
        Refused: the model has not been calibrated.
    """
    mode = mode_of(options.steps, options.samples)
    found = interval_in(card, mode)
    if found is None:
        raise Refused(
            f"Model {card.name} has no calibrated interval for this mode ({mode}). Leave "
            "out --interval, or run `medsr calibrate`."
        )
    return found


def interval_in(card: ModelCard, mode: str) -> AnyInterval | None:
    """The interval of a mode; None where the card has none that fits its model.

    A card of a model without a scale head, or of an earlier version, has a table of the local
    energy of the null-space component, or of the standard deviation of samples.
    """
    table = card.intervals.get(mode)
    if table is None:
        return None
    try:
        if "factors" in table:
            has_scale = bool(card.network.get("scale_head"))
            return ScaledInterval.from_card(dict(table)) if has_scale else None
        return Interval(
            float(table["nominal"]), tuple(table["spreads"]), tuple(table["half_widths"])
        )
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"Model {card.name}: its interval of mode {mode} is damaged.") from None


def interval_of_mean(card: ModelCard) -> AnyInterval | None:
    """The calibrated interval of a posterior mean; None where the model has none."""
    return interval_in(card, mode_of(steps=1, samples=1))


def mode_of(steps: int, samples: int) -> str:
    """Key of the card's intervals: what kind of result the settings give."""
    if samples > 1:
        return "samples"
    return "posterior_mean" if steps == 1 else "sample"


def half_width_of(
    mean: Tensor,
    deviation: Tensor | None,
    measured: DataConsistency,
    interval: AnyInterval | None,
    *,
    scale: Tensor | None = None,
    check: float | None = None,
) -> Tensor | None:
    """Half-width of the interval, [X', Y', Z']; None where none is asked for.

    Args:
        mean: the result.
        deviation: of the samples, where there are several.
        measured: the scan, its acquisition.
        interval: from `interval_for`.
        scale: learned, of the model's posterior mean; like the result.
        check: what the self-check found; see `ScaledInterval`.
    """
    if interval is None:
        return None
    if isinstance(interval, Interval):
        ranking = (
            null_space_component(mean, measured.projector) if deviation is None else deviation
        )
        return interval.half_width(local_energy(ranking))
    if scale is None:
        raise UsageError("A scaled interval needs a model with a scale head.")
    steepness = slope(mean)
    groups = groups_of(mean, steepness, mean > FOREGROUND)
    return interval.half_width(scale.float(), groups.index(mean, steepness), check)


def psnr_bound(
    mean: Tensor, scale: Tensor | None, interval: AnyInterval | None, check: float | None
) -> float | None:
    """A PSNR, dB, that a posterior mean reaches at least; as sure as its interval is to cover.

    It is that of `metrics.fidelity.psnr` over the foreground, with the range of
    `metrics.foreground.robust_range`. None where the model promises none.

    Args:
        mean: the result in the network's range, [X', Y', Z'].
        scale: of its error, likewise.
        interval: of the posterior mean.
        check: what the self-check found.
    """
    inside = mean > FOREGROUND
    if scale is None or not isinstance(interval, ScaledInterval) or not bool(inside.any()):
        return None
    square = float(scale[inside].double().square().mean())
    return interval.psnr_bound(square, float(np.percentile(mean, TOP_PERCENTILE)), check)

"""The calibrated interval of a result."""

from __future__ import annotations

from torch import Tensor

from medsr.audit.conformal import Interval
from medsr.audit.null_space import local_energy, null_space_component
from medsr.errors import Refused
from medsr.network.checkpoint import ModelCard
from medsr.restore.data_consistency import DataConsistency
from medsr.restore.options import Options

__all__ = ["half_width_of", "interval_for", "mode_of"]


def interval_for(card: ModelCard, options: Options) -> Interval:
    """The calibrated interval of the mode that the options ask for.

    Raises:
        Refused: the model has not been calibrated.
    """
    mode = mode_of(options.steps, options.samples)
    if mode not in card.intervals:
        raise Refused(
            f"Model {card.name} has no calibrated interval for this mode ({mode}). Leave "
            "out --interval, or run `medsr calibrate`."
        )
    table = card.intervals[mode]
    return Interval(float(table["nominal"]), tuple(table["spreads"]), tuple(table["half_widths"]))


def mode_of(steps: int, samples: int) -> str:
    """Key of the card's intervals: what kind of result the settings give."""
    if samples > 1:
        return "samples"
    return "posterior_mean" if steps == 1 else "sample"


def half_width_of(
    mean: Tensor, deviation: Tensor | None, measured: DataConsistency, interval: Interval | None
) -> Tensor | None:
    """Half-width of the interval, [X', Y', Z']; None where none is asked for."""
    if interval is None:
        return None
    ranking = null_space_component(mean, measured.projector) if deviation is None else deviation
    return interval.half_width(local_energy(ranking))

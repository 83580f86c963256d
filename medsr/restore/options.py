"""What a user may ask of an enhancement. No torch here, so that plans are made without it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from medsr.errors import UsageError

__all__ = [
    "DEFAULT_SAMPLER",
    "DEFAULT_STEPS",
    "Consistency",
    "Options",
    "check_counts",
    "steps_of",
    "takes_turns",
]

#: Steps of the default sample.
DEFAULT_STEPS = 6
DEFAULT_SAMPLER = "multistep"


def steps_of(steps: int | None, *, quick: bool) -> int:
    """The steps that a user asks for; `quick` alone asks for the posterior mean."""
    if steps is None:
        return 1 if quick else DEFAULT_STEPS
    return steps


def check_counts(steps: int, samples: int) -> None:
    """Refuse counts below one.

    Raises:
        UsageError: there is such a count.
    """
    if steps < 1 or samples < 1:
        raise UsageError(f"steps and samples must be at least 1, not {steps} and {samples}.")


def takes_turns(steps: int, quick: bool) -> bool:
    """Whether an evaluation goes through one orientation of the slices, not both.

    Args:
        steps: of the sampler; of a posterior mean 1.
        quick: see `Options`.
    """
    return steps > 1 or quick


class Consistency(enum.StrEnum):
    """How strictly A x = y is held.

    OFF: not at all. NOISE: within 0.5 % of the range at every voxel for a scan without noticeable
    noise, within the noise otherwise. EXACT: to rounding, also for noise.
    """

    OFF = "off"
    NOISE = "noise"
    EXACT = "exact"


@dataclass(frozen=True)
class Options:
    """What a user may ask of one enhancement; see `medsr enhance --help`.

    `quick` halves the network's time of a posterior mean, for 0.1 dB: one orientation, not the
    average of both. The steps of a sample take one each in any case.
    """

    spacing_mm: float | None = None
    scale: float | None = None
    slice_thickness_mm: float | None = None
    profile: str | None = None
    steps: int = DEFAULT_STEPS
    samples: int = 1
    quick: bool = False
    seed: int = 0
    consistency: Consistency = Consistency.NOISE
    interval: bool = False
    null_space_map: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        check_counts(self.steps, self.samples)
        if self.steps == 1 and self.samples > 1:
            raise UsageError(
                f"{self.samples} samples of 1 step are one and the same image: one step is the "
                "posterior mean, which draws nothing. Leave out samples, or take more steps "
                f"({DEFAULT_STEPS} by default)."
            )
        if self.quick and self.steps > 1:
            raise UsageError(
                f"quick is for the posterior mean (1 step), not for a sample of {self.steps} "
                "steps, whose steps go through one orientation each in any case."
            )
        if self.slice_thickness_mm is not None and not self.slice_thickness_mm > 0:
            raise UsageError(
                f"A slice thickness must be a positive number of mm, not "
                f"{self.slice_thickness_mm:g}."
            )

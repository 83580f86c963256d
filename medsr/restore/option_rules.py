"""Which options of an enhancement go together, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medsr.errors import UsageError

if TYPE_CHECKING:
    from medsr.restore.options import Options

__all__ = ["DEFAULT_SAMPLER", "DEFAULT_STEPS", "check_together", "draws", "takes_turns"]

#: Steps of a sample by default.
DEFAULT_STEPS = 6
DEFAULT_SAMPLER = "multistep"


def takes_turns(steps: int, quick: bool) -> bool:
    """Whether an evaluation goes through one orientation of the slices, not both.

    Args:
        steps: of the sampler; of a posterior mean 1.
        quick: see `Options`.
    """
    return steps > 1 or quick


def draws(options: Options) -> bool:
    """Whether samples are drawn; else the result is the posterior mean."""
    return options.sample or options.samples > 1 or (options.steps or 1) > 1


def check_together(options: Options) -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: they do.
    """
    if options.spacing_mm is not None and options.scale is not None:
        raise UsageError("Give either --spacing or --scale, not both.")
    if options.steps == 1 and (options.sample or options.samples > 1):
        raise UsageError(
            "One step gives the posterior mean, which does not vary. For a sample leave out "
            f"--steps ({DEFAULT_STEPS} by default) or use more; for the posterior mean leave out "
            "--sample and --samples."
        )
    drawn = draws(options)
    if options.grain and (not drawn or options.samples > 1 or options.interval):
        raise UsageError(
            "--grain applies to one sample without an interval: add --sample, and leave out "
            "--samples and --interval; or leave out --grain."
        )
    if options.quick and drawn:
        raise UsageError(
            "--quick applies to the posterior mean only: a sample uses one slice orientation "
            "per step already. Leave out --quick, or leave out --sample, --samples and --steps."
        )

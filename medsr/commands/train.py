"""`medsr train`: train a model from a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.config import load_config
from medsr.extras import need

__all__ = ["check_extra", "run"]


def run(config_path: Path, overrides: Sequence[str], *, resume: bool) -> Path:
    """Train, then write the averaged weights and their card; returns the weights' path.

    Raises:
        InputError, UsageError: see `medsr.config.load_config` and `medsr.training.run.train`.
        OutputError: the run folder cannot be written.
    """
    check_extra("medsr train")
    from medsr.training.run import learn

    return learn(load_config(config_path, overrides), resume=resume)


def check_extra(command: str) -> None:
    """Make sure of the packages that a training needs.

    Raises:
        UsageError: one is not installed.
    """
    for module in ("pytorch_lightning", "tensorboard"):
        need(module, "train", command)

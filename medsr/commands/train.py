"""`medsr train`: from a configuration to weights and their card."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from medsr.config import load_config
from medsr.network.checkpoint import save_model
from medsr.training.card import averaged, model_card
from medsr.training.run import train

__all__ = ["run"]


def run(config_path: Path, overrides: Sequence[str], *, resume: bool) -> Path:
    """Train, then write the averaged weights and their card; returns the weights' path.

    Raises:
        InputError, UsageError: see `medsr.config.load_config` and `medsr.training.run.train`.
        OutputError: the run folder cannot be written.
    """
    config = load_config(config_path, overrides)
    began = time.monotonic()
    module, folder = train(config, resume=resume)
    path = folder / f"{config.name}.safetensors"
    if module.global_rank == 0:
        denoiser = averaged(module)
        save_model(denoiser, model_card(config, module, time.monotonic() - began), path)
    return path

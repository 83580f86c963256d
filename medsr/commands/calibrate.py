"""`medsr calibrate`: write intervals and training statistics into a model card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medsr.config import load_config
from medsr.errors import UsageError
from medsr.training.calibrate import calibrate, write_calibration

__all__ = ["run"]


def run(
    config_path: Path, overrides: Sequence[str], card: Path, note: Callable[[str], None]
) -> dict[str, Any]:
    """Calibrate the model beside a card and write what was found into the card.

    Returns:
        Mode -> interval, as the card has them.

    Args:
        config_path: the configuration whose scans are used.
        overrides: words `key.inner=value`.
        card: NAME.json, beside NAME.safetensors.
        note: called with each line of the table of coverage.

    Raises:
        InputError: a file is missing or damaged.
        UsageError: a setting is off, or the model does not fit the configuration.
        OutputError: the card cannot be written.
    """
    if card.suffix != ".json":
        raise UsageError(f"--card {card.name}: expected the .json file of a model.")
    config = load_config(config_path, overrides)
    found = calibrate(config, card.with_suffix(".safetensors"), note)
    write_calibration(found, card)
    return dict(found.intervals)

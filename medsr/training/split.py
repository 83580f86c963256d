"""Who trains does not test."""

from __future__ import annotations

from medsr.config import TrainConfig
from medsr.errors import UsageError

__all__ = ["check_split"]


def check_split(config: TrainConfig) -> None:
    """Check that no subject is in both training and validation, or training and calibration.

    Raises:
        UsageError: a subject is in both.
    """
    trained = {c.person for c in config.data.train}
    for where, cases in (
        ("validate", config.data.validate_),
        ("calibrate", config.data.calibrate),
    ):
        if both := trained & {c.person for c in cases}:
            names = ", ".join(sorted(both))
            raise UsageError(f"{config.name}: subject {names} is in both train and {where}.")

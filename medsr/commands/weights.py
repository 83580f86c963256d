"""`medsr weights`: run the training stages of a folder in order, resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsr.commands.train import check_extra
from medsr.training.stages import load_stages, run_stages, state_of

__all__ = ["Progress", "plan", "run"]


@dataclass(frozen=True)
class Progress:
    """One stage, its kind (train, combine, calibrate) and how far it is."""

    name: str
    kind: str
    state: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}): {self.state}"


def run(folder: Path, overrides: Sequence[str], note: Callable[[str], None]) -> Path:
    """Run the stages that are not done; returns the path of the finished weights.

    Args:
        folder: holds one configuration for each stage, NN-name.yaml.
        overrides: words `key.inner=value`, for all stages.
        note: called with each line on the progress.

    Raises:
        MedsrError: see `medsr.training.stages`.
    """
    check_extra("medsr weights")
    return run_stages(load_stages(folder, overrides), note)


def plan(folder: Path, overrides: Sequence[str]) -> list[Progress]:
    """Each stage: what it is and how far it is.

    Raises:
        InputError, UsageError: see `medsr.training.stages.load_stages`.
    """
    return [
        Progress(stage.name, stage.settings.kind, state_of(stage))
        for stage in load_stages(folder, overrides)
    ]

"""The training stages of a model: read from a folder, run in order, resumed.

A folder such as `configs/mr-head` holds one file a stage, `NN-name.yaml`: a `TrainConfig` with its
kind and the weights that it starts from. Weights of a stage are named FOLDER/STAGE, for example
`mr-head/01-wide`, and lie in `out/FOLDER/STAGE/STAGE.safetensors`; those of the last, calibrated,
stage in `out/FOLDER/NAME.safetensors`. A stage is done when its weights are those that were
written under the same settings from the same weights; else it is run, a training from its
checkpoint if there is one of the same settings.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from medsr.config import CardConfig, TrainConfig
from medsr.errors import InputError, UsageError
from medsr.network.checkpoint import load_card, weights_digest
from medsr.pages import fault_words, load_page
from medsr.training.calibrate import calibrate, write_calibration
from medsr.training.combine import combine
from medsr.training.scale import learn_scale
from medsr.volume.atomic import write_text

__all__ = ["Stage", "State", "load_stages", "run_stages", "state_of"]

#: What a stage does not depend on: where things are, and how fast it runs.
MACHINE = ("accelerator", "devices", "num_nodes", "threads", "progress", "checkpoint_every")
ELSEWHERE: Any = {
    "out": True,
    "data": {"root": True, "cache": True},
    "trainer": dict.fromkeys(MACHINE, True),
}


class TrainStage(TrainConfig):
    """Learn; `init` may be the weights of a wider network, whose strongest channels are taken."""

    kind: Literal["train"]


class CombineStage(TrainConfig):
    """Take the network of the samples from one model and that of the mean from another."""

    kind: Literal["combine"]
    samples: str
    mean: str


class ScaleStage(TrainConfig):
    """Give a model the scale of the error of its posterior mean."""

    kind: Literal["scale"]
    weights: str


class CalibrateStage(TrainConfig):
    """Give a model its intervals, its training statistics and its final card."""

    kind: Literal["calibrate"]
    weights: str
    card: CardConfig


Settings = TrainStage | CombineStage | ScaleStage | CalibrateStage
KINDS: dict[str, type[Settings]] = {
    "train": TrainStage,
    "combine": CombineStage,
    "scale": ScaleStage,
    "calibrate": CalibrateStage,
}


class State(StrEnum):
    """How far a stage is."""

    DONE = "done"
    STARTED = "to be continued"
    OPEN = "to do"


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: of its file, for example "01-wide".
        settings: of its file, with the overrides.
        starts: weights that it begins with or learns from.
        output: weights that it writes.
    """

    name: str
    settings: Settings
    starts: tuple[Path, ...]
    output: Path

    @property
    def marker(self) -> Path:
        """Where it is written down what the output was made of."""
        return self.output.with_suffix(".stage.json")

    @property
    def checkpoint(self) -> Path:
        """From where a training goes on."""
        return self.output.with_name("last.ckpt")


def load_stages(folder: Path, overrides: Sequence[str] = ()) -> list[Stage]:
    """The stages of a folder, in the order of their names.

    Args:
        folder: holds `NN-name.yaml` files.
        overrides: words `key.inner=value`, for all stages.

    Raises:
        InputError: there are no stages, or a file cannot be read.
        UsageError: a setting is unknown or out of range.
    """
    files = sorted(folder.glob("[0-9][0-9]-*.yaml"))
    if not files:
        raise InputError(f"{folder.name}: this folder contains no stage (NN-name.yaml).")
    return [_load_stage(file, overrides) for file in files]


def _load_stage(file: Path, overrides: Sequence[str]) -> Stage:
    raw = load_page(file, overrides)
    page = KINDS.get(str(raw.get("kind")))
    if page is None:
        raise UsageError(f"{file.name}: 'kind' must be one of {', '.join(KINDS)}.")
    try:
        settings = page.model_validate(raw)
    except ValidationError as fault:
        raise UsageError(f"{file.name}: {fault_words(fault, page)}") from None
    if settings.trainer.devices * settings.trainer.num_nodes > 1:
        raise UsageError(
            "Stages run in one process: leave trainer.devices and trainer.num_nodes at 1, or run "
            "a stage by itself with `medsr train`."
        )
    root = Path(settings.out) / file.resolve().parent.name
    match settings:
        case TrainStage():
            named = [settings.init, settings.teacher, settings.mean_teacher]
        case CombineStage():
            named = [settings.samples, settings.mean]
        case ScaleStage() | CalibrateStage():
            named = [settings.weights]
    output = root / file.stem / f"{file.stem}.safetensors"
    if isinstance(settings, CalibrateStage):
        output = root / f"{settings.name}.safetensors"
    starts = tuple(weights_path(name, settings.out) for name in named if name is not None)
    return Stage(file.stem, settings, starts, output)


def weights_path(name: str, out: str) -> Path:
    """Where the weights FOLDER/STAGE are; the name itself where it is a .safetensors file."""
    path = Path(name)
    return path if path.suffix == ".safetensors" else Path(out) / path / f"{path.name}.safetensors"


def state_of(stage: Stage) -> State:
    """How far a stage is; what it starts from may be missing.

    Raises:
        InputError: weights or a marker cannot be read.
    """
    if not all(path.is_file() for path in stage.starts):
        return State.OPEN
    written = _read_marker(stage.marker)
    if written.get("Settings") != settings_digest(stage):
        return State.OPEN
    if stage.output.is_file() and written.get("Weights") == weights_digest(stage.output):
        return State.DONE
    return State.STARTED if stage.checkpoint.is_file() else State.OPEN


def settings_digest(stage: Stage) -> str:
    """SHA-256, hex, of what the weights of a stage follow from."""
    settings = stage.settings.model_dump(mode="json", exclude=ELSEWHERE)
    starts = [weights_digest(path) for path in stage.starts]
    return hashlib.sha256(json.dumps([settings, starts], sort_keys=True).encode()).hexdigest()


def run_stages(stages: Sequence[Stage], note: Callable[[str], None]) -> Path:
    """Run what is not done, in order.

    Args:
        stages: of `load_stages`.
        note: called with each line on the progress.

    Returns:
        The weights of the last stage.

    Raises:
        InputError: a scan, or weights of another folder's stage, are missing.
        UsageError: stages do not fit together.
        OutputError: the run folder cannot be written.
    """
    for stage in stages:
        missing = [path for path in stage.starts if not path.is_file()]
        if missing:
            raise InputError(
                f"{stage.name}: starts from {missing[0].stem} ({missing[0].parent.parent.name}), "
                "which has not been made. Run the stages of that folder first."
            )
        state = state_of(stage)
        note(f"{stage.name} ({stage.settings.kind}): {state}")
        if state is not State.DONE:
            _run(stage, resume=state is State.STARTED, note=note)
    return stages[-1].output


def _run(stage: Stage, *, resume: bool, note: Callable[[str], None]) -> None:
    digest = settings_digest(stage)
    if not resume:
        stage.checkpoint.unlink(missing_ok=True)
    _write_marker(stage.marker, digest, None)
    match stage.settings:
        case TrainStage() as settings:
            _train(stage, settings, resume=resume)
        case CombineStage():
            combine(stage.starts[0], stage.starts[1], stage.output)
        case ScaleStage() as settings:
            learn_scale(settings, stage.starts[0], stage.output, note)
        case CalibrateStage() as settings:
            _release(stage, settings, note)
    _write_marker(stage.marker, digest, weights_digest(stage.output))


def _train(stage: Stage, settings: TrainStage, *, resume: bool) -> None:
    from medsr.training.run import learn  # Lightning: not installed where nobody trains

    out = str(stage.output.parents[1])
    starts = {
        key: str(weights_path(value, settings.out))
        for key in ("init", "teacher", "mean_teacher")
        if (value := getattr(settings, key)) is not None
    }
    learn(settings.model_copy(update={"out": out, "name": stage.name, **starts}), resume=resume)


def _release(stage: Stage, settings: CalibrateStage, note: Callable[[str], None]) -> None:
    """Copy the weights, give them their card, calibrate."""
    card = load_card(stage.starts[0].with_suffix(".json"))
    decided = settings.card
    card = replace(
        card,
        name=settings.name,
        description=settings.description,
        licence=decided.licence,
        attributions=decided.attributions,
        sigma_data=decided.sigma_data or card.sigma_data,
        detail_tolerance=decided.detail_tolerance,
    )
    stage.output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(stage.starts[0], stage.output)
    page = stage.output.with_suffix(".json")
    write_text(json.dumps(asdict(card), indent=2) + "\n", page)
    write_calibration(calibrate(settings, stage.output, note), page)


def _read_marker(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_marker(path: Path, settings: str, weights: str | None) -> None:
    write_text(json.dumps({"Settings": settings, "Weights": weights}, indent=2) + "\n", path)

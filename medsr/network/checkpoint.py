"""Weights (`NAME.safetensors`) and model cards (`NAME.json`), also as model hubs keep them.

Nothing is pickled: a weights file from an unknown source can contain numbers but no code. Stored
as bfloat16 or float32; always computed with as float32 parameters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from medsr.diffusion.denoiser import Denoiser
from medsr.errors import InputError, OutputError, UsageError
from medsr.network.build import build_denoiser

__all__ = [
    "HUB_CARD",
    "HUB_WEIGHTS",
    "ModelCard",
    "card_path",
    "load_card",
    "load_model",
    "save_model",
    "weights_bytes",
    "weights_digest",
]

#: What model hubs call weights and settings; there is one model in a folder.
HUB_WEIGHTS, HUB_CARD = "model.safetensors", "config.json"

#: A card is a page of text; a weights file of this project is at most 25 MB, a stranger's 2 GB.
MAX_CARD_BYTES = 4 * 1024**2
MAX_WEIGHTS_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it was trained on, and where it may be used.

    Attributes:
        name: of the model.
        description: one line.
        modality: MR or CT.
        network: the fields of `config.NetworkConfig`; `scale_head` where the posterior mean comes
            with the scale of its error (`training.scale`).
        features: length of the acquisition vector.
        residual_std: the unit of the residual, over the intensity gain.
        ranges: what was trained on, e.g. {"factor": [1.5, 8]}; see `config.DrawConfig` and
            `restore.ranges`.
        people: number of training subjects.
        data: scans and people.
        training: steps, seconds, versions, seed.
        results: evaluation results, and their subjects.
        sigma_data: standard deviation of its data that a sample starts with, in units of
            `residual_std`; see `diffusion.samplers.multistep`. Training writes 1, or for a model
            that began with the weights and the unit of another how its own data compare; it may
            be tuned by the sharpness of samples of training subjects
            (docs/development/experiments.md).
        detail_tolerance: the finest detail of its samples gets the strength that the scan shows
            within its slices, within this factor (`restore.detail_strength`); None: the strength
            that it learned.
        intervals: mode -> calibrated interval; see `restore.pipeline.interval_for`.
        limits: known failures, in words.
        licence: of the weights; empty where nobody has given one.
        attributions: attributions that the licences of the training data require.
        use: who may use it.
    """

    name: str
    description: str
    modality: str
    network: Mapping[str, Any]
    features: int
    residual_std: float
    ranges: Mapping[str, Any]
    people: int
    data: Mapping[str, Any]
    training: Mapping[str, Any]
    results: Mapping[str, Any]
    limits: tuple[str, ...]
    sigma_data: float = 1.0
    detail_tolerance: float | None = None
    intervals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    use: str = "Research use only, not for diagnosis."
    licence: str = ""
    attributions: tuple[str, ...] = ()

    @property
    def settings_digest(self) -> str:
        """SHA-256, hex, of what in the card changes results; the weights are not in it."""
        settings = (
            self.network,
            self.residual_std,
            self.sigma_data,
            self.detail_tolerance,
            self.intervals,
        )
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def card_path(weights: Path) -> Path:
    """The model card of a weights file: `NAME.json`, or `config.json` in a folder of a model hub.

    >>> card_path(Path("models/small.safetensors")).as_posix()
    'models/small.json'
    """
    beside = weights.with_suffix(".json")
    if weights.name == HUB_WEIGHTS and not beside.exists():
        return weights.with_name(HUB_CARD)
    return beside


def load_card(path: Path) -> ModelCard:
    """Read a model card.

    Raises:
        InputError: missing, or not a card.
    """
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise InputError(f"{path.name}: too large for a model card.")
        raw = json.loads(path.read_text(encoding="utf-8"))
        raw["limits"] = tuple(raw["limits"])
        raw["attributions"] = tuple(raw.get("attributions", ()))
        card = ModelCard(**raw)
    except OSError:
        raise InputError(f"{path.name}: the model card is missing or cannot be read.") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"{path.name}: is not a medsr model card.") from None
    wrong = next((name for name, sound in _sound_fields(card).items() if not sound), None)
    if wrong is not None:
        raise InputError(f"{path.name}: the model card's '{wrong}' has the wrong type.")
    return card


def _sound_fields(card: ModelCard) -> dict[str, bool]:
    """Field -> whether its value is of its kind; the card may come from an unknown source."""
    texts = ("name", "description", "licence", "use")
    groups = ("network", "ranges", "data", "training", "results", "intervals")
    sound = {name: isinstance(getattr(card, name), str) for name in texts}
    sound |= {name: isinstance(getattr(card, name), dict) for name in groups}
    sound["modality"] = card.modality in ("MR", "CT")
    sound["features"] = isinstance(card.features, int) and not isinstance(card.features, bool)
    sound["people"] = isinstance(card.people, int) and not isinstance(card.people, bool)
    for name in ("residual_std", "sigma_data"):
        sound[name] = _positive(getattr(card, name))
    sound["detail_tolerance"] = card.detail_tolerance is None or _positive(card.detail_tolerance)
    if sound["intervals"]:
        sound["intervals"] = all(isinstance(one, dict) for one in card.intervals.values())
    sound["limits"] = all(isinstance(line, str) for line in card.limits)
    sound["attributions"] = all(isinstance(line, str) for line in card.attributions)
    return sound


def _positive(value: object) -> bool:
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    return whole and 0 < value < 1e9  # type: ignore[operator]


def load_model(path: Path) -> tuple[Denoiser, ModelCard]:
    """Read weights and the card beside them; the model is in evaluation mode.

    Raises:
        InputError: missing, damaged, or weights that do not fit the card.
    """
    card = load_card(card_path(path))
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise InputError(f"{path.name}: more than 2 GB; this is not a medsr model.")
        tensors = load_file(path)
    except (OSError, SafetensorError):
        raise InputError(f"{path.name}: the weights are missing or damaged.") from None
    try:
        with torch.device("meta"):  # takes no memory, whatever the card says
            shapes = _shapes(build_denoiser(card.network, card.features).state_dict())
        if shapes != _shapes(tensors):
            raise ValueError
        denoiser = build_denoiser(card.network, card.features)
        denoiser.load_state_dict({key: value.float() for key, value in tensors.items()})
    except UsageError as fault:
        raise InputError(f"{path.name}: its model card describes no network. {fault}") from None
    except (RuntimeError, ValueError, TypeError):
        raise InputError(f"{path.name}: the weights do not fit their model card.") from None
    return denoiser.eval().requires_grad_(False), card


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def save_model(denoiser: Denoiser, card: ModelCard, path: Path) -> None:
    """Write `NAME.safetensors` and `NAME.json`, each atomically.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(weights_bytes(denoiser))
        partial.replace(path)
        partial.write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
        partial.replace(path.with_suffix(".json"))
    except OSError as fault:
        raise OutputError(f"{path.name}: cannot be written ({fault.strerror}).") from None


def weights_bytes(denoiser: Denoiser) -> bytes:
    """The weights file of a model, as `save_model` writes it."""
    tensors = {key: value.cpu().contiguous() for key, value in denoiser.state_dict().items()}
    content: bytes = save(tensors)
    return content


def weights_digest(path: Path) -> str:
    """SHA-256 of a weights file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def parameter_count(denoiser: torch.nn.Module) -> int:
    """How many numbers were learned."""
    return sum(p.numel() for p in denoiser.parameters())

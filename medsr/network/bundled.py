"""The models that come with medsr."""

from __future__ import annotations

from pathlib import Path

from medsr.errors import InputError
from medsr.network.checkpoint import load_card
from medsr.volume.modality import Modality

__all__ = ["bundled_models", "model_path"]

WEIGHTS = Path(__file__).parents[1] / "weights"


def bundled_models() -> dict[str, Path]:
    """Name -> weights file of the models that come with the package."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}


def model_path(name: str) -> Path:
    """The weights file of a bundled model's name, or of a path.

    Raises:
        InputError: there is no such model.
    """
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    path = Path(name)
    if path.suffix == ".safetensors" and path.exists():
        return path
    raise InputError(
        f"{path.name}: there is no such model. Choose a bundled model "
        f"({', '.join(bundled) or 'none'}), or give the path of a .safetensors file with "
        "its .json card beside it."
    )


def model_for(modality: Modality) -> str:
    """The bundled model of a modality.

    Raises:
        InputError: there is none.
    """
    for name, path in bundled_models().items():
        if load_card(path.with_suffix(".json")).modality == modality:
            return name
    raise InputError(f"There is no bundled model for {modality}. Give one with --model PATH.")

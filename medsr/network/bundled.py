"""The models that come with medsr."""

from __future__ import annotations

from pathlib import Path

from medsr.errors import InputError
from medsr.network.checkpoint import HUB_CARD, HUB_WEIGHTS, card_path, load_card
from medsr.volume.modality import Modality

__all__ = ["bundled_models", "model_path"]

WEIGHTS = Path(__file__).parents[1] / "weights"


def bundled_models() -> dict[str, Path]:
    """Name -> weights file of the models that come with the package."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}


def model_path(name: str) -> Path:
    """The weights file of a model.

    Args:
        name: of a bundled model, or the path of a `.safetensors` file or of a folder of a model
            hub.

    Raises:
        InputError: there is no such model.
    """
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    path = Path(name)
    if path.suffix == ".safetensors" and path.exists():
        return path
    if path.is_dir():
        return _in_folder(path)
    raise InputError(
        f"{path.name}: there is no such model. Choose a bundled model "
        f"({', '.join(bundled) or 'none'}), or give the path of a .safetensors file with "
        "its .json card beside it, or of a folder from medsr export-hub."
    )


def _in_folder(folder: Path) -> Path:
    """The weights of a folder of a model hub."""
    if not (folder / HUB_WEIGHTS).is_file():
        raise InputError(
            f"{folder.name}: the folder contains no {HUB_WEIGHTS}. Expected {HUB_WEIGHTS} and "
            f"{HUB_CARD}, as medsr export-hub writes them; give that folder, or a .safetensors "
            "file."
        )
    return folder / HUB_WEIGHTS


def model_for(modality: Modality) -> str:
    """The bundled model of a modality.

    Raises:
        InputError: there is none.
    """
    for name, path in bundled_models().items():
        if load_card(card_path(path)).modality == modality:
            return name
    raise InputError(f"There is no bundled model for {modality}. Give one with --model PATH.")

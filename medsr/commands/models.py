"""`medsr models`: list the bundled models with their cards."""

from __future__ import annotations

from pathlib import Path

from medsr.errors import InputError
from medsr.network.bundled import bundled_models
from medsr.network.checkpoint import ModelCard, card_path, load_card

__all__ = ["run"]


def run(folder: Path | None) -> list[ModelCard]:
    """The cards of the bundled models, and of those in a folder."""
    paths = list(bundled_models().values())
    if folder is not None:
        if not folder.is_dir():
            raise InputError(f"{folder.name}: there is no such folder.")
        paths += sorted(folder.glob("*.safetensors"))
    return [load_card(card_path(path)) for path in paths]

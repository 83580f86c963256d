"""A MONAI bundle of a model: metadata, configuration, weights, documents.

After the bundle specification of MONAI and the model zoo's notes for contributors. The bundle
contains no code: its configuration names the classes of `bundle_network` and `bundle_parts`, so
medsr must be installed where it runs.
"""

from __future__ import annotations

import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from medsr.sharing.bundle_metadata import metadata
from medsr.sharing.bundle_network import PosteriorMean
from medsr.sharing.bundle_readme import readme
from medsr.sharing.shared_model import SharedModel, licence_text

__all__ = ["BUNDLE_FILES", "fill_bundle"]

#: All files of a bundle.
BUNDLE_FILES = (
    "LICENSE",
    "configs/inference.json",
    "configs/metadata.json",
    "docs/README.md",
    "docs/data_license.txt",
    "models/model.json",
    "models/model.pt",
)


def fill_bundle(model: SharedModel, folder: Path) -> None:
    """Write the files of `BUNDLE_FILES` into an empty folder.

    Args:
        model: to share.
        folder: exists and is empty.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    texts = {
        "LICENSE": licence_text(model),
        "configs/inference.json": _json(_inference(model)),
        "configs/metadata.json": _json(metadata(model)),
        "docs/README.md": readme(model),
        "docs/data_license.txt": _data_licences(model),
    }
    for name in BUNDLE_FILES:
        (folder / name).parent.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / "models/model.json").write_bytes(model.card_bytes)
    (folder / "models/model.pt").write_bytes(_weights(model))


def _json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=4) + "\n"


def _inference(model: SharedModel) -> dict[str, Any]:
    """The configuration of `python -m monai.bundle run`; the network's settings are in it."""
    text = files("medsr.sharing").joinpath("inference.json").read_text(encoding="utf-8")
    config: dict[str, Any] = json.loads(text)
    settings = {"settings": dict(model.card.network), "features": model.card.features}
    return {**config, "network_def": {**config["network_def"], **settings}}


def _weights(model: SharedModel) -> bytes:
    """A plain state dictionary: PyTorch reads it with `weights_only=True`, and it runs no code."""
    network = PosteriorMean(model.card.network, model.card.features)
    network.denoiser.load_state_dict(model.denoiser.state_dict())
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    stream = io.BytesIO()  # a full disk is then an OSError; torch raises a RuntimeError
    torch.save(tensors, stream)
    return stream.getvalue()


def _data_licences(model: SharedModel) -> str:
    """One paragraph for each data set that the model learned from."""
    paragraphs = [
        f"The model {model.card.name} was trained and calibrated on the data below. The bundle "
        "contains none of them.",
        *model.card.attributions,
    ]
    return "\n\n".join(paragraphs) + "\n"

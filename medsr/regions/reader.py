"""Reads a segmenter: a folder of TensorFlow.js layers, as brainchop publishes its networks.

`model.json` holds the layers (a Keras model) and the names and shapes of the weights; one binary
file holds their float32 numbers, in that order. Nothing in the folder is executed, and sizes are
bounded. The names of the regions are in a `colormap*.json` that has as many as the network.

Source: https://github.com/neuroneural/brainchop, folder `public/models` (MIT licence).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.errors import InputError, Refused
from medsr.regions.meshnet import ACTIVATIONS, Layer
from medsr.regions.segmenter import Segmenter

__all__ = ["read_segmenter"]

#: A network of 50 regions has 29 kB of layers and 0.8 MB of weights.
MOST_BYTES_OF_JSON = 4 << 20
MOST_BYTES_OF_WEIGHTS = 64 << 20

#: A layer needs 4 bytes a channel and voxel, and a whole head has 17 million voxels.
MOST_CHANNELS = 64
MOST_LAYERS = 64

Weights = dict[str, NDArray[np.float32]]

#: What every convolution must have, as Keras names it.
_PLAIN = {"strides": [1, 1, 1], "padding": "same", "data_format": "channels_last"}


def read_segmenter(folder: str | Path) -> Segmenter:
    """Read a network of plain dilated convolutions with the names of its regions.

    Args:
        folder: with `model.json`, its file of weights, and `colormap.json`.

    Raises:
        InputError: the folder or a file is missing, too large, or not what its name says.
        Refused: the network has layers of another kind.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder.name}: there is no such folder. --segmenter needs a folder with the "
            "model.json of a segmentation network and its weights."
        )
    model = _json(folder / "model.json")
    try:
        (manifest,) = model["weightsManifest"]
        (file,) = manifest["paths"]
        entries = [(str(w["name"]), tuple(map(int, w["shape"]))) for w in manifest["weights"]]
        stack = [
            (layer["class_name"], dict(layer["config"]))
            for layer in model["modelTopology"]["model_config"]["config"]["layers"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(folder, "model.json is not a TensorFlow.js layers model") from None
    layers = _layers(stack, _weights(folder, str(file), entries), folder)
    count = int(layers[-1].weight.shape[0])
    return Segmenter(folder.name, layers, _names(folder, count))


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(f"Segmenter {folder.name}: {what}. Download the folder again.")


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_BYTES_OF_JSON:
            raise _damaged(path.parent, f"{path.name} has more than 4 MB")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(
            f"Segmenter {path.parent.name}: {path.name} is missing or cannot be read. "
            "--segmenter needs a folder with model.json, its weights and colormap.json."
        ) from None
    except (ValueError, RecursionError):
        raise _damaged(path.parent, f"{path.name} is not JSON") from None


def _weights(folder: Path, file: str, entries: list[tuple[str, tuple[int, ...]]]) -> Weights:
    """Name -> numbers. The file must be in the folder, and hold exactly these."""
    if Path(file).name != file or file in {"", ".", ".."}:
        raise _damaged(folder, "model.json names a file of weights outside of the folder")
    if any(size < 1 for _, shape in entries for size in shape):
        raise _damaged(folder, "model.json names weights without a size")
    sizes = [math.prod(shape) for _, shape in entries]
    try:
        found = (folder / file).stat().st_size
        if found != 4 * sum(sizes) or found > MOST_BYTES_OF_WEIGHTS:
            raise _damaged(
                folder, f"{file} has {found} bytes, model.json describes {4 * sum(sizes)}"
            )
        numbers = np.fromfile(folder / file, dtype="<f4")
    except OSError:
        raise _damaged(folder, f"{file} is missing or cannot be read") from None
    if not np.isfinite(numbers).all():
        raise _damaged(folder, f"{file} has weights that are not finite")
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return {
        name: part.reshape(shape).astype(np.float32)
        for (name, shape), part in zip(entries, parts, strict=True)
    }


def _layers(
    stack: list[tuple[Any, dict[str, Any]]], weights: Weights, folder: Path
) -> tuple[Layer, ...]:
    """Convolutions, each with the activation that follows it, in their order."""
    layers: list[Layer] = []
    channels = 1
    for kind, config in stack[: MOST_LAYERS + 1]:
        if kind == "Conv3D":
            layers.append(_convolution(config, weights, channels, folder))
            channels = int(layers[-1].weight.shape[0])
        elif kind == "Activation" and layers and config.get("activation") in ACTIVATIONS:
            last = layers.pop()
            layers.append(Layer(last.weight, last.bias, last.dilation, config["activation"]))
        elif kind != "InputLayer":
            raise _other(folder, f"a layer {kind!s} ({config.get('activation', 'no activation')})")
    if not layers or layers[-1].weight.shape[-1] != 1 or len(stack) > MOST_LAYERS:
        raise _other(folder, "no last convolution of 1 x 1 x 1, or too many layers")
    return tuple(layers)


def _convolution(config: dict[str, Any], weights: Weights, inputs: int, folder: Path) -> Layer:
    """One layer; its weights must have the shape that the layer and the one before it say."""
    name, dilation = str(config.get("name")), config.get("dilation_rate")
    plain = all(config.get(key) == value for key, value in _PLAIN.items())
    plain &= config.get("use_bias") is True and config.get("groups", 1) == 1
    plain &= config.get("activation", "linear") in ACTIVATIONS and not name.endswith("_gn")
    plain &= isinstance(dilation, list) and len(set(dilation)) == 1
    if not plain or not isinstance(dilation, list) or dilation[0] not in range(1, 65):
        raise _other(folder, f"the convolution {name} with strides, groups or a normalisation")
    kernel, bias = weights.get(f"{name}/kernel"), weights.get(f"{name}/bias")
    if kernel is None or bias is None or kernel.ndim != 5 or kernel.shape[4:] != bias.shape:
        raise _damaged(folder, f"the weights of {name} are missing or have another shape")
    sizes, (given, outputs) = set(kernel.shape[:3]), kernel.shape[3:]
    if sizes not in ({1}, {3}, {5}) or given != inputs or outputs > MOST_CHANNELS:
        raise _damaged(folder, f"the weights of {name} do not fit the layer before it")
    weight = torch.from_numpy(np.ascontiguousarray(kernel.transpose(4, 3, 0, 1, 2)))
    return Layer(weight, torch.from_numpy(bias), dilation[0], config.get("activation", "linear"))


def _other(folder: Path, what: str) -> Refused:
    return Refused(
        f"Segmenter {folder.name}: has {what}. medsr runs plain stacks of dilated 3-D "
        "convolutions with ELU or ReLU (MeshNet), such as brainchop's model18cls."
    )


def _names(folder: Path, count: int) -> tuple[str, ...]:
    """The names of the channels, the background first; numbers where no file has as many."""
    for path in sorted(folder.glob("colormap*.json")):
        found = _json(path)
        labels = found.get("labels") if isinstance(found, dict) else None
        if isinstance(labels, list) and len(labels) == count:
            return tuple(str(label)[:80] for label in labels)
    return ("background", *(f"region {k}" for k in range(1, count)))

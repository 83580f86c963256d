"""A segmenter small enough to be checked by hand: a blur, then thresholds."""

import json

import numpy as np
import pytest


def convolution(name, filters, size, dilation, activation="linear"):
    return {
        "class_name": "Conv3D",
        "config": {
            "name": name,
            "filters": filters,
            "kernel_size": [size] * 3,
            "strides": [1, 1, 1],
            "dilation_rate": [dilation] * 3,
            "padding": "same",
            "data_format": "channels_last",
            "activation": activation,
            "use_bias": True,
        },
    }


def activation(name):
    return {"class_name": "Activation", "config": {"name": "a", "activation": name}}


def write(folder, layers, weights, labels):
    """A folder as brainchop's: layers, (name, array) of weights, names of regions."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = [{"name": n, "shape": list(w.shape), "dtype": "float32"} for n, w in weights]
    model = {
        "format": "layers-model",
        "modelTopology": {"model_config": {"config": {"layers": layers}}},
        "weightsManifest": [{"paths": ["model.bin"], "weights": manifest}],
    }
    (folder / "model.json").write_text(json.dumps(model))
    numbers = [np.asarray(w, dtype="<f4").ravel() for _, w in weights]
    (folder / "model.bin").write_bytes(np.concatenate(numbers).tobytes())
    (folder / "colormap.json").write_text(json.dumps({"R": [], "labels": labels}))
    return folder


def thresholds():
    """Dark below 0.25, middle, bright above 0.75: scores 0, x - 1/4 and 2 x - 1."""
    first = np.zeros((3, 3, 3, 1, 2), np.float32)
    first[1, 1, 1] = 1  # the voxel itself, twice
    last = np.zeros((1, 1, 1, 2, 3), np.float32)
    last[0, 0, 0, 0] = [0, 1, 0]
    last[0, 0, 0, 1] = [0, 0, 2]
    return (
        [
            {"class_name": "InputLayer", "config": {"name": "input"}},
            convolution("one", 2, 3, 2),
            activation("elu"),
            convolution("output", 3, 1, 1),
        ],
        [
            ("one/kernel", first),
            ("one/bias", np.zeros(2)),
            ("output/kernel", last),
            ("output/bias", np.array([0, -0.25, -1.0])),
        ],
    )


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "tiny", *thresholds(), ["nothing", "middle", "bright"])

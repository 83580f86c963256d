"""Reading a segmenter: what is accepted, and the sentence for everything else."""

import json

import numpy as np
import pytest

from medsr.errors import InputError, Refused
from medsr.regions.reader import read_segmenter
from tests.real_data import REAL_DATA
from tests.regions.conftest import activation, convolution, thresholds, write


def change(folder, edit):
    model = json.loads((folder / "model.json").read_text())
    edit(model)
    (folder / "model.json").write_text(json.dumps(model))


def test_layers_and_names_are_read(folder):
    found = read_segmenter(folder)
    assert found.name == "tiny"
    assert found.names == ("nothing", "middle", "bright")
    assert [(tuple(x.weight.shape), x.dilation, x.activation) for x in found.layers] == [
        ((2, 1, 3, 3, 3), 2, "elu"),
        ((3, 2, 1, 1, 1), 1, "linear"),
    ]


def test_weights_are_turned_to_the_order_of_torch(folder):
    weights = read_segmenter(folder).layers[1].weight.numpy()
    assert weights[:, 0, 0, 0, 0] == pytest.approx([0, 1, 0])
    assert weights[:, 1, 0, 0, 0] == pytest.approx([0, 0, 2])


def test_names_that_do_not_fit_become_numbers(folder):
    (folder / "colormap.json").write_text(json.dumps({"labels": ["background", "brain"]}))
    assert read_segmenter(folder).names == ("background", "region 1", "region 2")
    (folder / "colormap3.json").write_text(json.dumps({"labels": ["none", "white", "grey"]}))
    assert read_segmenter(folder).names == ("none", "white", "grey")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.json", b"{", "not JSON"),
        ("model.json", b"[" * 100_000, "not JSON"),
        ("model.json", b"[]", "not a TensorFlow.js"),
        ("model.json", b'{"weightsManifest": [{"paths": [1, 2]}]}', "not a TensorFlow.js"),
        ("model.json", b" " * (4 << 20) + b"{}", "more than 4 MB"),
        ("model.bin", b"1234", "has 4 bytes"),
        ("colormap.json", b"{", "not JSON"),
    ],
)
def test_damaged_files_are_named(folder, name, content, words):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_segmenter(folder)


def test_missing_files_and_folders_are_named(folder):
    (folder / "model.bin").unlink()
    with pytest.raises(InputError, match=r"model\.bin is missing"):
        read_segmenter(folder)
    (folder / "model.json").unlink()
    with pytest.raises(InputError, match=r"model\.json is missing"):
        read_segmenter(folder)
    with pytest.raises(InputError, match="no such folder"):
        read_segmenter(folder / "other")


@pytest.mark.parametrize("path", ["../model.bin", "/etc/hostname", "..", ""])
def test_weights_outside_of_the_folder_are_not_opened(folder, path):
    change(folder, lambda m: m["weightsManifest"][0].update(paths=[path]))
    with pytest.raises(InputError, match="outside of the folder"):
        read_segmenter(folder)


def test_sizes_are_checked_before_anything_is_read(folder):
    huge = {"name": "x", "shape": [1 << 20, 1 << 20, 1 << 20]}
    change(folder, lambda m: m["weightsManifest"][0]["weights"].append(huge))
    with pytest.raises(InputError, match=r"bytes, model\.json describes"):
        read_segmenter(folder)
    change(folder, lambda m: m["weightsManifest"][0]["weights"][-1].update(shape=[-1]))
    with pytest.raises(InputError, match="without a size"):
        read_segmenter(folder)


def test_weights_that_are_not_finite_are_refused(folder):
    numbers = np.fromfile(folder / "model.bin", "<f4")
    numbers[3] = np.nan
    numbers.tofile(folder / "model.bin")
    with pytest.raises(InputError, match="not finite"):
        read_segmenter(folder)


@pytest.mark.parametrize(
    "edit",
    [
        {"strides": [2, 2, 2]},
        {"padding": "valid"},
        {"groups": 2},
        {"use_bias": False},
        {"dilation_rate": [1, 2, 1]},
        {"dilation_rate": [1000, 1000, 1000]},
        {"name": "one_gn"},
    ],
)
def test_other_convolutions_are_refused(folder, edit):
    layer = ["modelTopology", "model_config", "config", "layers"]

    def apply(model):
        for key in layer:
            model = model[key]
        model[1]["config"].update(edit)

    change(folder, apply)
    with pytest.raises(Refused, match="plain stacks of dilated"):
        read_segmenter(folder)


def test_other_layers_are_refused(tmp_path):
    layers, weights = thresholds()
    for extra in (activation("softplus"), {"class_name": "Lambda", "config": {}}):
        changed = write(tmp_path / "x", [*layers[:2], extra, *layers[2:]], weights, [])
        with pytest.raises(Refused, match="has a layer"):
            read_segmenter(changed)


def test_layers_must_fit_each_other(tmp_path):
    layers, weights = thresholds()
    layers = [layers[1], convolution("one", 2, 3, 1), *layers[2:]]
    with pytest.raises(InputError, match="do not fit the layer before"):
        read_segmenter(write(tmp_path / "x", layers, weights, []))
    with pytest.raises(Refused, match="no last convolution"):
        read_segmenter(write(tmp_path / "y", thresholds()[0][:2], weights, []))


@pytest.mark.skipif(not (REAL_DATA / "segmenters").is_dir(), reason="no segmenters here")
def test_the_published_networks_are_read():
    home = REAL_DATA / "segmenters"
    assert len(read_segmenter(home / "model18cls").names) == 18
    assert read_segmenter(home / "model5_gw_ae").names[1:] == ("White Matter", "Grey Matter")
    with pytest.raises(Refused):
        read_segmenter(home / "mindgrab")

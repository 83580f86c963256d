"""The folder of a model hub, and reading it back."""

import json

import numpy as np
import pytest
import yaml

import medsr
from medsr.commands.export import export_hub
from medsr.errors import InputError
from medsr.network.checkpoint import load_card, save_model, weights_digest
from tests.batch.studies import thick_nifti
from tests.network.test_unet_and_checkpoint import card, small_denoiser


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(licence="CC-BY-4.0"), path)
    return path


@pytest.fixture
def hub(model, tmp_path):
    export_hub(str(model), tmp_path / "hub", "A. Author", overwrite=False)
    return tmp_path / "hub"


def header(folder):
    _, text, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(text)


def test_a_folder_gives_the_digest_and_the_voxels_of_the_file(hub, model, tmp_path):
    scan = thick_nifti(tmp_path / "scan.nii.gz")
    file, folder = medsr.Enhancer.from_pretrained(str(model)), medsr.Enhancer.from_pretrained(hub)
    assert folder.card == file.card
    assert folder.digest == file.digest == weights_digest(model)
    ours, theirs = folder.enhance(scan).volume, file.enhance(scan).volume
    assert np.array_equal(ours.voxels, theirs.voxels)


def test_the_command_line_and_the_list_of_models_know_the_folder(hub, tmp_path):
    scan = thick_nifti(tmp_path / "scan.nii.gz")
    options = medsr.Options(model=str(hub))
    enhanced = medsr.Enhancer.from_pretrained(hub).enhance(scan, options)
    assert enhanced.record.to_json()["Model"] == "small"
    assert [one.name for one in medsr.models(hub)][-1] == "small"


def test_the_header_is_what_a_hub_reads(hub, model, tmp_path):
    assert header(hub) == {
        "license": "cc-by-4.0",
        "library_name": "medsr",
        "pipeline_tag": "image-to-image",
        "tags": ["medical", "super-resolution", "diffusion", "mri"],
    }
    save_model(small_denoiser(), card(licence='ours: "ask"', modality="CT"), model)
    export_hub(str(model), tmp_path / "other", "A. Author", overwrite=False)
    found = header(tmp_path / "other")
    assert (found["license"], found["license_name"]) == ("other", 'ours: "ask"')
    assert found["license_link"] == "LICENSE"
    assert found["tags"][-1] == "ct"


def test_a_card_of_the_same_name_comes_first(hub):
    """A file that happens to be called model.safetensors keeps its own card."""
    facts = json.loads((hub / "config.json").read_text(encoding="utf-8"))
    (hub / "model.json").write_text(json.dumps({**facts, "name": "beside"}), encoding="utf-8")
    found = medsr.Enhancer.from_pretrained(str(hub / "model.safetensors"))
    assert found.card == load_card(hub / "model.json")


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("model.safetensors", None, "the folder contains no model.safetensors"),
        ("model.safetensors", "", "weights are missing or damaged"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1", "damaged"),
        ("config.json", None, "config.json: the model card is missing"),
        ("config.json", "{", "config.json: is not a medsr model card"),
        ("config.json", '{"model_type": "bert"}', "config.json: is not a medsr model card"),
    ],
)
def test_a_malformed_folder_is_said_in_words(hub, name, text, fault):
    if text is None:
        (hub / name).unlink()
    else:
        (hub / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=fault):
        medsr.Enhancer.from_pretrained(hub)


def test_weights_of_another_network_are_refused(hub):
    facts = json.loads((hub / "config.json").read_text(encoding="utf-8"))
    facts["network"]["widths"] = [8, 24]
    (hub / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(InputError, match="do not fit their model card"):
        medsr.Enhancer.from_pretrained(hub)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path.name}: the folder contains no"):
        medsr.Enhancer.from_pretrained(tmp_path)

"""A MONAI bundle passes MONAI's own checks, and runs as `medsr enhance` does."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medsr.commands.export import export_bundle
from medsr.errors import InputError
from medsr.network.bundled import model_path
from medsr.network.checkpoint import load_model, weights_digest
from medsr.sharing.bundle import BUNDLE_FILES
from medsr.sharing.bundle_metadata import SCHEMA
from medsr.sharing.bundle_network import PosteriorMean
from tests.command_line import call

SAMPLE = Path(__file__).parents[2] / "sample_data" / "head_T1w_thick.nii.gz"

#: What `bundle_metadata.SCHEMA` demands, written down here: tests download nothing.
TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "channel_def": {"type": "object"},
        "is_patch_data": {"type": "boolean"},
    },
}
TENSORS = {"type": "object", "additionalProperties": TENSOR}
TEXTS = (
    *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task"),
    *("description", "authors", "copyright", "data_source", "data_type", "image_classes"),
    *("pred_classes", "intended_use", "name"),
)
GROUPS = ("changelog", "required_packages_version", "eval_metrics")
METADATA = {
    "type": "object",
    "required": [*TEXTS, *GROUPS, "references", "network_data_format"],
    "properties": {
        **{name: {"type": "string", "minLength": 1} for name in TEXTS},
        **{name: {"type": "object"} for name in GROUPS},
        "references": {"type": "array", "items": {"type": "string"}},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {"inputs": TENSORS, "outputs": TENSORS},
        },
    },
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "head_mr_super_resolution"
    export_bundle("mr-head", folder, None, overwrite=False)
    return folder


@pytest.fixture(scope="module")
def crop(tmp_path_factory):
    """A folder with the middle of the sample scan and its sidecar."""
    folder = tmp_path_factory.mktemp("scans")
    nibabel.save(nibabel.load(SAMPLE).slicer[60:108, 80:144, 10:26], folder / "head.nii.gz")
    facts = SAMPLE.with_name("head_T1w_thick.json").read_text(encoding="utf-8")
    (folder / "head.json").write_text(facts, encoding="utf-8")
    return folder


def metadata_of(bundle):
    return json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))


def test_a_bundle_has_these_files(bundle):
    found = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    assert found == set(BUNDLE_FILES)
    assert all(path.stat().st_size < 25 * 1024**2 for path in bundle.rglob("*"))


@pytest.fixture
def verify(tmp_path, monkeypatch):
    """MONAI's check of a metadata file; the schema lies where MONAI would put it."""
    pytest.importorskip("jsonschema")
    import monai.apps.utils
    from monai.bundle import verify_metadata

    monkeypatch.setattr(monai.apps.utils, "urlretrieve", None)
    (tmp_path / "schema.json").write_text(json.dumps(METADATA), encoding="utf-8")

    def check(path):
        verify_metadata(meta_file=str(path), filepath=str(tmp_path / "schema.json"))

    return check


@pytest.mark.filterwarnings("ignore")
def test_verify_metadata(bundle, verify, tmp_path):
    verify(bundle / "configs" / "metadata.json")
    facts = metadata_of(bundle)
    assert facts["schema"] == SCHEMA
    assert facts["version"] in facts["changelog"]
    del facts["network_data_format"]["inputs"]["image"]["dtype"]
    (tmp_path / "less.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ValueError, match="Failed validating"):
        verify(tmp_path / "less.json")


@pytest.mark.filterwarnings("ignore")
def test_verify_net_in_out(bundle):
    from monai.bundle import verify_net_in_out

    files = {
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "config_file": str(bundle / "configs" / "inference.json"),
    }
    verify_net_in_out("network_def", device="cpu", n=2, **files)
    with pytest.raises(ValueError, match="output channel number"):
        verify_net_in_out(
            "network_def",
            device="cpu",
            **files,
            **{"_meta_#network_data_format#outputs#pred#num_channels": 2},
        )


def test_the_metadata_counts_the_channels_of_the_network(bundle):
    image = metadata_of(bundle)["network_data_format"]["inputs"]["image"]
    assert image["num_channels"] == len(image["channel_def"]) == 7 + 4


def test_the_weights_are_a_plain_state_dictionary(bundle):
    tensors = torch.load(bundle / "models" / "model.pt", weights_only=True)
    denoiser, card = load_model(model_path("mr-head"))
    network = PosteriorMean(card.network, card.features)
    network.load_state_dict(tensors)
    for name, value in denoiser.state_dict().items():
        assert torch.equal(network.denoiser.state_dict()[name], value), name


def test_run_gives_the_voxels_of_enhance(bundle, crop, tmp_path):
    pytest.importorskip("fire")
    words = ["run", "--config_file", "configs/inference.json", "--dataset_dir", crop]
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", *words, "--output_dir", tmp_path / "out"],
        cwd=bundle,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    plain = tmp_path / "plain.nii.gz"
    assert call("enhance", crop / "head.nii.gz", "-o", plain, "-q") == 0
    ours, theirs = (
        nibabel.load(path) for path in (plain, tmp_path / "out" / "head_enhanced.nii.gz")
    )
    assert np.allclose(ours.affine, theirs.affine)
    fine = ours.get_fdata()
    assert fine.shape[2] > 60
    assert np.abs(theirs.get_fdata() - fine).max() <= 0.004 * fine.max()  # bfloat16 has 8 bits
    record = json.loads((tmp_path / "out" / "head_enhanced.json").read_text(encoding="utf-8"))
    assert record["ModelSHA256"] == weights_digest(bundle / "models" / "model.pt")


@pytest.mark.filterwarnings("ignore")
def test_the_workflow_has_all_that_monai_requires(bundle):
    from monai.bundle import ConfigWorkflow

    workflow = ConfigWorkflow(
        workflow_type="infer",
        config_file=str(bundle / "configs" / "inference.json"),
        logging_file=False,
        bundle_root=str(bundle),
    )
    workflow.initialize()
    assert not workflow.check_properties()
    assert workflow.version == metadata_of(bundle)["version"]


@pytest.mark.filterwarnings("ignore")
def test_options_are_those_of_medsr(bundle, crop, tmp_path):
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    parser.update({"bundle_root": str(bundle), "options#spacing_mm": 1.0})
    parser.update({"dataset_dir": str(crop / "none"), "output_dir": str(tmp_path)})
    assert parser.get_parsed_content("inferer").options.spacing_mm == 1.0
    with pytest.raises(InputError, match="--dataset_dir"):
        parser.get_parsed_content("evaluator").run()

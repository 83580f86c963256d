"""`medsr enhance --guide` and `medsr batch --guide-suffix`: NIfTI, BIDS and DICOM."""

import json

import nibabel
import numpy as np
import pydicom
import pytest

from medsr.batch import make_plan, run
from medsr.batch.plan import Selection
from medsr.network.checkpoint import save_model
from medsr.restore import guides as module
from medsr.restore.options import Options
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.batch.studies import small_model
from tests.cli.test_machine import validate
from tests.command_line import call
from tests.conftest import smooth_head
from tests.dicom_factory import dicom_series
from tests.network.test_guide_stem import GUIDED, guided_denoiser
from tests.network.test_unet_and_checkpoint import card

pytest.importorskip("SimpleITK")

SIDE = 32


@pytest.fixture
def model(tmp_path, monkeypatch):
    """An untrained model that takes guides; they count, whether they help or not."""
    monkeypatch.setattr(module, "LEAST_GAIN_DB", -100)
    path = tmp_path / "model" / "guided.safetensors"
    path.parent.mkdir()
    save_model(guided_denoiser(), card(network=GUIDED), path)
    return path


def scan_at(path, thick):
    """A made head in 4 mm slices, or in another contrast on 1 mm voxels."""
    head = smooth_head((SIDE,) * 3, 3)
    affine, axis = np.eye(4), 2
    if thick:
        head = head.reshape(SIDE, SIDE, 8, 4).mean(3)
        affine[2, 2], affine[2, 3] = 4.0, 1.5
    else:
        head, axis = head.max() - head, None
    path.parent.mkdir(parents=True, exist_ok=True)
    scan = Volume(head.astype(np.float32), affine, modality="MR", slice_axis=axis)
    facts = {"Modality": "MR", **({"SliceThickness": 4.0} if thick else {})}
    write_nifti(scan, path, facts)
    return path


def test_a_guide_is_used_and_recorded(model, tmp_path, capsys):
    thick, guide = scan_at(tmp_path / "a.nii.gz", True), scan_at(tmp_path / "b.nii.gz", False)
    out, page = tmp_path / "out.nii.gz", tmp_path / "page.html"
    words = ("enhance", thick, "-o", out, "--model", model, "--force", "--report", page)
    assert call(*words, "--guide", guide, "--registered", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    validate(facts, "enhance")
    (used,) = facts["Guides"]
    assert used["Used"]
    assert not used["Registered"]
    assert used["InputSpacing"] == [1, 1, 1]
    record = json.loads((tmp_path / "out.json").read_text())
    validate(record, "sidecar")
    assert record["Guides"] == facts["Guides"]
    for words in ("Guide 1 was used", "Guide 1, registered", "Mutual information before"):
        assert words in page.read_text()
    alone = tmp_path / "alone.nii.gz"
    assert call("enhance", thick, "-o", alone, "--model", model, "--force", "-q") == 0
    one, two = (np.asarray(nibabel.load(path).dataobj) for path in (alone, out))
    assert not np.array_equal(one, two)


def test_a_model_without_guides_and_stacks_with_guides_are_refused(model, tmp_path, capsys):
    thick, guide = scan_at(tmp_path / "a.nii.gz", True), scan_at(tmp_path / "b.nii.gz", False)
    plain, out = small_model(tmp_path / "plain"), tmp_path / "out.nii.gz"
    words = ("enhance", thick, "-o", out, "--force", "--guide", guide)
    assert call(*words, "--model", plain) == 2
    assert "takes no guides" in capsys.readouterr().err
    assert call(*words, "--model", model, "--stack", thick) == 2
    assert "either --stack or --guide" in capsys.readouterr().err
    assert not out.exists()


def series(folder, uid, description, **words):
    """A DICOM series of the one study."""

    def change(_, dataset):
        dataset.SeriesDescription, dataset.StudyInstanceUID = description, "1.2.3"
        dataset.PatientID = "A"

    dicom_series(folder, uid=uid, change=change, prefix=description, **words)
    return folder


@pytest.fixture
def study(tmp_path):
    wide = {"shape": (24, 24), "pixel_spacing": (1.0, 1.0)}
    series(tmp_path / "study" / "flair", "1.2.3.1", "FLAIR", slices=6, step_mm=4.0, **wide)
    series(tmp_path / "study" / "t1", "1.2.3.2", "T1w_mprage", slices=24, step_mm=1.0, **wide)
    return tmp_path / "study"


def sources_of(folder):
    files = sorted(folder.glob("*.dcm"))
    return [
        {item.ReferencedSOPInstanceUID for item in pydicom.dcmread(file).SourceImageSequence}
        for file in files
    ]


def instances(folder):
    return {pydicom.dcmread(file).SOPInstanceUID for file in folder.iterdir()}


def test_a_dicom_result_names_the_slices_of_the_guide(model, study, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REFUSED", 0)
    out = tmp_path / "out"
    words = ("enhance", study / "flair", "-o", out, "--model", model, "--force", "-q")
    assert call(*words, "--guide", study / "t1", "--registered") == 0
    guide, target = instances(study / "t1"), instances(study / "flair")
    for named in sources_of(out):
        assert guide < named
        assert 1 <= len(named & target) <= 2
    words = pydicom.dcmread(next(out.glob("*.dcm"))).DerivationDescription
    assert "guided by 1 other scan" in words
    monkeypatch.setattr(module, "LEAST_GAIN_DB", 1000)  # now it is dropped
    words = ("enhance", study / "flair", "-o", out, "--model", model, "--force", "-q")
    assert call(*words, "--guide", study / "t1", "--registered", "--overwrite") == 0
    assert not any(named & guide for named in sources_of(out))


def enhanced_here(root, out, model, suffix):
    """Runs a batch in this process; gives a function that runs it again and says what was done."""

    def again(suffix):
        options, selection = Options(model=str(model), force=True), Selection(guide_suffix=suffix)
        plan = make_plan(root, out, options=options, selection=selection)
        assert run(plan).is_whole
        return {item.label for item in plan.todo}

    again(suffix)
    return again


def test_a_batch_of_bids_takes_the_guide_of_the_session(model, tmp_path, capsys):
    root, out = tmp_path / "bids", tmp_path / "out"
    for person in ("01", "02"):
        anat = root / f"sub-{person}" / "anat"
        scan_at(anat / f"sub-{person}_FLAIR.nii.gz", True)
    scan_at(root / "sub-01" / "anat" / "sub-01_T1w.nii.gz", False)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    words = ("batch", root, out, "--model", model, "--force", "--guide-suffix", "T1w")
    assert call(*words, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    validate(plan, "batch")
    guides = {scan["label"]: scan["guide"] for scan in plan["scans"]}
    assert [bool(guides[f"sub-{k}/anat/sub-{k}_FLAIR.nii.gz"]) for k in ("01", "02")] == [
        True,
        False,
    ]
    again = enhanced_here(root, out, model, "T1w")
    for person, count in (("01", 1), ("02", 0)):
        name = f"sub-{person}_res-sr_desc-medsr_FLAIR.json"
        record = json.loads((out / f"sub-{person}" / "anat" / name).read_text())
        assert len(record.get("Guides", [])) == count
        assert len(record["Sources"]) == 1 + count
    assert again("T1w") == set()
    assert again("") == {"sub-01/anat/sub-01_FLAIR.nii.gz"}
    record = json.loads((out / "sub-01/anat/sub-01_res-sr_desc-medsr_FLAIR.json").read_text())
    assert "Guides" not in record


def test_a_batch_of_dicom_finds_the_guide_by_its_description(model, study, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REFUSED", 0)
    out = tmp_path / "out"
    enhanced_here(study, out, model, "T1w")
    (folder,) = {file.parent for file in out.rglob("slice*.dcm")}
    assert all(instances(study / "t1") < named for named in sources_of(folder))


def test_a_batch_whose_models_take_no_guides_says_so(tmp_path, capsys):
    scan_at(tmp_path / "in" / "a.nii.gz", True)
    words = ("batch", tmp_path / "in", tmp_path / "out", "--guide-suffix", "T1w")
    assert call(*words, "--model", small_model(tmp_path / "plain")) == 2
    assert "takes guides" in capsys.readouterr().err

"""`enhance`, the batch and the node write the same bytes for the same scan and options."""

import json
from pathlib import Path

import pytest

import medsr.batch
from medsr.commands import enhance
from medsr.commands.listen import enhance_received
from medsr.node.rules import Rule
from medsr.restore.enhancer import Enhancer, Models
from medsr.restore.options import Options
from medsr.volume.dicom.read.series import open_series
from tests.batch.studies import make_plan, small_model, thick_nifti
from tests.dicom_factory import dicom_series

OPTIONS = Options(steps=2, samples=2, seed=3, interval=False, null_space_map=True)


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path / "model")


def with_model(model):
    return Options(
        model=model, steps=OPTIONS.steps, samples=2, seed=OPTIONS.seed, null_space_map=True
    )


def contents(image: Path) -> dict[str, bytes]:
    """The image and all that stands beside it under its name, by what follows the name."""
    stem = image.name.removesuffix(".nii.gz")
    found = {}
    for entry in image.parent.iterdir():
        if not entry.name.startswith(stem):
            continue
        files = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
        for file in files:
            name = str(file.relative_to(image.parent)).removeprefix(stem)
            found[name] = file.read_bytes()
    return found


def test_a_nifti_scan_from_enhance_and_batch(tmp_path, model):
    scan = thick_nifti(tmp_path / "in" / "scan.nii.gz")
    options = with_model(model)
    enhance.run(enhance.Request(scan, tmp_path / "one" / "scan.nii.gz", options))
    medsr.batch.run(make_plan(tmp_path / "in", tmp_path / "many", options=options))
    one, many = (contents(tmp_path / place / "scan.nii.gz") for place in ("one", "many"))
    assert set(one) == {".nii.gz", ".json", "_std.nii.gz", "_std.json"} | {
        "_null-space.nii.gz",
        "_null-space.json",
    }
    assert one == many


def test_a_dicom_series_from_enhance_batch_and_node(tmp_path, model):
    dicom_series(tmp_path / "in", slices=6, step_mm=4.0)
    options = with_model(model)
    enhance.run(enhance.Request(tmp_path / "in", tmp_path / "one", options))
    plan = make_plan(tmp_path / "in", tmp_path / "many", options=options)
    medsr.batch.run(plan)
    rule = Rule(name="all", model=model, steps=2, samples=2, seed=3, null_space_map=True)
    with open_series(tmp_path / "in") as series:
        enhance_received(series, tmp_path / "node" / "enhanced", rule, Models("cpu"))
    images = [tmp_path / "one", tmp_path / "many" / plan.items[0].output]
    images.append(tmp_path / "node" / "enhanced")
    one, many, node = (contents(image) for image in images)
    assert any(name.endswith(".dcm") for name in one)
    assert without_format(one) == without_format(many) == without_format(node)


def without_format(files):
    """The files; of the records all but what was given for the format, which only rules set."""
    shown = {}
    for name, content in files.items():
        if not name.endswith(".json"):
            shown[name] = content
            continue
        record = json.loads(content)
        record["Settings"].pop("format")
        shown[name] = record
    return shown


def test_the_node_loads_the_weights_once_for_ten_series(tmp_path, model, monkeypatch):
    loads = []
    genuine = Enhancer.from_pretrained.__func__

    def counted(cls, name, *, device="auto"):
        loads.append(name)
        return genuine(cls, name, device=device)

    monkeypatch.setattr(Enhancer, "from_pretrained", classmethod(counted))
    models, rule = Models("cpu"), Rule(name="all", model=model, steps=1)
    for k in range(10):
        dicom_series(tmp_path / f"in{k}", slices=3, step_mm=4.0, seed=k, uid=f"1.2.3.{k + 1}")
        with open_series(tmp_path / f"in{k}") as series:
            enhance_received(series, tmp_path / f"out{k}", rule, models)
    assert len(loads) == 1

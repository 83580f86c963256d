"""What a program reads: every command prints JSON that its schema describes, errors too."""

import json
import logging
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import jsonschema
import nibabel
import numpy as np
import pytest

from medsr import errors
from medsr.cli.main import app
from medsr.commands.listen import JsonLines
from medsr.commands.schema import names, run
from tests.batch.studies import bids_study, nifti_study, small_model, thick_nifti
from tests.command_line import call
from tests.commands.test_evaluate import folders
from tests.commands.test_info import dump
from tests.dicom_factory import dicom_series

__all__ = ["dump", "folders"]

ROOT = Path(__file__).parents[2]


def validate(page, name):
    jsonschema.validate(page, run(name), cls=jsonschema.Draft202012Validator)


def printed(capsys, name):
    """The JSON on standard output, after its schema was checked, and standard error."""
    shown = capsys.readouterr()
    page = json.loads(shown.out)
    validate(page, name)
    return page, shown.err


@pytest.fixture
def scan(tmp_path):
    return thick_nifti(tmp_path / "in" / "scan.nii.gz")


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path / "model")


def test_every_command_has_json_and_a_schema():
    for name, command in app.commands.items():
        if name == "completion":
            continue  # prints a script
        flags = {flag for option in command.params for flag in option.opts}
        assert "--json" in flags, f"medsr {name} has no --json"
        assert name in names(), f"there is no schema of medsr {name}"


@pytest.mark.parametrize("name", names())
def test_schemas_are_schemas_and_hold_all_that_they_refer_to(name):
    schema = run(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    text = json.dumps(schema)
    assert all(f'"#/$defs/{other}"' not in text or other in schema["$defs"] for other in names())


def test_a_schema_refuses_what_it_does_not_describe(scan, capsys):
    assert call("info", scan, "--json") == 0
    page = json.loads(capsys.readouterr().out)
    page["scans"][0]["unknown"] = 1
    with pytest.raises(jsonschema.ValidationError):
        validate(page, "info")


def test_enhance_prints_the_record_and_writes_it(scan, model, tmp_path, capsys):
    words = ("enhance", scan, "-o", tmp_path / "out.nii.gz", "--model", model, "--json")
    assert call(*words, "--dry-run") == 0
    planned, _ = printed(capsys, "enhance")
    assert "Seconds" not in planned
    assert call(*words, "--progress-json", "--interval") == 4  # this model has no interval
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["error"]["exit_code"] == 4
    assert call(*words, "--progress-json") == 0
    record, said = printed(capsys, "enhance")
    assert record["Settings"]["consistency"] == "noise"
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    for line in lines:
        validate(line, "progress")
    shares = [line["progress"] for line in lines]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1
    written = json.loads((tmp_path / "out.json").read_text())
    validate(written, "sidecar")
    assert written == {**{k: v for k, v in record.items() if k != "Seconds"}, **extra(written)}


def extra(written):
    """What is in the file only."""
    return {"OutputBytes": written["OutputBytes"]}


def test_batch_plan_results_and_summary(tmp_path, model, capsys):
    study, out = nifti_study(tmp_path / "in", 2), tmp_path / "out"
    thick_nifti(study / "iso.nii.gz", affine=np.eye(4), slice_axis=None)
    words = ("batch", study, out, "--model", model, "--json", "--no-progress", "--num-parts", 1)
    assert call(*words, "--dry-run") == 0
    plan, _ = printed(capsys, "batch")
    assert {item["decision"] for item in plan["scans"]} == {"enhance", "skip"}
    assert call(*words) == 0
    results, _ = printed(capsys, "batch")
    assert results["Counts"] == {"done": 2, "skipped": 1}
    validate(json.loads((out / "summary.json").read_text()), "summary")
    (sidecar, *_) = [path for path in out.rglob("scan*.json") if path.parent != out]
    validate(json.loads(sidecar.read_text()), "sidecar")


def test_sidecars_of_maps_of_dicom_and_of_bids(tmp_path, model, capsys):
    dicom_series(tmp_path / "series", step_mm=4.0)
    words = ("--model", model, "--samples", 2, "--null-space", "-q")
    assert call("enhance", tmp_path / "series", "-o", tmp_path / "out", *words) == 0
    study = bids_study(tmp_path / "bids")
    out = study / "derivatives" / "medsr"
    words = ("--model", model, "--samples", 2, "--num-parts", 1, "--no-progress", "--json")
    assert call("batch", study, out, *words) == 0
    found = [*tmp_path.glob("out*.json"), *out.glob("sub-*/**/*.json")]
    assert len(found) == 3 + 2 * 2  # image, standard deviation, null-space component
    for path in found:
        validate(json.loads(path.read_text()), "sidecar")


def test_a_batch_that_is_partly_done_prints_its_results_and_the_error(tmp_path, model, capsys):
    study = nifti_study(tmp_path / "in", 1)
    (study / "broken.nii.gz").write_bytes(b"not an image")
    words = ("batch", study, tmp_path / "out", "--model", model, "--json", "--no-progress")
    assert call(*words) == 8
    results, said = printed(capsys, "batch")
    assert len(results["Scans"]) == 2
    error = json.loads(said.splitlines()[-1])
    validate(error, "error")
    assert error["error"]["kind"] == "PartlyDone"


def test_evaluate_a_pair_a_group_and_definitions(folders, capsys):
    name = "sub-00_T1w.nii.gz"
    pair = ["--reference", folders / "ref" / name, "--estimate", folders / "good" / name]
    assert call("evaluate", *pair, "--labels", folders / "labels" / name, "--json") == 0
    page, _ = printed(capsys, "evaluate")
    assert page["tissues"]
    (folders / "good" / name).unlink()
    words = ["--reference", folders / "ref", "--estimates", folders / "good", folders / "bad"]
    assert call("evaluate", *words, "--low", folders / "low", "--json") == 0
    page, _ = printed(capsys, "evaluate")
    assert page["left_out"]
    assert page["pairings"]
    assert call("evaluate", "--explain", "--json") == 0
    page, _ = printed(capsys, "evaluate")
    assert "psnr" in page["definitions"]


def test_info_of_a_scan_of_a_folder_and_of_a_refused_scan(scan, dump, tmp_path, capsys):
    assert call("info", scan, "--json") == 0
    page, _ = printed(capsys, "info")
    assert page["scans"][0]["target_spacing_mm"] == [1, 1, 1]
    assert call("info", dump, "--json") == 0
    page, _ = printed(capsys, "info")
    assert {one["decision"] for one in page["scans"]} == {"enhance", "skip", "refuse"}
    iso = thick_nifti(tmp_path / "iso.nii", affine=np.eye(4), slice_axis=None)
    assert call("info", iso, "--json") == 0
    page, _ = printed(capsys, "info")
    assert page["scans"][0]["decision"] == "skip"
    colour = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "rgb.nii")
    assert call("info", tmp_path / "rgb.nii", "--json") == 0
    page, _ = printed(capsys, "info")
    assert page["scans"][0] | {"reason": ""} == {
        **dict.fromkeys(("modality", "shape", "spacing_mm", "target_spacing_mm")),
        "decision": "refuse",
        "reason": "",
    }


def test_series_of_a_folder_are_chosen_by_what_the_json_says(dump, capsys):
    assert call("info", dump, "--json") == 0
    page, _ = printed(capsys, "info")
    able = [one for one in page["scans"] if one["decision"] == "enhance"]
    assert able
    for one in able:
        assert call("info", dump, "--json", "--series", one["series_uid"]) == 0
        (again,) = printed(capsys, "info")[0]["scans"]
        assert again["target_spacing_mm"] == pytest.approx(one["target_spacing_mm"], abs=1e-3)


def test_degrade_models_schema_and_version(tmp_path, capsys):
    fine = thick_nifti(tmp_path / "fine.nii.gz", shape=(12, 14, 16), affine=np.eye(4))
    words = ("degrade", fine, "-o", tmp_path / "low.nii.gz", "--slice-spacing", 4, "--json")
    assert call(*words) == 0
    page, _ = printed(capsys, "degrade")
    assert page["Spacing"] == [1, 1, 4]
    assert call("models", "--json") == 0
    page, _ = printed(capsys, "models")
    assert [card["name"] for card in page] == ["ct-body", "mr-head"]
    assert call("schema", "--json") == 0
    printed(capsys, "schema")
    assert call("--version", "--json") == 0
    page, _ = printed(capsys, "version")
    assert page["libraries"]["torch"]
    assert "pytest" not in page["libraries"]


@pytest.mark.parametrize("name", ["export-bundle", "export-hub"])
def test_an_export_prints_its_files(name, tmp_path, capsys):
    assert call(name, "mr-head", tmp_path / "out", "--json") == 0
    page, _ = printed(capsys, name)
    assert page["folder"] == str(tmp_path / "out")
    assert all((tmp_path / "out" / file).is_file() for file in page["files"])
    assert "LICENSE" in page["files"]


def test_training_prints_nothing_but_json(tmp_path, monkeypatch, capsys):
    def learned(*_, **__):
        print("a library that prints")
        return Path("runs/small/small.safetensors")

    for name in ("train", "weights"):
        monkeypatch.setattr(import_module(f"medsr.commands.{name}"), "run", learned)
        assert call(name, tmp_path, "--json") == 0
        page, said = printed(capsys, name)
        assert Path(page["card"]) == Path("runs/small/small.json")
        assert "a library that prints" in said
    words = ("weights", ROOT / "configs" / "mr-head", f"data.root={tmp_path}")
    assert call(*words, f"out={tmp_path}", "--dry-run", "--json") == 0
    page, _ = printed(capsys, "weights")
    assert {stage["state"] for stage in page["stages"]} == {"to do"}


def test_calibrate_prints_the_intervals(tmp_path, monkeypatch, capsys):
    def calibrated(config, overrides, card, note):
        note("| mode | subject |")
        return {"posterior mean": {"coverage": 0.9}}

    monkeypatch.setattr(import_module("medsr.commands.calibrate"), "run", calibrated)
    assert call("calibrate", tmp_path, "--card", "small.json", "--json") == 0
    _, said = printed(capsys, "calibrate")
    assert said == "| mode | subject |\n"


def test_a_line_of_the_log_of_the_node():
    record = logging.LogRecord("medsr.node", logging.WARNING, "", 1, "%s: full", ("disk",), None)
    line = json.loads(JsonLines().format(record))
    validate(line, "listen")
    assert line["message"] == "disk: full"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("enhance none.nii -o out.nii --json", 3, "InputError"),
        ("enhance none.nii --json", 2, "UsageError"),
        ("info none.nii --json --nonsense", 2, "UsageError"),
        ("nonsense --json", 2, "UsageError"),
        ("--json", 2, "UsageError"),
        ("--json models", 2, "UsageError"),
        ("schema enhancement --json", 2, "UsageError"),
    ],
)
def test_an_error_is_the_last_line_of_standard_error(words, code, kind, capsys):
    assert call(*words.split()) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    page = json.loads(shown.err.splitlines()[-1])
    validate(page, "error")
    assert (page["error"]["kind"], page["error"]["exit_code"]) == (kind, code)


def test_ctrl_c_and_a_fault_of_medsr_are_json_too(monkeypatch, capsys):
    module = import_module("medsr.commands.models")
    for fault, code, kind in (
        (KeyboardInterrupt(), 130, "Interrupted"),
        (ZeroDivisionError("by zero"), 1, "InternalError"),
    ):

        def fails(_, fault=fault):
            raise fault

        monkeypatch.setattr(module, "run", fails)
        assert call("models", "--json") == code
        page = json.loads(capsys.readouterr().err.splitlines()[-1])
        validate(page, "error")
        assert page["error"]["kind"] == kind


def test_the_schema_of_errors_names_every_exception_and_exit_code():
    schema = run("error")["properties"]["error"]["properties"]
    faults = [getattr(errors, name) for name in errors.__all__]
    faults = [fault for fault in faults if issubclass(fault, errors.MedsrError)]
    kinds = {fault.__name__ for fault in faults} - {"MedsrError"} | {"InternalError"}
    assert set(schema["kind"]["enum"]) == kinds
    assert set(schema["exit_code"]["enum"]) == {fault.exit_code for fault in faults}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell, capsys):
    assert call("completion", shell) == 0
    assert "_MEDSR_COMPLETE" in capsys.readouterr().out


def test_completion_offers_commands_and_options():
    def offered(*words):
        environment = {"COMP_WORDS": " ".join(["medsr", *words]), "COMP_CWORD": str(len(words))}
        environment["_MEDSR_COMPLETE"] = "bash_complete"
        program = "from medsr.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment | {"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert "plain,enhance" in offered("enh")
    assert "plain,--consistency" in offered("enhance", "--cons")


def test_nothing_heavy_is_imported_for_a_schema():
    program = (
        "import sys\nfrom medsr.cli.main import main\n"
        "try: main(['schema', 'enhance'])\nexcept SystemExit: pass\n"
        "print({'torch', 'monai'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


def test_help_of_every_command_says_what_json_prints():
    for name, command in app.commands.items():
        if name != "completion":
            with click.Context(command) as context:
                assert "--json" in command.get_help(context), name


def test_the_reference_names_every_schema_and_every_field_of_the_sidecar():
    page = (ROOT / "docs" / "reference" / "machine-interface.md").read_text(encoding="utf-8")
    shared = {"remark", "schema"}
    assert [name for name in names() if f"medsr schema {name}`" not in page] == sorted(shared)
    page = (ROOT / "docs" / "reference" / "sidecar.md").read_text(encoding="utf-8")
    assert [key for key in run("sidecar")["properties"] if f"`{key}`" not in page] == []

"""The module for 3D Slicer, run as Slicer runs it."""

import ast
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medsr.restore.options import settings_of
from tests.batch.studies import small_model, thick_nifti

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "slicer_extension" / "MedsrEnhance" / "MedsrEnhance.py"


def loaded():
    """The module, imported."""
    spec = importlib.util.spec_from_file_location("MedsrEnhance", MODULE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(*words, **environment):
    """As Slicer starts it: flags, the file of results, then the volumes."""
    return subprocess.Popen(
        [sys.executable, MODULE, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*words, **environment):
    """Exit code, standard output and error of a run."""
    with start(*words, **environment) as process:
        out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.fixture
def scan(tmp_path):
    """As Slicer names it: no sidecar, so neither modality nor thickness is known."""
    path = thick_nifti(tmp_path / "BCDE_vtkMRMLScalarVolumeNodeB.nii.gz")
    path.with_name("BCDE_vtkMRMLScalarVolumeNodeB.json").unlink()
    return path


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path / "model")


def words_of_slicer(model, *more):
    """Every flag with its value, as the panel has them."""
    return (
        *("--modality", "mr", "--slice_thickness_mm", "0", "--spacing_mm", "0.0"),
        *("--consistency", "noise", "--seed", "0", "--model", model, *more),
    )


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_xml_is_printed_at_once_and_nothing_else():
    code, out, err = finish("--xml", PYTHONPATH="")
    assert (code, err) == (0, "")
    assert out == MODULE.with_suffix(".xml").read_text(encoding="utf-8")


def test_a_volume_in_and_a_volume_out(scan, model, tmp_path):
    out, results = tmp_path / "BCDE_B.nii.gz", tmp_path / "1_abc.params"
    out.write_bytes(b"what was there before")
    before = files_of(tmp_path)
    words = words_of_slicer(model, "--processinformationaddress", "0x7f00", "--force")
    code, said, err = finish("--returnparameterfile", results, *words, scan, out)
    assert (code, err) == (0, "")
    assert nibabel.load(out).shape == (12, 14, 20)
    assert files_of(tmp_path) == sorted([*before, results.name])
    shares = [
        float(share) for share in re.findall(r"<filter-progress>(.*)</filter-progress>", said)
    ]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all(f"<filter-{tag}>" in said for tag in ("start", "name", "comment", "end", "time"))
    summary, remarks = results.read_text().splitlines()
    assert summary.startswith("summary = 1 x 1 x 4 mm to 1 x 1 x 1 mm: posterior mean of small.")
    assert remarks.startswith("remarks = ")


def test_options_reach_medsr(scan, model, tmp_path):
    out, results = tmp_path / "out.nii.gz", tmp_path / "results"
    words = (*words_of_slicer(model), "--spacing_mm", "2", "--sample", "--seed", "7")
    code, _, err = finish(*words, "--returnparameterfile", results, scan, out)
    assert (code, err) == (0, "")
    assert nibabel.load(out).header.get_zooms() == pytest.approx((1, 1, 2))
    assert "sample of 6 steps" in results.read_text()


@pytest.mark.skipif(importlib.util.find_spec("SimpleITK") is None, reason="needs the extra itk")
def test_other_formats_of_slicer_are_read(model, tmp_path):
    import SimpleITK as itk

    values = np.random.default_rng(0).uniform(50, 150, (5, 14, 12)).astype(np.float32)
    image = itk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.0, 4.0))
    itk.WriteImage(image, tmp_path / "scan.nrrd")
    out = tmp_path / "out.nii.gz"
    code, _, err = finish(*words_of_slicer(model), tmp_path / "scan.nrrd", out)
    assert (code, err) == (0, "")
    assert nibabel.load(out).shape == (12, 14, 20)


def test_an_error_is_one_sentence_and_the_old_volume_stays(scan, model, tmp_path):
    out = tmp_path / "out.nii.gz"
    out.write_bytes(b"what was there before")
    before = files_of(tmp_path)
    code, said, err = finish(
        *words_of_slicer(model), "--interval", tmp_path / "i.nii.gz", scan, out
    )
    assert code == 4
    assert "interval" in err
    assert len(err.splitlines()) == 1
    assert "<filter-end>" in said
    assert out.read_bytes() == b"what was there before"
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("place", "code", "sentence"),
    [("out.nrrd", 2, "must end in .nii.gz"), ("none/out.nii.gz", 5, "cannot be started, or its")],
)
def test_a_place_that_cannot_be_written(place, code, sentence, scan, tmp_path):
    ended, _, err = finish(scan, tmp_path / place)
    assert ended == code
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_medsr_and_leaves_nothing(number, model, tmp_path):
    scan = thick_nifti(tmp_path / "scan.nii.gz", shape=(64, 64, 30))
    before = files_of(tmp_path)
    words = (*words_of_slicer(model), "--sample")
    with start(*words, scan, tmp_path / "out.nii.gz") as process:
        lines = iter(process.stdout.readline, "")
        assert any("<filter-progress>" in line for line in lines), process.stderr.read()
        (child,) = children(process.pid)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert process.stderr.read() == "Stopped. No volume was written.\n"
    until = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
    assert files_of(tmp_path) == before


def children(parent):
    import psutil

    return [child.pid for child in psutil.Process(parent).children()]


def test_another_environment_does_not_get_what_slicer_sets(scan, tmp_path):
    command, out = tmp_path / "other-medsr", tmp_path / "out.nii.gz"
    command.write_text(
        f"#!{sys.executable} -I\n"
        "import json, os, sys\n"
        'error = {"kind": "Refused", "exit_code": 4, "message": " ".join('
        'sorted(set(os.environ) & {"PYTHONHOME", "PYTHONPATH"})) + " ".join(sys.argv[1:3])}\n'
        'print(json.dumps({"error": error}), file=sys.stderr)\n'
        "sys.exit(4)\n"
    )
    command.chmod(0o755)
    code, _, err = finish("--command", command, scan, out)
    assert (code, err) == (4, f"enhance {scan}\n")


def test_what_to_do_where_medsr_is_not_installed(scan, tmp_path, monkeypatch, capsys):
    module = loaded()
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert module.main([str(scan), str(tmp_path / "out.nii.gz")]) == 2
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
            signal.signal(number, handler)
    assert "Install medsr" in capsys.readouterr().err


def test_its_options_are_those_of_medsr():
    for name, flag in loaded().OPTIONS.items():
        _, setting = settings_of()[name]
        assert flag == (setting.flag or f"--{name.replace('_', '-')}")


def test_the_python_of_older_slicers_can_run_it():
    text = MODULE.read_text(encoding="utf-8")
    assert text.startswith("#!")  # so that Slicer takes it for a command-line module
    ast.parse(text, feature_version=(3, 9))
    names = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert names <= sys.stdlib_module_names


def test_errors_without_json_are_passed_on():
    module = loaded()
    assert module.fault_of(["Traceback", "MemoryError"]) == "Traceback\nMemoryError"
    line = json.dumps({"error": {"kind": "Refused", "exit_code": 4, "message": "no"}})
    assert module.fault_of(["note: x", line]) == "no"

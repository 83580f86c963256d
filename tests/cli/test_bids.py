"""`medsr-bids` as a BIDS App is called: both levels, labels, exit codes, the real validator."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import medsr.batch
from medsr.batch.plan import Selection
from medsr.cli.bids import main
from medsr.version import __version__
from tests.batch.studies import bids_study, make_plan, small_model, thick_nifti

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


def call(*words):
    """The exit code of one call."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return stop.value.code


@pytest.fixture
def study(tmp_path):
    return bids_study(tmp_path / "data", people=("01", "02", "03"))


@pytest.fixture
def options(tmp_path):
    """The ends of a call."""
    return ["--model", small_model(tmp_path / "model"), "--no-progress"]


def ends(table):
    return {row["scan"]: row["end"] for row in csv.DictReader(table.read_text().splitlines())}


def scan_of(person):
    return f"sub-{person}/anat/sub-{person}_T1w.nii.gz"


def test_participants_one_by_one_then_the_group(study, options, tmp_path, capsys):
    out = tmp_path / "out"
    first = ("--participant_label", "sub-01", "02", "--skip-bids-validation", "--n-cpus", 1)
    assert call(study, out, "participant", *first, *options) == 0
    assert "summary_sub-01.html and 1 more" in capsys.readouterr().out
    assert ends(out / "summary_sub-01.csv") == {scan_of("01"): "done"}
    assert ends(out / "summary_sub-02.csv") == {scan_of("02"): "done"}
    assert not (out / "summary.csv").exists()
    assert call(study, out, "group", *options) == 8
    assert "sub-03" in (out / "summary.csv").read_text()
    assert ends(out / "summary.csv")[scan_of("03")] == "not reached"
    assert not (out / "sub-03").exists()
    third = Selection(participants=("03",))
    medsr.batch.run(make_plan(study, out, model=options[1], selection=third))
    assert call(study, out, "group", *options) == 0
    assert set(ends(out / "summary.csv").values()) == {"done earlier"}
    assert validated(out) == []


def validated(out):
    """The errors that the BIDS validator finds in a dataset."""
    if not VALIDATOR.exists() and not shutil.which(VALIDATOR.name):
        pytest.skip("bids-validator-deno is not installed here")
    said = subprocess.run(
        [str(VALIDATOR), "--json", str(out)], capture_output=True, text=True, check=False
    )
    issues = json.loads(said.stdout)["issues"]["issues"]
    return [issue for issue in issues if issue.get("severity") == "error"]


def test_the_group_level_names_results_of_other_settings(study, options, tmp_path, capsys):
    out = tmp_path / "out"
    chosen = Selection(participants=("01",))
    medsr.batch.run(make_plan(study, out, model=options[1], selection=chosen))
    assert call(study, out, "group", *options, "--seed", 1, "--participant-label", "01") == 8
    assert ends(out / "summary.csv") == {scan_of("01"): "not reached"}
    said = (out / "summary.csv").read_text()
    assert "its result is out of date: settings changed: seed 0 -> 1." in said


def test_sessions(study, tmp_path, capsys):
    for session in ("1", "2"):
        place = study / "sub-01" / f"ses-{session}" / "anat"
        thick_nifti(place / f"sub-01_ses-{session}_T2w.nii.gz")
    asked = ("--session-label", "ses-2", "--dry-run", "--json")
    assert call(study, tmp_path / "out", "participant", *asked) == 0
    scans = json.loads(capsys.readouterr().out)["scans"]
    assert [scan["label"] for scan in scans] == ["sub-01/ses-2/anat/sub-01_ses-2_T2w.nii.gz"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["participant", "--participant-label", "04"], 3, "no participant sub-04"),
        (["participant", "--session-label", "9"], 3, "no session ses-9"),
        (["patient"], 2, "'patient' is not one of"),
        (["participant", "--n-cpus", "0"], 2, "--n-cpus"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(study, tmp_path, capsys, words, code, said):
    assert call(study, tmp_path / "out", *words) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_dataset(tmp_path, capsys):
    thick_nifti(tmp_path / "data" / "scan.nii.gz")
    assert call(tmp_path / "data", tmp_path / "out", "participant") == 3
    assert "is not a BIDS dataset" in capsys.readouterr().err
    assert call(tmp_path / "none", tmp_path / "out", "participant") == 3


def test_a_damaged_scan_gives_the_code_for_partly_done(study, tmp_path, capsys):
    (study / scan_of("02")).write_bytes(b"not gzip")
    assert call(study, tmp_path / "out", "participant", "--participant-label", "02") == 8
    assert scan_of("02") in capsys.readouterr().err
    assert ends(tmp_path / "out" / "summary_sub-02.csv") == {scan_of("02"): "refused"}


def test_version(capsys):
    assert call("--version") == 0
    assert __version__ in capsys.readouterr().out


def test_temporary_files_go_to_the_work_folder(study, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())  # restored afterwards
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    work = tmp_path / "work"
    asked = ("--work-dir", work, "--dry-run")
    assert call(study, tmp_path / "out", "participant", *asked) == 0
    assert Path(tempfile.gettempdir()) == work

"""The power fails: SIGKILL of everything at random moments, and the same command again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import medsr.batch
from tests.batch.killer import OPTIONS
from tests.batch.studies import dicom_study, make_plan, nifti_study, small_model, stub_restore

ROOT = Path(__file__).parents[2]


def contents(out):
    """Relative path -> bytes of every output.

    Left out are the summary, which holds seconds, and `*.input`, which spares a later run a look
    at the content: a run that is killed just after it has put an image in place leaves none, and
    one that is killed while it writes it leaves a hidden partial file, which nobody reads.
    """
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
        and path.suffix != ".input"
        and not (path.name.startswith(".medsr-") and path.parent.name == "summary_files")
        and path.name.partition(".")[0] not in {"summary", "where"}
    }


@pytest.mark.parametrize(
    ("study", "scans", "kills", "workers"),
    [(nifti_study, 120, 10, 0), (nifti_study, 60, 2, 2), (dicom_study, 60, 10, 0)],
)
def test_killed_runs_end_like_an_unbroken_one(tmp_path, study, scans, kills, workers):
    source, out = study(tmp_path / "in", scans), tmp_path / "out"
    out.mkdir()
    model = small_model(tmp_path / "model")
    words = [str(source), str(out), model, str(kills), str(workers)]
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.batch.killer", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    report = json.loads(said.stdout.splitlines()[-1])
    assert report["killed"] == kills
    assert report["code"] == 0, said.stderr
    assert 0 < report["done"][-2] < scans, "the kills fell before or after the work"
    assert report["done"][-1] == scans
    assert report["twice"] == [], "a scan was finished twice"
    unbroken = tmp_path / "unbroken"
    plan = make_plan(source, unbroken, model=model, options=OPTIONS)
    medsr.batch.run(plan, restore=stub_restore)
    assert contents(out) == contents(unbroken)
    assert not list(out.rglob(".*")), "temporary files are left"

"""`medsr batch` as a user types it: tables, lines, exit codes."""

import csv
import json
from html.parser import HTMLParser

import pytest

from tests.batch.studies import bids_study, nifti_study, small_model
from tests.command_line import call
from tests.dicom_factory import dicom_series


@pytest.fixture
def words(tmp_path):
    """Two scans and a damaged file; run as one part, which needs no engine."""
    study = nifti_study(tmp_path / "in", 2)
    (study / "broken.nii.gz").write_bytes(b"not gzip")
    return ["batch", study, tmp_path / "out", "--model", small_model(tmp_path / "model")]


class Links(HTMLParser):
    """Collects an attribute of the tags of a page: pictures by default."""

    def __init__(self, tag="img", attribute="src"):
        super().__init__()
        self.tag, self.attribute, self.found = tag, attribute, []

    def handle_starttag(self, tag, attrs):
        if tag == self.tag:
            self.found.append(dict(attrs)[self.attribute])


def test_dry_run_prints_the_plan_and_writes_nothing(words, tmp_path, capsys):
    assert call(*words, "--dry-run") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:2] == ["scan", "decision"]
    assert "broken.nii.gz" in table[1] + table[2] + table[3]
    assert "3 scans: 2 to enhance, 0 done already, 1 left out" in table[-1]
    assert "of disk" in table[-1]
    assert not (tmp_path / "out").exists()
    assert call(*words, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["output_bytes"] == 2 * (12 * 14 * 20 * 4 + 4096)
    assert [scan["decision"] for scan in plan["scans"]].count("enhance") == 2


def test_a_batch_through_its_own_cluster_then_nothing_left(words, tmp_path, capsys):
    assert call(*words, "--workers", 1, "--steps", 1) == 8
    said = capsys.readouterr()
    assert "1 refused, 2 done" in said.out
    assert "[2/2]" in said.err
    assert "broken.nii.gz" in said.err
    out = tmp_path / "out"
    rows = list(csv.DictReader((out / "summary.csv").read_text().splitlines()))
    assert [row["end"] for row in rows] == ["refused", "done", "done"]
    assert json.loads((out / "summary.json").read_text())["Counts"] == {"refused": 1, "done": 2}
    page = Links()
    page.feed((out / "summary.html").read_text())
    assert len(page.found) == 2
    assert all((out / picture).read_bytes().startswith(b"\x89PNG") for picture in page.found)
    assert call(*words, "--steps", 1, "--exclude", "broken*", "--json") == 0
    assert json.loads(capsys.readouterr().out)["Counts"] == {"done earlier": 2}


def test_one_part_of_a_job_array(words, tmp_path, capsys):
    for part in (0, 1):
        call(*words, "--num-parts", 2, "--part-id", part, "--steps", 1, "--no-progress")
        assert "[1/" not in capsys.readouterr().err
    assert len(list((tmp_path / "out").rglob("scan*.nii.gz"))) == 2


def test_words_that_do_not_go_together(words, tmp_path, capsys):
    assert call(*words, "--num-parts", 2, "--part-id", 2) == 2
    assert call(*words, "--scheduler", "tcp://127.0.0.1:1", "--workers", 2) == 2
    assert call(*words, "--cluster-config", tmp_path / "x.yaml") == 2
    assert call(*words, "--participant-label", "01") == 2
    assert "need a BIDS dataset" in capsys.readouterr().err
    assert call("batch", tmp_path / "none", tmp_path / "out") == 3


def test_participants_of_a_bids_dataset(words, tmp_path, capsys):
    study = bids_study(tmp_path / "bids")
    assert call("batch", study, *words[2:], "--participant-label", "02", "--dry-run") == 0
    table = capsys.readouterr().out
    assert "sub-02/anat/sub-02_T1w.nii.gz" in table
    assert "sub-01" not in table


def test_a_series_on_the_command_line_is_called_by_its_key(words, tmp_path, capsys):
    dicom_series(tmp_path / "dicom" / "Doe_Jane", step_mm=4.0)
    assert call("batch", tmp_path / "dicom", *words[2:], "--dry-run", "--json") == 0
    assert "Doe" not in capsys.readouterr().out

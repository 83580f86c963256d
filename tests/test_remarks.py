"""Remarks are sorted by what they mean, and the same ones reach every reader."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from medsr.network.checkpoint import save_model
from medsr.remarks import Meaning, Remark, in_order
from tests.batch.studies import thick_nifti
from tests.command_line import call
from tests.network.test_unet_and_checkpoint import card, small_denoiser

DOUBT = Remark(Meaning.DOUBT, "The slices are a reformat.")
ASSUMPTION = Remark(Meaning.ASSUMPTION, "medsr assumed MR.")
NOTE = Remark(Meaning.NOTE, "The result has 0.5 mm.")


def test_doubts_come_first_and_each_only_once():
    assert in_order([NOTE, ASSUMPTION, NOTE, DOUBT]) == (DOUBT, ASSUMPTION, NOTE)


def test_only_a_doubt_is_called_a_warning():
    words = [str(remark).partition(":")[0] for remark in (DOUBT, ASSUMPTION, NOTE)]
    assert words == ["warning", "note", "note"]


def test_control_characters_of_a_file_name_do_not_reach_the_terminal():
    assert "\x1b" not in Remark(Meaning.NOTE, "sidecar \x1b[2J.json").text


def test_sentences_of_an_older_sidecar_are_notes():
    assert Remark.from_json("The scan is odd.") == Remark(Meaning.NOTE, "The scan is odd.")


def test_a_sidecar_can_be_read_by_programs():
    assert json.loads(json.dumps(DOUBT.to_json())) == {"Meaning": "doubt", "Text": DOUBT.text}


@pytest.fixture
def doubtful(tmp_path):
    """A scan that gives a note, an assumption and a doubt: 12 mm slices of unknown modality."""
    scan = thick_nifti(tmp_path / "in" / "scan.nii.gz", affine=np.diag([1.0, 1.0, 12.0, 1.0]))
    scan.with_name("scan.json").unlink(missing_ok=True)
    return scan


@pytest.fixture
def model(tmp_path):
    """A tiny model that was trained on factors of 2 to 6."""
    path = tmp_path / "small.safetensors"
    save_model(small_denoiser(), replace(card(), ranges={"factor": [2, 6]}), path)
    return path


#: A word of each remark on that scan, the most serious first.
WORDS = ("slice spacing over the target spacing", "assumed MR", "8 times finer")


def in_that_order(text):
    """Whether a text has each of the words, the most serious first."""
    places = [text.find(word) for word in WORDS]
    return -1 not in places and places == sorted(places)


def test_enhance_shows_the_remarks_on_the_screen_in_the_sidecar_and_on_the_page(
    doubtful, model, tmp_path, capsys
):
    out, page = tmp_path / "out.nii.gz", tmp_path / "page.html"
    assert call("enhance", doubtful, "-o", out, "--model", model, "--report", page) == 0
    said = capsys.readouterr().err
    assert in_that_order(said)
    assert said.index("warning: ") < said.index("note: ")
    facts = json.loads((tmp_path / "out.json").read_text())["Remarks"]
    assert in_that_order(" ".join(remark["Text"] for remark in facts))
    assert [facts[0]["Meaning"], facts[-1]["Meaning"]] == ["doubt", "note"]
    assert in_that_order(page.read_text())
    words = ("--reference", out, "--estimate", out, "--low", doubtful, "--report", page)
    assert call("evaluate", *words) == 0
    assert in_that_order(page.read_text())  # the page of an evaluation tells them again


def test_batch_shows_the_remarks_in_every_summary_also_of_scans_that_were_done_earlier(
    doubtful, model, tmp_path
):
    out = tmp_path / "out"
    words = ["batch", doubtful.parent, out, "--model", model]
    assert call(*words, "--no-progress") == 0
    first = {path.suffix: path.read_text() for path in out.glob("summary.*")}
    assert call(*words) == 0
    again = {path.suffix: path.read_text() for path in out.glob("summary.*")}
    for pages in (first, again):
        (row,) = csv.DictReader(pages[".csv"].splitlines())
        assert in_that_order(row["remarks"])
        assert in_that_order(pages[".html"])
        (scan,) = json.loads(pages[".json"])["Scans"]
        assert in_that_order(" ".join(remark["Text"] for remark in scan["remarks"]))
    assert "done earlier" in again[".html"]

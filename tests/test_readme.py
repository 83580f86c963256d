"""README and the first tutorials: the commands run as written, and what they print is true."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.command_line import call
from tests.test_docs import commands

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_data"
README = (ROOT / "README.md").read_text("utf-8")
TUTORIAL = (ROOT / "docs/tutorials/first-scan.md").read_text("utf-8")
STUDY = (ROOT / "docs/tutorials/study-folder.md").read_text("utf-8")


def command_of(page, verb):
    """The first call of a verb in a code block of a page, without `medsr`."""
    blocks = "\n".join(re.findall(r"^```\n.*?^```", page, re.MULTILINE | re.DOTALL))
    found = (words[1:] for words in commands(blocks) if words[1] == verb)
    return next(words for words in found if words[1] != "would")  # what info prints


def block_after(page, words):
    """The code block behind the one that holds these words."""
    blocks = re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return blocks[next(k for k, block in enumerate(blocks) if words in block) + 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the README's commands find their scan, and the tutorials theirs."""
    place = tmp_path_factory.mktemp("readme")
    for kind in (".nii.gz", ".json"):
        shutil.copy(SAMPLES / f"head_T1w_thick{kind}", place / f"scan{kind}")
    (place / "sample_data").symlink_to(SAMPLES)
    (place / "STUDY").mkdir()
    for kind in (".nii.gz", ".json"):
        shutil.copy(SAMPLES / f"head_T1w_thick{kind}", place / f"STUDY/head{kind}")
    (place / "STUDY/notes.txt").write_text("not a scan")
    return place


@pytest.fixture(scope="module")
def enhanced(folder):
    """What the README's first command prints: (standard output, standard error)."""
    patch, lines = pytest.MonkeyPatch(), []
    with patch.context() as context:
        context.chdir(folder)
        context.setattr("click.echo", lambda text="", **more: lines.append((str(text), more)))
        assert call(*command_of(README, "enhance")) == 0
    out = [row for text, more in lines if not more.get("err") for row in text.splitlines()]
    return out, [text for text, more in lines if more.get("err")]


def test_enhance_says_what_it_wrote(folder, enhanced):
    out, _ = enhanced
    image = nib.load(folder / "enhanced.nii.gz")
    new = " x ".join(f"{mm:.3g}" for mm in image.header.get_zooms())
    old = " x ".join(f"{mm:.3g}" for mm in nib.load(folder / "scan.nii.gz").header.get_zooms())
    assert out[0].startswith(f"enhanced {old} mm to {new} mm: posterior mean of mr-head, ")
    assert out[1:] == ["written: enhanced.nii.gz", "look at report.html"]
    assert (folder / "report.html").stat().st_size > 1_000_000


def test_its_remark_is_that_of_the_sidecar_and_of_the_header(folder, enhanced):
    _, errors = enhanced
    facts = json.loads((folder / "enhanced.json").read_text())
    stated = json.loads((folder / "scan.json").read_text())["SliceThickness"]
    remarks = [line for line in errors if line.startswith(("note:", "warning:"))]
    assert remarks == [f"note: {remark['Text']}" for remark in facts["Remarks"]]
    low, high = facts["EstimatedSliceThickness"]
    assert low <= stated <= high
    assert f"Gaussian of {stated:g} mm, from the header" in remarks[0]
    assert f"{low:.2g} to {high:.2g} mm" in remarks[0]
    assert facts["SliceThicknessSource"] == "header"


def test_the_python_lines_give_the_same_voxels(folder, enhanced, monkeypatch):
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code.replace("enhanced.nii.gz", "python.nii.gz"), {})
    one, two = (nib.load(folder / name) for name in ("enhanced.nii.gz", "python.nii.gz"))
    assert np.array_equal(np.asanyarray(one.dataobj), np.asanyarray(two.dataobj))
    assert np.allclose(one.affine, two.affine)


def test_info_prints_what_the_tutorial_shows(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert call(*command_of(TUTORIAL, "info")) == 0
    assert capsys.readouterr().out == block_after(TUTORIAL, "medsr info sample_data")


def test_the_tutorial_reaches_the_numbers_that_it_promises(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "out").mkdir(exist_ok=True)
    assert call(*command_of(TUTORIAL, "enhance")) == 0
    written = {path.name for path in (folder / "out").iterdir()}
    assert written == {"enhanced.nii.gz", "enhanced.json", "report.html"}
    capsys.readouterr()
    assert call(*command_of(TUTORIAL, "evaluate")) == 0
    line = next(row for row in capsys.readouterr().out.splitlines() if row.startswith("PSNR"))
    numbers = [float(word) for word in re.findall(r"\d+\.\d+", line)]
    assert numbers[0] == pytest.approx(28, abs=0.5)
    assert numbers[1] == pytest.approx(24.25, abs=0.01)


def test_the_study_folder_is_done_as_it_says(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert call(*command_of(STUDY, "batch")) == 0
    plan = capsys.readouterr().out
    assert "1 scan: 1 to enhance, 0 done already" in plan
    assert not (folder / "STUDY_ENHANCED/head.nii.gz").exists()
    words = [w for w in command_of(STUDY.replace("--dry-run", "", 1), "batch") if w]
    assert call(*words, "--workers", 1, "--no-progress") == 0
    assert (folder / "STUDY_ENHANCED/head.nii.gz").exists()
    assert (folder / "STUDY_ENHANCED/summary.html").exists()
    capsys.readouterr()
    assert call(*words, "--workers", 1, "--no-progress") == 0
    summary = json.loads((folder / "STUDY_ENHANCED/summary.json").read_text())
    (row,) = summary["Scans"]
    assert row["remarks"][0]["Text"].startswith("Slice profile: Gaussian of 3.75 mm")

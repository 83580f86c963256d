"""A short slice of `make fuzz`, always the same; it prints what it found and where that lies."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.case import random_for
from tests.fuzz.harness import maker
from tests.fuzz.oracle import Wrong, check_words

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="cases run in forked processes")


@pytest.mark.parametrize(
    ("kind", "count"), [("nifti", 400), ("dicom", 120), ("zip", 120), ("text", 200)]
)
def test_no_mutated_input_is_more_than_refused(kind, count, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", kind, f"--count={count}", "--seed=1", "--workers=1",
         f"--out={tmp_path}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} cases" in done.stdout


@pytest.mark.parametrize("kind", ["nifti", "dicom", "zip", "text"])
def test_a_seed_and_a_number_give_the_same_case(kind, tmp_path):
    def content(folder):
        folder.mkdir()
        made = maker(kind)(random_for(kind, 3, 7), folder)
        files = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return made.done, sorted(files.items())

    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize(
    "words",
    [
        "scan: of Mustermann.",
        "scan:\x1b[31m red.",
        "no full stop",
        "A. B. C. D. E.",
        "x" * 999 + ".",
    ],
)
def test_wrong_words_are_found(words):
    with pytest.raises(Wrong):
        check_words(words)

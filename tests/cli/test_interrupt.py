"""Ctrl+C: exit code 130, one line that says how to go on, no file or process left behind."""

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import psutil
import pytest

from tests.batch.studies import nifti_study, small_model, thick_nifti
from tests.command_line import call

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "function", "sentence"),
    [
        ("enhance SCAN -o OUT", "enhance.run", "No image was written."),
        ("batch IN OUT", "batch.make_plan", "run the same command again"),
        ("batch IN OUT", "batch.run_plan", "Scans that are done are kept"),
        ("evaluate --reference SCAN --estimate SCAN", "evaluate.run", "is not complete"),
        ("degrade SCAN -o OUT --slice-spacing 8", "degrade.run", "Nothing was written."),
        ("train SCAN", "train.run", "continue with --resume"),
        ("calibrate SCAN --card SCAN", "calibrate.run", "The model card is as it was."),
        ("weights IN", "weights.run", "run the same command again"),
        ("listen --port 11112 --forward A@b:1", "listen.run", "continues at the next start"),
        ("info SCAN", "info.run", "Stopped."),
    ],
)
def test_every_command_ends_with_130_and_one_line(
    tmp_path, capsys, monkeypatch, words, function, sentence
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    module, name = function.split(".")
    monkeypatch.setattr(import_module(f"medsr.commands.{module}"), name, interrupted)
    scan = thick_nifti(tmp_path / "in" / "scan.nii.gz")
    places = {"SCAN": scan, "IN": scan.parent, "OUT": tmp_path / "out"}
    if "enhance" in words or "degrade" in words:
        places["OUT"] = tmp_path / "out.nii"
    assert call(*(places.get(word, word) for word in words.split())) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("medsr: Stopped.")
    assert sentence in line


def wait_for(happened, seconds=120):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def group_of(leader):
    """Living processes of a process group."""
    return [p for p in psutil.process_iter() if _group(p.pid) == leader and _lives(p)]


def _group(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_a_batch_with_workers_ends_whole_and_continues(tmp_path):
    """As from a terminal, which sends Ctrl+C to the workers, too."""
    study, out = nifti_study(tmp_path / "in", 40), tmp_path / "out"
    words = ["batch", study, out, "--model", small_model(tmp_path / "model"), "--workers", 2]
    command = [sys.executable, "-m", "medsr", *map(str, words)]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            wait_for(lambda: len(list(out.rglob("*.nii.gz"))) > 1)
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    lines = [line for line in said.splitlines() if not line.startswith("[")]
    assert lines == [
        "medsr: Stopped. Scans that are done are kept; run the same command again to enhance "
        "the rest."
    ]
    wait_for(lambda: not group_of(process.pid), 20)
    assert not list(out.rglob(".*")), "temporary files are left"
    done = len(list(out.rglob("*.nii.gz")))
    assert 1 < done < 40
    assert "not reached" in (out / "summary.html").read_text()
    assert call(*words[:-2], "--num-parts", 1, "--no-progress") == 0
    assert len(list(out.rglob("*.nii.gz"))) == 40

"""Inputs of public bug reports and mutated files, run through the program as a user runs it.

The cases lie beside the checkout (or where MEDSR_CASES points). `NN_name/make.py OUT PROGRAM`
makes an input and checks what the program does with it; `files/` holds one wrong input of each
kind.
"""

import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
CASES = Path(os.environ.get("MEDSR_CASES", CHECKOUT.parent / "shared" / "cases"))
FILES = CASES / "files"

pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the cases are not here; set MEDSR_CASES to their folder"
)

MAKERS = sorted(CASES.glob("[0-9]*/make.py"))
CODEC = sorted(FILES.glob("codec/*"))
PAGES = sorted(FILES.glob("yaml/*"))
SCANS = [*sorted(FILES.glob("dicom_*")), *sorted(FILES.glob("nifti_*/*.nii")), *CODEC]

#: Inputs that may also be read: what is wrong with them is not in their numbers.
MAY_PASS = {"dicom_deep_sq_2000", "nifti_xyzt7", "nifti_side_list_settings"}
MAY_PASS |= {"nifti_side_hugeint", "nifti_side_deep", "dicom_uid_escape", "dicom_same_sop"}

#: One command on a scan of a few kilobytes; the interpreter and its libraries take most of it.
LIMIT_S, LIMIT_BYTES = 240, 2 * 1024**3


@dataclass(frozen=True)
class Run:
    """How one command ended."""

    code: int
    words: str
    peak_bytes: int


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A `medsr` that is this checkout's, under this interpreter."""
    path = tmp_path_factory.mktemp("bin") / "medsr"
    python = shlex.quote(sys.executable)
    path.write_text(
        "#!/bin/sh\n"
        f"PYTHONPATH={shlex.quote(str(CHECKOUT))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        f'export PYTHONPATH\nexec {python} -m medsr "$@"\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def run(program, *words):
    """Run one command to its end, or end it; its peak memory is its own."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [program, *map(str, words)], stdout=said, stderr=said, start_new_session=True
        )
        alarm = threading.Timer(LIMIT_S, os.killpg, (process.pid, signal.SIGKILL))
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        alarm.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    return Run(process.returncode, text, usage.ru_maxrss * 1024)


def in_words(done):
    """A command ended of itself, without a traceback and without anything unprintable."""
    assert done.code >= 0, f"killed by signal {-done.code}: {done.words[-400:]}"
    assert done.code < 128, f"killed by signal {done.code - 128}: {done.words[-400:]}"
    assert "Traceback" not in done.words, done.words[-2000:]
    odd = {c for c in done.words if not c.isprintable() and c not in "\n\r\t"}
    assert not odd, f"control characters {odd}"
    assert done.peak_bytes < LIMIT_BYTES
    return done


@pytest.mark.parametrize("maker", MAKERS, ids=lambda path: path.parent.name)
def test_case_of_a_public_report_is_right(maker, program, tmp_path):
    done = subprocess.run(
        [sys.executable, maker, tmp_path / "case", program],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "RIGHT" in done.stdout


@pytest.mark.parametrize("scan", SCANS, ids=lambda path: path.parent.name + "-" + path.name)
def test_wrong_scan_is_refused_in_a_sentence(scan, program, tmp_path):
    done = in_words(run(program, "enhance", scan, "-o", tmp_path / "out.nii.gz", "--steps", "1"))
    kind = scan.name if scan.is_dir() else scan.parent.name
    assert done.code in ((0, 3, 4) if kind in MAY_PASS else (3, 4)), done.words[-1000:]
    if done.code:
        assert done.words.rstrip().endswith("."), done.words[-400:]
        assert not (tmp_path / "out.nii.gz").exists()


@pytest.mark.parametrize("scan", SCANS, ids=lambda path: path.parent.name + "-" + path.name)
def test_info_answers_in_words(scan, program):
    assert in_words(run(program, "info", scan)).code in (0, 3, 4)


def test_batch_makes_a_row_of_every_wrong_scan(program, tmp_path):
    done = in_words(run(program, "batch", FILES, tmp_path / "out", "--dry-run"))
    assert done.code in (0, 4, 8), done.words[-2000:]
    assert "refuse" in done.words


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
@pytest.mark.parametrize("command", ["train", "listen", "batch"])
def test_wrong_page_of_settings_is_refused_in_a_sentence(page, command, program, tmp_path):
    words = {
        "train": ["train", page],
        "listen": ["listen", "--port", 11199, "--forward", "AET@127.0.0.1:11198", "--rules", page],
        "batch": ["batch", FILES / "nifti_xyzt7", tmp_path / "out", "--cluster", "slurm"],
    }[command]
    if command == "listen":
        words += ["--spool", tmp_path / "spool"]
    if command == "batch":
        words += ["--cluster-config", page]
    done = in_words(run(program, *words))
    assert done.code in (2, 3), done.words[-1000:]

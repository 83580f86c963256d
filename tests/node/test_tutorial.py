"""The commands of docs/tutorials/dicom-archive.md, with other ports and a small model."""

import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pydicom
import pytest
import yaml

from medsr.node.rules import NodeSettings
from tests.batch.studies import small_model
from tests.orthanc import free_port

ROOT = Path(__file__).parents[2]
PAGES = ("docs/tutorials/dicom-archive.md", "docs/how-to/dicom-node.md")


def rules_of(page):
    (rules,) = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    return yaml.safe_load(rules)


@pytest.mark.parametrize("page", PAGES)
def test_the_rules_of_the_page_are_valid(page):
    assert NodeSettings.model_validate(rules_of(page)).allow == ("SCANNER1",)


def command(line, ports):
    """A line of the page for this interpreter, with free ports."""
    for port, free in ports.items():
        line = line.replace(port, str(free))
    words = shlex.split(line)
    return [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]


@contextmanager
def running(words, folder, log):
    """A program in the background, until the block ends."""
    with log.open("w") as stream, subprocess.Popen(words, cwd=folder, stderr=stream) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(happened, seconds=120):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def test_a_scanner_a_node_and_an_archive(tmp_path):
    lines = (ROOT / PAGES[0]).read_text("utf-8").splitlines()
    (archive,) = [line for line in lines if line.startswith("python -m pynetdicom storescp")]
    (scanner,) = [line for line in lines if line.startswith("python -m pynetdicom storescu")]
    (listen,) = [line for line in lines if line.startswith("medsr listen") and "127.0.0.1" in line]
    page = rules_of(PAGES[0]) | {"quiet_seconds": 0.5}
    page["rules"][-1]["model"] = small_model(tmp_path / "model")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(page))
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    ports = {"11112": free_port(), "11113": free_port()}
    log, received = tmp_path / "node.log", tmp_path / "received"
    with ExitStack() as stack:
        stack.enter_context(running(command(archive, ports), tmp_path, tmp_path / "archive.log"))
        node = stack.enter_context(running(command(listen, ports), tmp_path, log))
        wait_for(lambda: "listening as MEDSR" in log.read_text())
        stranger = command(scanner.replace("-aet SCANNER1", ""), ports)
        assert subprocess.run(stranger, cwd=tmp_path, check=False).returncode == 1
        wait_for(lambda: "--allow STORESCU" in log.read_text())
        sent = subprocess.run(command(scanner, ports), cwd=tmp_path, check=False)
        assert sent.returncode == 0
        wait_for(lambda: "forwarded" in log.read_text())
        node.send_signal(signal.SIGINT)
        assert node.wait(timeout=30) == 130
    said = log.read_text()
    assert "for SCANNER1, ARCHIVE\n" in said  # who may send
    assert f"forwarding to ARCHIVE at 127.0.0.1:{ports['11113']}\n" in said
    assert "enhancing by rule 'thick head MR'" in said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("medsr: Stopped.")
    files = [pydicom.dcmread(path, stop_before_pixels=True) for path in received.iterdir()]
    assert {file.Manufacturer for file in files} == {"medsr"}

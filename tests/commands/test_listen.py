"""`medsr listen` as a user starts it, with a model, between DCMTK and Orthanc."""

import logging
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

from medsr.cli.main import main
from medsr.commands.listen import enhance_received
from medsr.network.checkpoint import save_model
from medsr.node.rules import Rule
from medsr.restore.enhancer import Models
from medsr.restore.options import Options
from medsr.volume.dicom.read.series import open_series
from tests.dicom_factory import SECRET, dicom_series
from tests.dicom_tools import needs
from tests.network.test_unet_and_checkpoint import card, small_denoiser
from tests.orthanc import free_port, listening, orthanc, send, wait_until


def in_a_study(k, dataset):
    dataset.PixelData = np.linspace(900, 1200 + 5 * k, 24 * 20).astype("<u2").tobytes()
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = "2.25.11", "2.25.12"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.PatientBirthDate = SECRET  # pydicom quotes ill-formed values in its warnings


@needs("Orthanc", "storescu", "echoscu")
def test_listen_between_a_scanner_and_an_archive(tmp_path):
    dicom_series(tmp_path / "in", shape=(24, 20), step_mm=3.0, change=in_a_study)
    save_model(small_denoiser(), card(), tmp_path / "small.safetensors")
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "allow: [STORESCU]\nquiet_seconds: 0.5\nrules:\n"
        f"  - {{name: all, model: {tmp_path / 'small.safetensors'}, steps: 2, samples: 2}}\n"
    )
    port = free_port()
    with orthanc(tmp_path / "archive") as archive:
        words = ["--port", port, "--forward", f"ORTHANC@127.0.0.1:{archive.dicom}"]
        words += ["--rules", rules, "--spool", tmp_path / "spool", "--ae-title", "MEDSR"]
        command = [sys.executable, "-m", "medsr", "listen", *map(str, words)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert send(tmp_path / "in", archive.dicom) == 0
            wait_until(lambda: send(tmp_path / "in", port, called="MEDSR") == 0)
            wait_until(lambda: archive.get("/statistics")["CountSeries"] == 3)
            wait_until(lambda: not list((tmp_path / "spool" / "outbox").iterdir()))
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
        (study,) = archive.get("/studies?expand")
        assert study["MainDicomTags"]["StudyInstanceUID"] == "2.25.11"
        tags = [archive.get(f"/series/{s}")["MainDicomTags"] for s in study["Series"]]
    assert process.returncode == 0
    assert sum("research use only" in one["SeriesDescription"] for one in tags) == 2
    assert "listening as MEDSR on 127.0.0.1" in log
    assert SECRET not in log


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_ends_without_a_traceback(tmp_path, number, code):
    port = free_port()
    words = ["--port", port, "--forward", f"A@127.0.0.1:{free_port()}", "--spool", tmp_path / "s"]
    command = [sys.executable, "-m", "medsr", "listen", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: listening(port))
        process.send_signal(number)
        _, log = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code
    assert "Traceback" not in log
    assert "INFO stopped\n" in log


@pytest.mark.parametrize("forward", ["ARCHIVE", "ARCHIVE@host", "A@host:port", "@host:104"])
def test_a_destination_that_makes_no_sense(forward, tmp_path, capsys):
    words = ["listen", "--port", "11112", "--forward", forward, "--spool", str(tmp_path / "s")]
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "expected AET@HOST:PORT" in capsys.readouterr().err


def test_a_rule_that_makes_no_sense_is_said_at_the_start(tmp_path, capsys):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - {name: all, steps: 1, samples: 2}\n")
    words = ["listen", "--port", "11112", "--forward", "A@host:104", "--rules", str(rules)]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--spool", str(tmp_path / "s")])
    assert stop.value.code == 2
    assert "'rules.0': One step gives the posterior mean" in capsys.readouterr().err


def test_remarks_are_logged_with_the_key_of_the_series_doubts_as_warnings(tmp_path, caplog):
    def reformat(k, dataset):
        dataset.ImageType = ["DERIVED", "PRIMARY", "MPR"]
        dataset.SliceThickness = "60"

    caplog.set_level(logging.INFO, "medsr.node")
    dicom_series(tmp_path / "in", step_mm=4.0, change=reformat)
    model = tmp_path / "small.safetensors"
    save_model(small_denoiser(), card(), model)
    rule = Rule(name="all", options=Options(model=str(model), force=True, format="dicom"))
    with open_series(tmp_path / "in", name="0123456789ab") as series:
        enhance_received(series, tmp_path / "out", rule, Models("cpu"))
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said[0][0] == "WARNING"
    assert said[0][1].startswith("series 0123456789ab: The scan is a reformat")
    notes = [words for level, words in said if level == "INFO"]
    assert notes[0].startswith("series 0123456789ab: The header gives a slice thickness")
    assert SECRET not in caplog.text

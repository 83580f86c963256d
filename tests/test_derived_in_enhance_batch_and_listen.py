"""Images that were derived from others: one rule in `enhance`, `batch` and `listen`."""

import logging

import pydicom
import pytest

from medsr.batch.job import Decision
from medsr.node.process import enhance_next
from medsr.node.receive import Intake
from medsr.node.rules import Rule
from medsr.node.spool import open_spool
from medsr.restore.options import Options
from tests.batch.studies import make_plan, small_model
from tests.command_line import call
from tests.dicom_factory import dicom_series
from tests.node.helpers import copy_through, settings

KEY = "0123456789abcdef"


def of_type(*image_type, manufacturer="Maker"):
    def change(_, dataset):
        dataset.ImageType, dataset.Manufacturer = list(image_type), manufacturer

    return change


#: What a header says, and what the reason says of it; "" for what is enhanced.
CASES = [
    (of_type("ORIGINAL", "PRIMARY", "M", "ND"), ""),
    (of_type("DERIVED", "PRIMARY", "M", "NORM", "DIS2D"), ""),
    (of_type("DERIVED", "SECONDARY", "OTHER"), ""),
    (of_type("DERIVED", "PRIMARY", "MPR"), "is a reformat"),
    (of_type("DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"), "is a reformat"),
    (of_type("DERIVED", "SECONDARY", "OTHER", manufacturer="medsr"), "was made by medsr"),
]
cases = pytest.mark.parametrize(
    ("change", "reason"),
    CASES,
    ids=["original", "filtered", "converted", "MPR", "reformatted", "of medsr"],
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("model"))


@cases
def test_enhance(tmp_path, model, capsys, change, reason):
    dicom_series(tmp_path / "scan", step_mm=4.0, change=change)
    words = ["enhance", tmp_path / "scan", "-o", tmp_path / "out", "--model", model, "--dry-run"]
    assert call(*words) == (4 if reason else 0)
    assert reason in capsys.readouterr().err
    assert call(*words, "--force") == 0
    assert ("warning: The scan is a re" in capsys.readouterr().err) == bool(reason)


@cases
def test_batch(tmp_path, model, change, reason):
    dicom_series(tmp_path / "in", step_mm=4.0, change=change)
    for force, skipped in ((False, bool(reason)), (True, False)):
        options = Options(model=model, force=force)
        (item,) = make_plan(tmp_path / "in", tmp_path / "out", options=options).items
        assert item.decision == (Decision.SKIP if skipped else Decision.ENHANCE)
        assert item.reason.startswith(reason if skipped else "")


@cases
def test_listen(tmp_path, caplog, change, reason):
    caplog.set_level(logging.INFO, "medsr.node")
    for force, skipped in ((False, bool(reason)), (True, False)):
        spool = tmp_path / str(force)
        lock = open_spool(spool)
        rule = Rule(name="all", options=Options(format="dicom", force=force))
        dicom_series(spool / "ready" / KEY, step_mm=4.0, change=change)
        enhance_next(Intake(spool, settings(rules=(rule,))), copy_through)
        lock.release()
        assert (spool / "outbox" / KEY).exists() != skipped
        assert not any((spool / stage / KEY).exists() for stage in ("ready", "aside", "work"))
    said = f"not enhanced: series {KEY}: {reason}"
    assert (said in caplog.text) == bool(reason)


def test_what_medsr_writes_is_recognised(tmp_path, model, capsys):
    dicom_series(tmp_path / "scan", step_mm=4.0)
    out = tmp_path / "out"
    assert call("enhance", tmp_path / "scan", "-o", out, "--model", model) == 0
    assert pydicom.dcmread(next(out.iterdir())).ImageType[0] == "DERIVED"
    capsys.readouterr()
    again = ["--model", model, "--scale", 2, "-o"]
    assert call("enhance", out, *again, tmp_path / "again") == 4
    assert "was made by medsr" in capsys.readouterr().err
    assert call("enhance", tmp_path / "scan", "-o", tmp_path / "out.nii", "--model", model) == 0
    assert call("enhance", tmp_path / "out.nii", *again, tmp_path / "again.nii") == 4

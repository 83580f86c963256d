"""Single steps of the node, without a network."""

import pytest

from medsr.errors import OutputError, Refused
from medsr.node.process import MAX_TRIES, enhance_next
from medsr.node.receive import Intake
from medsr.node.spool import STAGES, keep_instance, key_of, open_spool
from tests.dicom_factory import dicom_series
from tests.node.helpers import copy_through, names, settings

KEY = key_of("2.25.1")


@pytest.fixture
def intake(tmp_path):
    """A node with one series in `ready`."""
    for stage in STAGES:
        (tmp_path / "spool" / stage).mkdir(parents=True)
    dicom_series(tmp_path / "spool" / "ready" / KEY, uid="2.25.1")
    return Intake(tmp_path / "spool", settings())


def test_a_full_disk_is_waited_for(intake):
    def full(series, output, rule):
        raise OutputError("enhanced: cannot be written (No space left on device).")

    for _ in range(MAX_TRIES + 1):  # such a failure does not count as a try
        assert enhance_next(intake, full) == intake.settings.retry_seconds
        assert len(names(intake.spool / "ready" / KEY)) == 5
    assert enhance_next(intake, copy_through) == 0
    assert len(names(intake.spool / "outbox" / KEY / "enhanced")) == 5


def test_a_series_that_takes_the_process_down_is_set_aside(intake):
    """Each start finds it in `work`, as a kill leaves it, until it is given up."""

    def die(series, output, rule):
        raise KeyboardInterrupt

    for _ in range(MAX_TRIES):
        with pytest.raises(KeyboardInterrupt):
            enhance_next(intake, die)
        lock = open_spool(intake.spool)
        assert names(intake.spool / "ready") == [KEY]
        lock.release()
    assert enhance_next(intake, die) == 0
    assert (
        "ended unexpectedly 3 times" in (intake.spool / "aside" / KEY / "reason.txt").read_text()
    )


def test_a_reason_may_quote_a_header_without_harm(intake, caplog):
    def refuse(source, output, rule):
        raise Refused("scan: 1.2\x1b[2J\r is no UID.")

    enhance_next(intake, refuse)
    reason = (intake.spool / "aside" / KEY / "reason.txt").read_text()
    assert "is no UID" in reason
    assert all(c.isprintable() or c == "\n" for c in reason + caplog.text)


def test_too_little_memory_is_said(intake):
    def greedy(source, output, rule):
        raise MemoryError

    enhance_next(intake, greedy)
    assert "not enough memory" in (intake.spool / "aside" / KEY / "reason.txt").read_text()


def test_an_instance_is_taken_once(tmp_path, intake):
    assert keep_instance(intake.spool, "a", "1.2", b"file", "x") == "new"
    assert keep_instance(intake.spool, "a", "1.2", b"file", "x") == "same"
    assert keep_instance(intake.spool, "a", "1.2", b"other", "y") == "differs"
    assert keep_instance(intake.spool, "a", "1.3", b"file", "x") == "new"
    assert len(names(intake.spool / "receiving" / "a")) == 2

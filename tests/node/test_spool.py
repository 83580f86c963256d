"""What a peer was told is kept, in every order of what can happen to a series."""

import itertools
import os
import shutil
from pathlib import Path

import pydicom
import pytest

from medsr.errors import Refused
from medsr.node.process import enhance_next, promote, put_back_all
from medsr.node.receive import Intake, end_association, keep
from medsr.node.spool import digest_of, kept, key_of, open_spool, remember, remove
from tests.dicom_factory import dicom_series
from tests.node.helpers import copy_through, counting_archive, names, node, settings, store
from tests.orthanc import free_port, wait_until

KEY = key_of("2.25.1")
LATER = 1e12


def copy_files(series, output, rule):
    """A model that takes no time."""
    shutil.copytree(series.sources[0].path.parent, output)


def refuse(series, output, rule):
    raise Refused("scan: this test refuses it.")


class Machine:
    """A node without a network, and all that its peer was told is kept."""

    def __init__(self, spool: Path, files: list[Path]):
        self.spool, self.files, self.told = spool, files, {}
        self.lock, self.intake = open_spool(spool), Intake(spool, settings(free_gb=0))

    def send(self, files, *, well):
        association = object()
        for file in files:
            uid, data = pydicom.dcmread(file).SOPInstanceUID, file.read_bytes()
            assert keep(self.intake, association, KEY, uid, data, digest_of(data)) == 0
            self.told[digest_of(uid)] = data
        end_association(self.intake, association, well)

    def enhance(self, how):
        promote(self.intake, LATER)
        enhance_next(self.intake, how)

    def restart(self):
        self.lock.release()
        self.__init__(self.spool, self.files)

    def happens(self, what):
        told = self.told
        {
            "refuse": lambda: self.enhance(refuse),
            "resend": lambda: self.send(self.files, well=True),
            "resend a part": lambda: self.send(self.files[:3], well=True),
            "break off": lambda: self.send(self.files[4:], well=False),
            "restart": self.restart,
        }[what]()
        self.told = told | self.told

    def check(self):
        assert set(self.told) <= set(kept(self.spool, KEY))
        found = {f.name.partition(".")[0]: f.read_bytes() for f in self.spool.glob("*/*/**/*.dcm")}
        for name, data in self.told.items():
            assert found[name] == data


@pytest.fixture
def files(tmp_path):
    return dicom_series(tmp_path / "in", uid="2.25.1")


EVENTS = ("refuse", "resend", "break off", "restart", "resend a part", "refuse")


@pytest.mark.parametrize("first", [0, 3, 5])
def test_every_order_of_refusal_resend_break_and_restart(tmp_path, files, first):
    """All 360 with MEDSR_ALL_ORDERS=1; else some of them."""
    every = 1 if os.environ.get("MEDSR_ALL_ORDERS") else 23
    orders = sorted(set(itertools.permutations(EVENTS)))[::every]
    for number, order in enumerate(orders):
        machine = Machine(tmp_path / f"spool{number}", files)
        machine.send(files[:first], well=True)
        for event in order:
            machine.happens(event)
            machine.check()
        machine.happens("resend")
        machine.enhance(copy_files)
        machine.check()
        assert len(list((machine.spool / "outbox" / KEY / "enhanced").glob("*.dcm"))) == 5, order
        machine.lock.release()


def test_a_refused_series_of_which_one_instance_comes_again_and_breaks_off(tmp_path, files):
    """The earlier ones were deleted here, and a resend answered with success and dropped."""
    with node(tmp_path / "spool", free_port(), enhance=refuse, interrupted_seconds=0.5) as port:
        assert store(port, files[:4]) == [0] * 4
        aside = tmp_path / "spool" / "aside" / KEY
        wait_until(aside.exists, seconds=20)
        assert store(port, files[4:], well=False) == [0]
        wait_until(lambda: len(list(aside.glob("*.dcm"))) == 5, seconds=20)
    archive_port = free_port()
    with counting_archive(archive_port) as counts, node(tmp_path / "spool", archive_port) as port:
        assert store(port, files) == [0] * 5
        wait_until(lambda: len(counts.received) == 5, seconds=20)


def test_what_was_sent_on_is_known_and_what_was_removed_is_not(tmp_path, files):
    machine = Machine(tmp_path / "spool", files)
    machine.send(files, well=True)
    machine.enhance(copy_through)
    job = machine.spool / "outbox" / KEY
    remember(machine.spool, KEY, job / "source")
    remove(machine.spool, job, KEY)
    assert len(kept(machine.spool, KEY)) == 5
    machine.send(files, well=True)
    assert names(machine.spool / "receiving") == []
    (machine.spool / "done" / KEY).unlink()
    machine.send(files, well=True)
    assert len(list((machine.spool / "receiving" / KEY).glob("*.dcm"))) == 5


def test_what_no_rule_selects_is_stored_again_when_it_comes_again(tmp_path, files):
    machine = Machine(tmp_path / "spool", files)
    machine.intake.settings = settings(free_gb=0, rules=[{"name": "ct", "modality": "CT"}])
    machine.send(files, well=True)
    machine.enhance(copy_through)
    assert kept(machine.spool, KEY) == {}
    machine.intake.settings = settings(free_gb=0)
    machine.send(files, well=True)
    machine.enhance(copy_through)
    assert names(machine.spool / "outbox") == [KEY]


def test_a_late_instance_of_a_series_that_was_sent_on(tmp_path, files):
    """Alone it is no volume; then the peer may send all of it again."""
    machine = Machine(tmp_path / "spool", files)
    machine.send(files[:4], well=True)
    machine.enhance(copy_through)
    remember(machine.spool, KEY, machine.spool / "outbox" / KEY / "source")
    remove(machine.spool, machine.spool / "outbox" / KEY, KEY)
    machine.send(files[4:], well=True)
    machine.enhance(refuse)
    machine.send(files, well=True)
    machine.enhance(copy_through)
    assert len(names(machine.spool / "outbox" / KEY / "enhanced")) == 5


def test_a_start_never_takes_up_what_was_removed(tmp_path, files):
    """Killed while the files of a sent series are deleted."""
    machine = Machine(tmp_path / "spool", files)
    machine.send(files, well=True)
    machine.enhance(copy_through)
    (machine.spool / "outbox" / KEY).rename(machine.spool / "work" / f"{KEY}.gone")
    machine.restart()
    assert names(machine.spool / "ready") == names(machine.spool / "work") == []


def test_a_start_joins_two_parts_of_a_series(tmp_path, files):
    machine = Machine(tmp_path / "spool", files)
    machine.send(files, well=True)
    promote(machine.intake, LATER)
    (machine.spool / "work" / KEY / "source").mkdir(parents=True)
    moved = sorted((machine.spool / "ready" / KEY).glob("*.dcm"))[0]
    moved.rename(machine.spool / "work" / KEY / "source" / moved.name)
    machine.restart()
    assert len(list((machine.spool / "ready" / KEY).glob("*.dcm"))) == 5


def test_a_stop_does_not_count_against_a_series(tmp_path, files):
    machine = Machine(tmp_path / "spool", files)
    machine.send(files, well=True)

    def stopped(series, output, rule):
        raise KeyboardInterrupt

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            machine.enhance(stopped)
        put_back_all(machine.intake)
        machine.restart()
    machine.enhance(copy_through)
    assert names(machine.spool / "outbox") == [KEY]


def test_a_start_of_the_machine_does_not_count_against_a_series(tmp_path, files, monkeypatch):
    machine = Machine(tmp_path / "spool", files)
    machine.send(files, well=True)

    def die(series, output, rule):
        raise KeyboardInterrupt

    for number in range(5):
        (tmp_path / "boot").write_text(f"{number}\n")
        monkeypatch.setattr("medsr.node.process.BOOT_ID", tmp_path / "boot")
        with pytest.raises(KeyboardInterrupt):
            machine.enhance(die)
        machine.restart()
    for _ in range(2):  # two more of the same start make three
        with pytest.raises(KeyboardInterrupt):
            machine.enhance(die)
        machine.restart()
    machine.enhance(copy_through)
    assert names(machine.spool / "aside") == [KEY]

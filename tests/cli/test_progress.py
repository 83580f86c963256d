"""Progress in a log: a line a minute, with what is done and what is left."""

import threading

import pytest

from medsr.batch.job import Decision, End, Item, Outcome
from medsr.cli import progress
from medsr.cli.batch_output import Lines
from medsr.cli.progress import Tally


class Clock:
    """Stands still until it is set."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def test_the_forecast_follows_the_share():
    clock = Clock()
    tally = Tally(clock)
    clock.seconds = 60.0
    assert tally.line() == "enhancing: 0 % done after 60 s"
    tally.reach(0.2)
    assert tally.line() == "enhancing: 20 % done after 60 s, about 4 min left"
    clock.seconds = 240.0
    tally.reach(0.8)
    assert tally.line() == "enhancing: 80 % done after 4 min, about 60 s left"


def scans(count):
    return [
        Item(f"{k}", f"scan{k}", "nifti", Decision.ENHANCE, fine_shape=(10, 10, 10))
        for k in range(count)
    ]


def test_a_batch_says_a_line_in_each_minute_without_a_scan(capsys):
    clock = Clock()
    todo = scans(4)
    lines = Lines(todo, clock)
    clock.seconds = 60.0
    lines.minute()
    lines.tell(todo[0], Outcome("0", End.DONE, seconds=60.0))
    clock.seconds = 120.0
    lines.minute()  # a scan has just been named
    clock.seconds = 180.0
    lines.minute()
    assert capsys.readouterr().err.splitlines() == [
        "enhancing: 0 of 4 scans, 0 % done after 60 s",
        "[1/4] scan0 done in 60 s, about 3 min left",
        "enhancing: 1 of 4 scans, 25 % done after 3 min, about 9 min left",
    ]


def test_the_lines_come_by_themselves_and_end_with_the_block(monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.01)
    said = threading.Semaphore(0)
    with progress.each_minute(said.release):
        for _ in range(3):
            assert said.acquire(timeout=10)
    assert not any(thread.name == "minutes" for thread in threading.enumerate())


@pytest.mark.parametrize("hidden", [True, False])
def test_outside_a_terminal_no_bar_is_drawn(monkeypatch, capsys, hidden):
    monkeypatch.setattr(progress, "EVERY_S", 0.01)
    with progress.shown(hidden=hidden) as reach:
        reach(0.5)
        threading.Event().wait(0.2)
    said = capsys.readouterr().err
    assert ("enhancing: 50 % done" in said) != hidden
    assert "[" not in said

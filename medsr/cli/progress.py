"""Progress on stderr: a bar on a terminal, a line a minute elsewhere, such as in a log."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from medsr.words import duration_words

__all__ = ["Tally", "as_lines", "each_minute", "shown"]

#: Between two lines, s.
EVERY_S = 60.0


class Tally:
    """How far some work has come, and how long the rest may take.

    Args:
        clock: gives seconds.

    Example:
        >>> seconds = iter([0.0, 60.0, 60.0])
        >>> tally = Tally(lambda: next(seconds))
        >>> tally.reach(0.25)
        >>> tally.line()
        'enhancing: 25 % done after 60 s, about 3 min left'
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._share, self._words = 0.0, ""

    def reach(self, share: float, words: str = "") -> None:
        """Note the share of the work that is done, 0 to 1, and in words what that is."""
        self._share, self._words = share, words

    def line(self) -> str:
        """One line for a log."""
        after = self._clock() - self._began
        done = f"{self._words}{100 * self._share:.0f} % done after {duration_words(after)}"
        return f"enhancing: {done}{self.left()}"

    def left(self) -> str:
        """The forecast, behind a comma; "" as long as nothing is done."""
        if self._share <= 0:
            return ""
        after = self._clock() - self._began
        return f", about {duration_words(after * (1 - self._share) / self._share)} left"


@contextmanager
def shown(*, hidden: bool) -> Iterator[Callable[[float], None]]:
    """Show the progress of a block; yields what to call with the share done, 0 to 1."""
    if hidden:
        yield lambda share: None
    elif sys.stderr.isatty():
        with click.progressbar(length=1000, label="enhancing", file=sys.stderr) as bar:
            yield lambda share: bar.update(round(1000 * share) - bar.pos)
    else:
        tally = Tally()
        with each_minute(lambda: click.echo(tally.line(), err=True)):
            yield tally.reach


@contextmanager
def as_lines() -> Iterator[Callable[[float], None]]:
    """Print progress as lines of JSON on stderr, at most a hundred; see `medsr schema progress`.

    Yields what to call with the share done, 0 to 1.
    """
    last = -1

    def tell(share: float) -> None:
        nonlocal last
        if int(100 * share) > last:
            last = int(100 * share)
            click.echo(json.dumps({"progress": round(share, 3)}), err=True)

    yield tell


@contextmanager
def each_minute(say: Callable[[], None]) -> Iterator[None]:
    """Call a function every minute, in a thread of its own, until the block ends."""
    over = threading.Event()

    def speak() -> None:
        while not over.wait(EVERY_S):
            say()

    thread = threading.Thread(target=speak, name="minutes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

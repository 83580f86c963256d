"""What `medsr batch` and `medsr-bids` print: the plan, the progress and the results."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medsr.cli.machine import say_json
from medsr.cli.progress import Tally, each_minute
from medsr.errors import PartlyDone
from medsr.words import duration_words

if TYPE_CHECKING:
    from medsr.batch.engine import Tell
    from medsr.batch.job import Item, Outcome
    from medsr.batch.plan import Plan
    from medsr.batch.summary import Results
    from medsr.commands.batch import Request

__all__ = ["Lines", "say_plan", "say_results", "shown_progress"]

#: Faults that the last message names; the summary names all.
MOST_NAMED = 10


def say_plan(plan: Plan, request: Request, *, as_json: bool) -> None:
    """Print the plan with the expected time and disk space."""
    from medsr.batch.cost import forecast, plan_lines
    from medsr.commands.batch import cores_of

    cost = forecast(plan, cores_of(request))
    if not as_json:
        click.echo("\n".join(plan_lines(plan, cost)))
        return
    scans = [{**asdict(i), "done": i.key in plan.done} for i in plan.items]
    for scan in scans:
        del (
            scan["packed"],
            scan["guide_packed"],
            scan["output"],
        )  # folder names may be names of people
    say_json({**asdict(cost), "scans": scans})


@contextmanager
def shown_progress(plan: Plan, *, hidden: bool) -> Iterator[Tell | None]:
    """Progress on stderr: a bar on a terminal; in a log a line a scan, at least one a minute."""
    if hidden:
        yield None
    elif not sys.stderr.isatty():
        lines = Lines(plan.todo)
        with each_minute(lines.minute):
            yield lines.tell
    else:
        label, length = "enhancing", sum(item.fine_voxels for item in plan.todo)
        with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
            yield lambda item, outcome: bar.update(item.fine_voxels)


class Lines:
    """The lines of a log: one for each scan, and one for each minute in which no scan ended.

    Args:
        todo: the scans to enhance.
        clock: gives seconds.
    """

    def __init__(self, todo: Sequence[Item], clock: Callable[[], float] = time.monotonic) -> None:
        self._tally, self._scans, self._voxels = Tally(clock), 0, 0
        self._all, self._total = len(todo), sum(item.fine_voxels for item in todo)
        self._said = False
        self._count()

    def _count(self) -> None:
        words = f"{self._scans} of {self._all} scans, "
        self._tally.reach(self._voxels / max(1, self._total), words)

    def tell(self, item: Item, outcome: Outcome) -> None:
        """A scan has ended."""
        self._scans, self._voxels = self._scans + 1, self._voxels + item.fine_voxels
        self._said = True
        self._count()
        why = f": {outcome.reason}" if outcome.reason else ""
        click.echo(
            f"[{self._scans}/{self._all}] {item.label} {outcome.end} in "
            f"{duration_words(outcome.seconds)}{self._tally.left()}{why}",
            err=True,
        )

    def minute(self) -> None:
        """A minute has passed."""
        if not self._said:
            click.echo(self._tally.line(), err=True)
        self._said = False


def say_results(results: Results, pages: Sequence[Path], *, as_json: bool) -> None:
    """Print the results; a fault of any scan becomes exit code 8.

    Args:
        results: of a batch.
        pages: its summaries.
        as_json: print them as JSON.

    Raises:
        PartlyDone: a scan failed, was set aside, refused or not reached.
    """
    counts = ", ".join(f"{number} {end}" for end, number in results.counts.items())
    if as_json:
        say_json(results.to_json())
    else:
        others = f" and {len(pages) - 1} more" if len(pages) > 1 else ""
        click.echo(f"{counts or 'no scans found'}: {pages[0]}{others}")
    if results.is_whole:
        return
    named = [f"  {row.scan}: {row.reason}" for row in results.faults[:MOST_NAMED]]
    more = len(results.faults) - len(named)
    named += [f"  and {more} more: see the summary."] if more else []
    raise PartlyDone("\n".join([f"Some scans were not enhanced ({counts}).", *named]))

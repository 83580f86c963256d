"""Command line of `medsr batch`; torch is imported inside the command to keep `--help` quick."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medsr.cli.interrupt import interruptible
from medsr.cli.machine import say_json
from medsr.cli.options import (
    DEVICE_HELP,
    RUNNING,
    GroupedCommand,
    WholeNumber,
    enhancement_options,
    given_options,
    group,
)
from medsr.cli.progress import Tally, each_minute
from medsr.errors import PartlyDone
from medsr.restore.choices import Group
from medsr.words import duration_words

if TYPE_CHECKING:
    from medsr.batch.engine import Tell
    from medsr.batch.job import Item, Outcome
    from medsr.batch.plan import Plan
    from medsr.batch.summary import Results
    from medsr.commands.batch import Request

__all__ = ["batch"]

PATH = click.Path(path_type=Path)

EXAMPLES = """\b
Examples:
  medsr batch STUDY OUT --dry-run
  medsr batch BIDS_DATASET derivatives/medsr --workers 2
"""

#: Faults that the last message names; the summary names all.
MOST_NAMED = 10


@click.command(cls=GroupedCommand, epilog=EXAMPLES)
@click.argument("source", metavar="IN", type=PATH)
@click.argument("out", metavar="OUT", type=PATH)
@enhancement_options("modality")
@group(Group.SCAN, "--include", multiple=True, metavar="GLOB", help="Enhance these paths only.")
@group(Group.SCAN, "--exclude", multiple=True, metavar="GLOB", help="Skip these paths.")
@group(Group.SCAN, "--participant-label", multiple=True, metavar="LABEL", help="BIDS subject.")
@group(
    Group.SCAN,
    "--modality",
    type=click.Choice(["mr", "ct"], case_sensitive=False),
    help="Enhance scans of this modality only, including image files that do not state theirs.",
)
@group(
    Group.OUTPUT,
    "--report",
    is_flag=True,
    help="Write an HTML page for each scan, linked from the summary.",
)
@group(
    Group.OUTPUT, "--overwrite", is_flag=True, help="Enhance scans again that are done already."
)
@group(RUNNING, "--device", default="auto", show_default=True, help=DEVICE_HELP)
@group(
    RUNNING,
    "--workers",
    type=WholeNumber(1),
    metavar="N",
    help="Processes, or jobs with --cluster.",
)
@group(
    RUNNING,
    "--scheduler",
    metavar="ADDRESS",
    help="Address of a running Dask scheduler (tcp://HOST:PORT).",
)
@group(
    RUNNING,
    "--cluster",
    type=click.Choice(["slurm", "pbs", "sge", "lsf"]),
    help="Start the workers as jobs of this batch system.",
)
@group(
    RUNNING,
    "--cluster-config",
    type=PATH,
    metavar="FILE",
    help="YAML file: cores, memory, walltime, queue and so on.",
)
@group(
    RUNNING,
    "--num-parts",
    type=WholeNumber(1),
    default=1,
    metavar="N",
    help="Split the study into N parts, for job arrays.  [default: 1]",
)
@group(
    RUNNING,
    "--part-id",
    type=WholeNumber(0),
    default=0,
    metavar="K",
    help="Part to enhance, counted from 0.  [default: 0]",
)
@group(
    RUNNING,
    "--dry-run",
    is_flag=True,
    help="Print the plan with the expected time and disk space, and stop.",
)
@group(
    RUNNING, "--stop-on-first-error", is_flag=True, help="Start no further scan after a failure."
)
@group(RUNNING, "--no-progress", is_flag=True, help="Do not show progress.")
@group(RUNNING, "--json", "as_json", is_flag=True, help="Print the plan or the results as JSON.")
@interruptible("Scans that are done are kept; run the same command again to enhance the rest.")
def batch(source: Path, out: Path, dry_run: bool, no_progress: bool, **words: Any) -> None:
    """Enhance every scan of a study folder.

    IN contains DICOM files, a BIDS dataset or image files. Run the same command again to continue
    after an interruption: it enhances only what is missing.
    """
    from medsr.batch.plan import Selection
    from medsr.commands.batch import Request, make_plan, run_plan

    as_json, modality = words["as_json"], words.pop("modality")
    request = Request(
        source=source,
        out=out,
        options=given_options(words),
        selection=Selection(
            include=words["include"],
            exclude=words["exclude"],
            participants=words["participant_label"],
            modality=(modality or "").upper(),
            parts=words["num_parts"],
            part=words["part_id"],
        ),
        device=words["device"],
        workers=words["workers"],
        scheduler=words["scheduler"],
        cluster=words["cluster"],
        cluster_config=words["cluster_config"],
        overwrite=words["overwrite"],
        report=words["report"],
        stop_on_first_error=words["stop_on_first_error"],
    )
    plan = make_plan(request)
    if dry_run:
        _say_plan(plan, request, as_json)
        return
    with _progress(plan, hidden=no_progress) as tell:
        results = run_plan(plan, request, tell)
    _say_results(results, out, as_json)


def _say_plan(plan: Plan, request: Request, as_json: bool) -> None:
    from medsr.batch.cost import forecast, plan_lines
    from medsr.commands.batch import cores_of

    cost = forecast(plan, cores_of(request))
    if not as_json:
        click.echo("\n".join(plan_lines(plan, cost)))
        return
    scans = [{**asdict(i), "done": i.key in plan.done} for i in plan.items]
    for scan in scans:
        del scan["packed"], scan["output"]  # folder names may be names of people
    say_json({**asdict(cost), "scans": scans})


@contextmanager
def _progress(plan: Plan, *, hidden: bool) -> Iterator[Tell | None]:
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


def _say_results(results: Results, out: Path, as_json: bool) -> None:
    """Print the results; a fault of any scan becomes exit code 8.

    Raises:
        PartlyDone: a scan failed, was set aside, refused or not reached.
    """
    counts = ", ".join(f"{number} {end}" for end, number in results.counts.items())
    if as_json:
        say_json(results.to_json())
    else:
        click.echo(f"{counts or 'no scans found'}: {out / 'summary.html'}")
    if results.is_whole:
        return
    named = [f"  {row.scan}: {row.reason}" for row in results.faults[:MOST_NAMED]]
    more = len(results.faults) - len(named)
    named += [f"  and {more} more: see the summary."] if more else []
    raise PartlyDone("\n".join([f"Some scans were not enhanced ({counts}).", *named]))

"""Command line of `medsr-bids`, the BIDS App: `medsr batch` with the arguments of BIDS Apps."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import click

from medsr.cli.batch_output import say_plan, say_results, shown_progress
from medsr.cli.entry import EXIT_CODES, enter
from medsr.cli.interrupt import interruptible
from medsr.cli.options import (
    DEVICE_HELP,
    RUNNING,
    GroupedCommand,
    WholeNumber,
    enhancement_options,
    given_options,
    group,
    spread,
)
from medsr.errors import OutputError
from medsr.restore.choices import Group
from medsr.version import __version__

__all__ = ["bids", "main"]

PATH = click.Path(path_type=Path)

#: BIDS Apps are called with either spelling.
PARTICIPANT = ("--participant-label", "--participant_label")
SESSION = ("--session-label", "--session_label")


class BidsCommand(GroupedCommand):
    """A command whose `--participant-label` and `--session-label` take several words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`--participant-label 01 02` becomes `--participant-label 01 --participant-label 02`."""
        return super().parse_args(ctx, spread(args, {*PARTICIPANT, *SESSION}))


@click.command(cls=BidsCommand, epilog=EXIT_CODES)
@click.argument("bids_dir", type=PATH)
@click.argument("output_dir", type=PATH)
@click.argument(
    "level", metavar="{participant|group}", type=click.Choice(["participant", "group"])
)
@enhancement_options("modality", "format", "multi_frame")
@group(
    Group.SCAN,
    *PARTICIPANT,
    multiple=True,
    metavar="LABEL ...",
    help="Participants, with or without 'sub-'; all by default.",
)
@group(
    Group.SCAN,
    *SESSION,
    multiple=True,
    metavar="LABEL ...",
    help="Sessions, with or without 'ses-'; all by default.",
)
@group(
    Group.SCAN,
    "--modality",
    type=click.Choice(["mr", "ct"], case_sensitive=False),
    help="Enhance scans of this modality only, including files that do not state theirs.",
)
@group(
    Group.SCAN,
    "--guide-suffix",
    default="",
    metavar="SUFFIX",
    help="The scan of the same session with this suffix (T1w) guides the others.",
)
@group(Group.OUTPUT, "--report", is_flag=True, help="Write an HTML page for each scan.")
@group(
    Group.OUTPUT, "--overwrite", is_flag=True, help="Enhance scans again that are done already."
)
@group(RUNNING, "--device", default="auto", show_default=True, help=DEVICE_HELP)
@group(
    RUNNING,
    "--n-cpus",
    "--n_cpus",
    "--nprocs",
    "cpus",
    type=WholeNumber(1),
    metavar="N",
    help="CPU cores to use in total.  [default: all]",
)
@group(
    RUNNING,
    "--workers",
    type=WholeNumber(1),
    metavar="N",
    help="Scans at a time; they share the CPU cores.  [default: 1]",
)
@group(
    RUNNING, "-w", "--work-dir", type=PATH, help="Folder for temporary files, instead of TMPDIR."
)
@group(
    RUNNING,
    "--skip-bids-validation",
    "--skip_bids_validator",
    "skip_validation",
    is_flag=True,
    help="For scripts that give it: medsr never runs the BIDS validator.",
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
@click.version_option(__version__, "-v", "--version")
@interruptible("Scans that are done are kept; run the same command again to enhance the rest.")
def bids(
    bids_dir: Path, output_dir: Path, level: str, work_dir: Path | None, **words: Any
) -> None:
    """Enhance the anatomical MR and CT scans of a BIDS dataset.

    participant enhances scans; runs for different participants may go on at the same time.
    group enhances nothing: it writes one summary of the results of all participants. Give it the
    options of the participant level.

    OUTPUT_DIR becomes a dataset of BIDS derivatives.
    """
    from medsr.commands.batch import make_plan, pages_of, run_plan
    from medsr.commands.bids import check_dataset, summarise

    check_dataset(bids_dir)
    if work_dir is not None:
        _use_for_temporary_files(work_dir)
    request = _request(bids_dir, output_dir, words)
    plan = make_plan(request)
    if words["dry_run"]:
        say_plan(plan, request, as_json=words["as_json"])
        return
    if level == "group":
        plan, results = summarise(plan)
    else:
        with shown_progress(plan, hidden=words["no_progress"]) as tell:
            results = run_plan(plan, request, tell)
    say_results(results, pages_of(plan, output_dir), as_json=words["as_json"])


def _request(bids_dir: Path, output_dir: Path, words: dict[str, Any]) -> Any:
    from medsr.batch.plan import Selection
    from medsr.commands.batch import Request

    modality = words.pop("modality") or ""
    return Request(
        source=bids_dir,
        out=output_dir,
        options=given_options(words),
        selection=Selection(
            participants=words["participant_label"],
            sessions=words["session_label"],
            modality=modality.upper(),
            guide_suffix=words["guide_suffix"],
        ),
        device=words["device"],
        cpus=words["cpus"],
        workers=words["workers"],
        overwrite=words["overwrite"],
        report=words["report"],
        stop_on_first_error=words["stop_on_first_error"],
    )


def _use_for_temporary_files(folder: Path) -> None:
    """Make a folder, and have this process and its workers keep temporary files in it.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(
            f"{folder.name}: the work folder cannot be made ({fault.strerror}). Choose another "
            "one with --work-dir."
        ) from None
    os.environ["TMPDIR"] = str(folder.resolve())
    tempfile.tempdir = None  # asked anew


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `medsr-bids`."""
    enter(bids, "medsr-bids", arguments)

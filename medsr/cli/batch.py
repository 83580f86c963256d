"""Command line of `medsr batch`; torch is imported inside the command to keep `--help` quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medsr.cli.batch_output import say_plan, say_results, shown_progress
from medsr.cli.interrupt import interruptible
from medsr.cli.options import (
    DEVICE_HELP,
    RUNNING,
    GroupedCommand,
    WholeNumber,
    enhancement_options,
    given_options,
    group,
)
from medsr.restore.choices import Group

__all__ = ["batch"]

PATH = click.Path(path_type=Path)

EXAMPLES = """\b
Examples:
  medsr batch STUDY OUT --dry-run
  medsr batch BIDS_DATASET derivatives/medsr --workers 2
"""


@click.command(cls=GroupedCommand, epilog=EXAMPLES)
@click.argument("source", metavar="IN", type=PATH)
@click.argument("out", metavar="OUT", type=PATH)
@enhancement_options("modality")
@group(Group.SCAN, "--include", multiple=True, metavar="GLOB", help="Enhance these paths only.")
@group(Group.SCAN, "--exclude", multiple=True, metavar="GLOB", help="Skip these paths.")
@group(Group.SCAN, "--participant-label", multiple=True, metavar="LABEL", help="BIDS subject.")
@group(Group.SCAN, "--session-label", multiple=True, metavar="LABEL", help="BIDS session.")
@group(
    Group.SCAN,
    "--modality",
    type=click.Choice(["mr", "ct"], case_sensitive=False),
    help="Enhance scans of this modality only, including image files that do not state theirs.",
)
@group(
    Group.SCAN,
    "--guide-suffix",
    default="",
    metavar="SUFFIX",
    help="The scan of the same session or folder whose name ends with SUFFIX, or the DICOM series "
    "of the same study whose description contains it (T1w), guides the others.",
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
    from medsr.commands.batch import Request, make_plan, pages_of, run_plan

    as_json, modality = words["as_json"], words.pop("modality")
    request = Request(
        source=source,
        out=out,
        options=given_options(words),
        selection=Selection(
            include=words["include"],
            exclude=words["exclude"],
            participants=words["participant_label"],
            sessions=words["session_label"],
            modality=(modality or "").upper(),
            guide_suffix=words["guide_suffix"],
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
        say_plan(plan, request, as_json=as_json)
        return
    with shown_progress(plan, hidden=no_progress) as tell:
        results = run_plan(plan, request, tell)
    say_results(results, pages_of(plan, out), as_json=as_json)

"""Command line of `medsr enhance`; torch is imported inside the command to keep `--help` quick."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from medsr.cli.progress import as_lines, shown
from medsr.restore.choices import Group
from medsr.words import duration_words

__all__ = ["enhance"]

PATH = click.Path(path_type=Path)

EXAMPLES = """\b
Examples:
  medsr enhance scan.nii.gz -o enhanced.nii.gz
  medsr enhance DICOM_FOLDER -o OUT_FOLDER --spacing 1
"""


@click.command(cls=GroupedCommand, epilog=EXAMPLES)
@click.argument("source", metavar="INPUT", type=PATH)
@group(
    Group.OUTPUT,
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="NIfTI file (.nii, .nii.gz), or folder for a DICOM series.",
)
@enhancement_options()
@group(
    Group.SCAN,
    "--series",
    metavar="WHICH",
    help="Which DICOM series: its number, its UID, or a pattern of its description ('*T2*').",
)
@group(
    Group.SCAN,
    "--stack",
    "stacks",
    type=PATH,
    multiple=True,
    metavar="SCAN",
    help="Another thick scan of the same person and contrast, for example sagittal where INPUT is "
    "axial: one image explains all. May be repeated.",
)
@group(
    Group.SCAN,
    "--guide",
    "guides",
    type=PATH,
    multiple=True,
    metavar="SCAN",
    help="Another scan of the same person, in any contrast and resolution, for example a fine T1w "
    "where INPUT is a thick FLAIR: it shows where edges are. Up to three.",
)
@group(
    Group.SCAN,
    "--registered",
    is_flag=True,
    help="Believe the headers' positions of --stack or --guide; do not register.",
)
@group(
    Group.OUTPUT,
    "--template",
    type=PATH,
    metavar="SERIES",
    help="DICOM series whose patient and study a NIfTI input takes over.",
)
@group(
    Group.OUTPUT,
    "--report",
    type=PATH,
    metavar="PAGE",
    help="Also write an HTML page that shows the scan before and after.",
)
@group(
    Group.OUTPUT,
    "--save-model",
    type=PATH,
    metavar="FILE",
    help="With --adapt: keep the adapted network as a model, FILE.safetensors and its card, for "
    "--model. Nothing is written where the adaptation did not help.",
)
@group(Group.OUTPUT, "--overwrite", is_flag=True, help="Replace existing output.")
@group(RUNNING, "--device", default="auto", show_default=True, help=DEVICE_HELP)
@group(
    RUNNING,
    "--threads",
    type=WholeNumber(0, 4096),
    default=0,
    metavar="N",
    help="CPU threads; 0 means all.  [default: 0]",
)
@group(RUNNING, "--dry-run", is_flag=True, help="Print what would be done, and stop.")
@group(RUNNING, "--json", "as_json", is_flag=True, help="Print the record as JSON.")
@group(RUNNING, "-q", "--quiet", is_flag=True, help="Print errors only.")
@group(RUNNING, "-v", "--verbose", is_flag=True, help="Print the full record.")
@group(RUNNING, "--no-progress", is_flag=True, help="Do not show a progress bar.")
@group(
    RUNNING,
    "--progress-json",
    is_flag=True,
    help='Print progress on stderr as lines of JSON: {"progress": 0.25}.',
)
@interruptible("No image was written.")
def enhance(
    source: Path,
    output: Path,
    series: str | None,
    stacks: tuple[Path, ...],
    guides: tuple[Path, ...],
    template: Path | None,
    report: Path | None,
    save_model: Path | None,
    **words: Any,
) -> None:
    """Enhance one scan.

    INPUT is an image file (NIfTI, MGH, MetaImage, NRRD), a DICOM folder or zip, or one file of a
    DICOM series. The result is the posterior mean, the image with the smallest expected error;
    --sample draws a sample, which looks more like a scan and is less accurate. Research use only,
    not for diagnosis.
    """
    from medsr.commands.enhance import Request, run

    request = Request(
        source=source,
        output=output,
        options=given_options(words),
        stacks=stacks,
        guides=guides,
        registered=words["registered"],
        series=series,
        template=template,
        report=report,
        save_model=save_model,
        device=words["device"],
        threads=words["threads"],
        dry_run=words["dry_run"],
        overwrite=words["overwrite"],
    )
    quiet = words["quiet"]
    if words["progress_json"]:
        showing = as_lines()
    else:
        showing = shown(hidden=quiet or words["no_progress"])
    with showing as progress:
        done = run(request, progress)
    for remark in [] if quiet else done.remarks:
        click.echo(str(remark), err=True)
    if words["as_json"] or words["verbose"]:
        say_json(done.facts)
    elif not quiet:
        click.echo("\n".join(_last_lines(done.facts, output, report, save_model)))


def _last_lines(
    facts: Mapping[str, Any], output: Path, report: Path | None, save_model: Path | None
) -> list[str]:
    """What was done, where it is, what to look at next; of a plan, what would be done."""
    before, after = (
        " x ".join(f"{mm:.3g}" for mm in facts[key]) for key in ("InputSpacing", "OutputSpacing")
    )
    how = "posterior mean" if facts["Steps"] == 1 else f"sample of {facts['Steps']} steps"
    if facts["Samples"] > 1:
        how = f"mean of {facts['Samples']} samples"
    what = f"{before} mm to {after} mm: {how} of {facts['Model']}"
    if "Seconds" not in facts:
        return [f"would enhance {what}", f"would write {output}"]
    see = f"look at {report}" if report else "see before and after: add --report PAGE.html"
    kept = save_model is not None and facts["AdaptationKept"]
    model = [f"model: {save_model}"] if kept else []
    done = f"enhanced {what}, {duration_words(facts['Seconds'])}"
    return [done, f"written: {output}", *model, see]

"""Command line of `medsr evaluate`; torch is imported inside it to keep `--help` quick."""

from __future__ import annotations

from pathlib import Path

import click

from medsr.cli.interrupt import interruptible
from medsr.cli.machine import json_option, say_json
from medsr.cli.options import spread

__all__ = ["evaluate"]

PATH = click.Path(path_type=Path)


class ManyWords(click.Command):
    """A command whose `--estimates` and `--names` take all arguments up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`--names a b` becomes `--names a --names b`."""
        return super().parse_args(ctx, spread(args, {"--estimates", "--names"}))


@click.command(cls=ManyWords)
@click.option("--reference", type=PATH, help="Reference scan, or folder of reference scans.")
@click.option("--estimate", type=PATH, help="Scan to evaluate, or folder of scans.")
@click.option(
    "--estimates",
    type=PATH,
    multiple=True,
    metavar="A B ...",
    help="Several methods: one scan or folder for each.",
)
@click.option(
    "--names",
    multiple=True,
    metavar="a b ...",
    help="Name of each method, in the order of --estimates.",
)
@click.option(
    "--pairs",
    type=PATH,
    help="CSV file that lists the cases, in place of folders: columns reference, estimate (or "
    "estimate:NAME), person, low, mask, labels.",
)
@click.option(
    "--low",
    type=PATH,
    help="Measured thick-slice scan: adds interpolation as a baseline, and data consistency.",
)
@click.option("--mask", type=PATH, help="Mask: compare its non-zero voxels only.")
@click.option(
    "--labels",
    type=PATH,
    help="Label map of the reference: adds tissue overlap and volumes.",
)
@click.option(
    "--segmenter",
    type=PATH,
    help="Folder of a segmentation network (brainchop's MeshNet; T1w whole heads): adds volumes "
    "and overlap of regions, against those of the reference.",
)
@click.option("-o", "--output", type=PATH, help="Write the results to this JSON file.")
@click.option("--csv", type=PATH, help="Write the metrics of every case to this CSV file.")
@click.option(
    "--table",
    type=PATH,
    help="Write a summary table (.md or .tex); of every metric with --all.",
)
@click.option(
    "--picture",
    type=PATH,
    help="Write a PNG: before, after, reference and difference (one pair only).",
)
@click.option("--report", type=PATH, help="Write an HTML page, and one for each case.")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Show every metric, linear interpolation too, and the settings; otherwise PSNR, SSIM, "
    "sharpness and consistency. JSON, CSV and pages always hold all.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Also print the definitions of the metrics shown; alone: of every metric.",
)
@json_option("the results")
@interruptible("The evaluation is not complete; run the command again.")
def evaluate(
    reference: Path | None,
    estimate: Path | None,
    estimates: tuple[Path, ...],
    names: tuple[str, ...],
    pairs: Path | None,
    low: Path | None,
    mask: Path | None,
    labels: Path | None,
    segmenter: Path | None,
    output: Path | None,
    csv: Path | None,
    table: Path | None,
    picture: Path | None,
    report: Path | None,
    every: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Compare enhanced scans with reference scans.

    \b
    Examples:
      medsr evaluate --reference REF.nii.gz --estimate ENHANCED.nii.gz --low THICK.nii.gz
      medsr evaluate --reference REF/ --estimates A/ B/ --names a b --report group.html
    """
    from medsr.commands.evaluate import Request, run
    from medsr.evaluation.pairing import labelled
    from medsr.evaluation.sentences import definition
    from medsr.metrics.registry import ALL_METRICS

    if explain and not (reference or estimate or estimates or pairs):
        if as_json:
            say_json({"definitions": {name: definition(name) for name in ALL_METRICS}})
        else:
            click.echo("\n".join(map(definition, ALL_METRICS)))
        return
    outcome = run(
        Request(
            reference=reference,
            estimates=labelled([p for p in (estimate, *estimates) if p], names),
            low=low,
            mask=mask,
            labels=labels,
            segmenter=segmenter,
            pairs=pairs,
            output=output,
            csv=csv,
            table=table,
            picture=picture,
            report=report,
            every=every,
        )
    )
    text = outcome.to_json() if as_json else outcome.to_text(every=every, explain=explain)
    click.echo(text, nl=False)
    outcome.tell_failures()

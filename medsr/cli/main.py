"""Words -> one call: parsing, exit codes, the one place that catches.

Heavy rooms are imported inside each command, so that `medsr --help` answers at once.
Results go to stdout, progress and remarks to stderr.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

import click

from medsr.cli.batch import batch
from medsr.cli.evaluate import evaluate
from medsr.cli.training import calibrate, train, weights
from medsr.errors import MedsrError
from medsr.version import __version__

__all__ = ["app", "main"]

EPILOG = (
    "Exit codes: 0 done, 1 a bug, 2 usage, 3 input missing or unreadable, 4 refused, "
    "5 output not writable, 8 partly done. Research use only, not for diagnosis."
)
PATH = click.Path(path_type=Path)


@click.group(epilog=EPILOG)
@click.version_option(__version__)
def app() -> None:
    """Super-resolution of MR and CT volumes by a conditional diffusion model."""


@app.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, help="NIfTI file, or folder for a DICOM series."
)
@click.option("--format", "format_", type=click.Choice(["nifti", "dicom"]), help="Of the output.")
@click.option("--template", type=PATH, metavar="SERIES", help="DICOM context for NIfTI input.")
@click.option("--multi-frame", is_flag=True, help="One enhanced DICOM file, not one a slice.")
@click.option("--model", help="Bundled model or path of a .safetensors file.")
@click.option("--modality", type=click.Choice(["mr", "ct"]), help="When the file does not say.")
@click.option("--series", help="SeriesInstanceUID, where a folder holds several.")
@click.option("--spacing", type=float, metavar="MM", help="Bring every coarser axis to this.")
@click.option("--scale", type=float, metavar="F", help="Make every axis F times finer.")
@click.option("--slice-thickness", type=float, metavar="MM", help="Overrides the header.")
@click.option(
    "--profile",
    type=click.Choice(["gaussian", "box"]),
    help="Slice profile; the sidecar's, or gaussian, when not given.",
)
@click.option("--steps", type=int, metavar="N", help="Sampler steps; 1 is the posterior mean.")
@click.option("--samples", type=int, default=1, metavar="K", help="Mean and spread of K samples.")
@click.option("--quick", is_flag=True, help="--steps 1 in two thirds of the time, for 0.1 dB.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, show_default=True)
@click.option(
    "--consistency",
    type=click.Choice(["off", "noise", "exact"]),
    default="noise",
    show_default=True,
    help="How strictly the result, seen by the scanner again, is the scan.",
)
@click.option("--interval", is_flag=True, help="Write the half-width of a 90 % interval too.")
@click.option("--null-space", is_flag=True, help="Write what the scanner could not have seen too.")
@click.option("--force", is_flag=True, help="Enhance a scan unlike all that the model knows.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda[:N] or mps.")
@click.option(
    "--threads", type=click.IntRange(0, 4096), default=0, metavar="N", help="CPU threads; 0: all."
)
@click.option("--report", type=PATH, help="HTML page to write: look at the result.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--overwrite", is_flag=True, help="Replace the output.")
@click.option("--json", "as_json", is_flag=True, help="Print the sidecar's content.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Say all that the sidecar records.")
@click.option("--no-progress", is_flag=True)
def enhance(
    source: Path,
    output: Path,
    format_: Literal["nifti", "dicom"] | None,
    template: Path | None,
    multi_frame: bool,
    model: str | None,
    modality: str | None,
    series: str | None,
    spacing: float | None,
    scale: float | None,
    slice_thickness: float | None,
    profile: str | None,
    steps: int | None,
    samples: int,
    quick: bool,
    seed: int,
    consistency: str,
    interval: bool,
    null_space: bool,
    force: bool,
    device: str,
    threads: int,
    report: Path | None,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
) -> None:
    """Enhance one scan: NIfTI, DICOM folder, zip, or one file of a series."""
    from medsr.commands.enhance import Request, run
    from medsr.restore.options import Consistency, Options, steps_of

    options = Options(
        spacing_mm=spacing,
        scale=scale,
        slice_thickness_mm=slice_thickness,
        profile=profile,
        steps=steps_of(steps, quick=quick),
        samples=samples,
        quick=quick,
        seed=seed,
        consistency=Consistency(consistency),
        interval=interval,
        null_space_map=null_space,
        force=force,
    )
    request = Request(
        source=source,
        output=output,
        options=options,
        model=model,
        modality=None if modality is None else ("CT" if modality == "ct" else "MR"),
        series_uid=series,
        device=device,
        threads=threads,
        format=format_,
        template=template,
        multi_frame=multi_frame,
        dry_run=dry_run,
        overwrite=overwrite,
        report=report,
    )
    quiet_bar = quiet or no_progress or not sys.stderr.isatty()
    with click.progressbar(
        length=1000, label="enhancing", file=sys.stderr, hidden=quiet_bar
    ) as bar:
        facts = run(request, lambda share: bar.update(round(1000 * share) - bar.pos))
    for remark in [] if quiet else facts["Remarks"]:
        click.echo(f"note: {remark}", err=True)
    if as_json or verbose:
        click.echo(json.dumps(facts, indent=2))
    elif not quiet:
        spacing_words = " x ".join(f"{mm:.3g}" for mm in facts["OutputSpacing"])
        verb = "would enhance" if dry_run else "enhanced"
        click.echo(f"{verb} to {spacing_words} mm with {facts['Model']}: {output}")


@app.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="NIfTI file to write.")
@click.option("--slice-spacing", type=float, required=True, metavar="MM")
@click.option("--slice-thickness", type=float, metavar="MM", help="The spacing when not given.")
@click.option("--in-plane", type=float, default=1.0, metavar="F", help="In-plane factor.")
@click.option("--noise", type=float, default=0.0, metavar="SIGMA", help="In the scan's units.")
@click.option("--profile", type=click.Choice(["gaussian", "box"]), default="gaussian")
@click.option("--axis", type=click.IntRange(0, 2), help="Axis to thicken; the slice axis if not.")
@click.option("--modality", type=click.Choice(["mr", "ct"]), help="When the file does not say.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, show_default=True)
@click.option("--overwrite", is_flag=True)
def degrade(
    source: Path,
    output: Path,
    slice_spacing: float,
    slice_thickness: float | None,
    in_plane: float,
    noise: float,
    profile: str,
    axis: int | None,
    modality: str | None,
    seed: int,
    overwrite: bool,
) -> None:
    """Make a thick-slice scan of a fine one, as a scanner would."""
    from medsr.commands.degrade import run

    low, remark = run(
        source,
        output,
        slice_spacing_mm=slice_spacing,
        slice_thickness_mm=slice_thickness,
        in_plane=in_plane,
        noise=noise,
        profile=profile,
        seed=seed,
        axis=axis,
        overwrite=overwrite,
        modality=None if modality is None else ("CT" if modality == "ct" else "MR"),
    )
    if remark:
        click.echo(f"note: {remark}", err=True)
    click.echo(f"{' x '.join(str(n) for n in low.shape)} voxels: {output}")


@app.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("--series", help="SeriesInstanceUID, where a folder holds several.")
def info(source: Path, series: str | None) -> None:
    """Say what is in a file or folder, and what medsr would do with it."""
    from medsr.commands.info import run

    for line in run(source, series):
        click.echo(line)


@app.command()
@click.option("--folder", type=PATH, help="Also the models of this folder.")
@click.option("--json", "as_json", is_flag=True)
def models(folder: Path | None, as_json: bool) -> None:
    """List the models and their cards."""
    from dataclasses import asdict

    from medsr.commands.models import run

    cards = run(folder)
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    for card in cards:
        click.echo(f"{card.name}: {card.description}; {card.people} people. {card.use}")


@app.command()
@click.option("--ae-title", default="MEDSR", show_default=True, help="Ours.")
@click.option("--port", type=click.IntRange(1, 65535), required=True, metavar="N")
@click.option("--forward", required=True, metavar="AET@HOST:PORT", help="Where results go.")
@click.option("--rules", type=PATH, help="YAML: which series, how, and limits.")
@click.option("--allow", multiple=True, metavar="AET", help="Who may send; the destination may.")
@click.option("--spool", type=PATH, default="medsr-spool", show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda[:N] or mps.")
@click.option(
    "--threads", type=click.IntRange(0, 4096), default=0, metavar="N", help="CPU threads; 0: all."
)
def listen(
    ae_title: str,
    port: int,
    forward: str,
    rules: Path | None,
    allow: tuple[str, ...],
    spool: Path,
    host: str,
    device: str,
    threads: int,
) -> None:
    """Receive series by C-STORE, enhance those that the rules select, send the results on."""
    from medsr.commands.listen import ListenRequest, run

    run(
        ListenRequest(
            ae_title=ae_title,
            port=port,
            forward=forward,
            rules=rules,
            allow=allow,
            spool=spool,
            host=host,
            device=device,
            threads=threads,
        )
    )


app.add_command(batch)
app.add_command(evaluate)
for _command in (train, calibrate, weights):
    app.add_command(_command)


def main(arguments: list[str] | None = None) -> Any:
    """The entry point: runs one command and turns a `MedsrError` into a line and an exit code."""
    try:
        app.main(arguments, prog_name="medsr", standalone_mode=True)
    except MedsrError as fault:
        click.echo(f"medsr: {fault}", err=True)
        sys.exit(fault.exit_code)

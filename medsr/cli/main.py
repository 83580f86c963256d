"""The command line: option parsing, exit codes and error messages.

Heavy rooms are imported inside each command, so that `medsr --help` answers at once.
Results go to stdout, progress and remarks to stderr.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from medsr.cli.batch import batch
from medsr.cli.enhance import enhance
from medsr.cli.evaluate import evaluate
from medsr.cli.interrupt import interruptible
from medsr.cli.options import DEVICE_HELP, WholeNumber
from medsr.cli.training import calibrate, train, weights
from medsr.errors import MedsrError, MedsrWarning
from medsr.version import __version__

__all__ = ["app", "main"]

EPILOG = (
    "Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 input missing or unreadable, "
    "4 input refused, 5 output not writable, 8 partly done (batch, evaluate), 130 stopped by "
    "Ctrl+C. Research use only, not for diagnosis."
)
PATH = click.Path(path_type=Path)


class _Commands(click.Group):
    """Ctrl+C ends every command alike; click itself would say Aborted and exit with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        with interruptible(""):
            return super().invoke(ctx)


@click.group(cls=_Commands, epilog=EPILOG)
@click.version_option(__version__)
def app() -> None:
    """Super-resolution of MR and CT scans with a conditional diffusion model."""


@app.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="NIfTI file to write.")
@click.option(
    "--slice-spacing",
    "slice_spacing_mm",
    type=float,
    required=True,
    metavar="MM",
    help="Distance between the slices to simulate.",
)
@click.option(
    "--slice-thickness",
    "slice_thickness_mm",
    type=float,
    metavar="MM",
    help="Thickness of the slices.  [default: the slice spacing]",
)
@click.option(
    "--in-plane",
    type=float,
    default=1.0,
    metavar="F",
    help="Make the voxels F times coarser within the slices.  [default: 1]",
)
@click.option(
    "--noise",
    type=float,
    default=0.0,
    metavar="SIGMA",
    help="Standard deviation of the noise to add, in the unit of the scan.  [default: 0]",
)
@click.option(
    "--profile",
    type=click.Choice(["gaussian", "box"]),
    default="gaussian",
    show_default=True,
    help="Slice profile.",
)
@click.option(
    "--axis",
    type=WholeNumber(0, 2),
    metavar="[0|1|2]",
    help="Voxel axis to degrade.  [default: the slice axis]",
)
@click.option(
    "--modality",
    type=click.Choice(["mr", "ct"], case_sensitive=False),
    help="Modality, if the file does not state it.",
)
@click.option(
    "--seed",
    type=WholeNumber(0, 2**62),
    default=0,
    show_default=True,
    metavar="N",
    help="Random seed of the noise.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing output.")
@interruptible("Nothing was written.")
def degrade(
    source: Path, output: Path, overwrite: bool, modality: str | None, **words: Any
) -> None:
    """Simulate a thick-slice scan from a fine one.

    INPUT is an image file or a DICOM series. The sidecar of the output records the simulation.
    """
    from medsr.commands.degrade import Request, run
    from medsr.volume.modality import Modality

    known = None if modality is None else Modality(modality.upper())
    low, remarks = run(source, output, Request(modality=known, **words), overwrite=overwrite)
    for remark in remarks:
        click.echo(str(remark), err=True)
    click.echo(f"{' x '.join(str(n) for n in low.shape)} voxels: {output}")


@app.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.option(
    "--series",
    metavar="WHICH",
    help="Which DICOM series: its number, its UID, or a pattern of its description ('*T2*').",
)
def info(source: Path, series: str | None) -> None:
    """Describe the scans in a file or folder, and what medsr would do with them."""
    from medsr.commands.info import run

    for line in run(source, series):
        click.echo(line)


@app.command()
@click.option("--folder", type=PATH, help="Also list the models in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the model cards as JSON.")
def models(folder: Path | None, as_json: bool) -> None:
    """List the bundled models."""
    from dataclasses import asdict

    from medsr.commands.models import run

    cards = run(folder)
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    for card in cards:
        click.echo(
            f"{card.name}: {card.description}; trained on {card.people} subjects. {card.use}"
        )


@app.command()
@click.option("--ae-title", default="MEDSR", show_default=True, help="AE title of this node.")
@click.option(
    "--port", type=WholeNumber(1, 65535), required=True, metavar="N", help="Port to listen on."
)
@click.option(
    "--forward", required=True, metavar="AET@HOST:PORT", help="Destination of the results."
)
@click.option(
    "--rules",
    type=PATH,
    help="YAML file: which series to enhance, with which options and limits.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="AET",
    help="AE title that may send (repeatable); the destination always may.",
)
@click.option(
    "--spool",
    type=PATH,
    default="medsr-spool",
    show_default=True,
    help="Folder for series that are waiting or were set aside.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--device", default="auto", show_default=True, help=DEVICE_HELP)
@click.option(
    "--threads",
    type=WholeNumber(0, 4096),
    default=0,
    metavar="N",
    help="CPU threads; 0 means all.  [default: 0]",
)
@interruptible("What was received is in the spool and continues at the next start.")
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
    """Run a DICOM node that enhances what it receives.

    The node receives series by C-STORE, enhances those that the rules select, and forwards the
    results. It runs until it is interrupted (Ctrl+C).
    """
    from medsr.commands.listen import ListenRequest, run

    request = ListenRequest(
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
    run(request)


app.add_command(batch)
app.add_command(enhance)
app.add_command(evaluate)
for _command in (train, calibrate, weights):
    app.add_command(_command)


def main(arguments: list[str] | None = None) -> Any:
    """The entry point: runs one command and turns a `MedsrError` into a line and an exit code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", MedsrWarning
            )  # commands print their remarks themselves
            app.main(arguments, prog_name="medsr", standalone_mode=True)
    except MedsrError as fault:
        click.echo(f"medsr: {fault}", err=True)
        sys.exit(fault.exit_code)

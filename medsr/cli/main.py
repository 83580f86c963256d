"""Words -> one call: parsing, exit codes, the one place that catches.

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
from medsr.cli.training import calibrate, train, weights
from medsr.errors import MedsrError, MedsrWarning
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
@click.option("-o", "--output", type=PATH, required=True, help="NIfTI file to write.")
@click.option("--slice-spacing", "slice_spacing_mm", type=float, required=True, metavar="MM")
@click.option(
    "--slice-thickness",
    "slice_thickness_mm",
    type=float,
    metavar="MM",
    help="The spacing when not given.",
)
@click.option("--in-plane", type=float, default=1.0, metavar="F", help="In-plane factor.")
@click.option("--noise", type=float, default=0.0, metavar="SIGMA", help="In the scan's units.")
@click.option("--profile", type=click.Choice(["gaussian", "box"]), default="gaussian")
@click.option("--axis", type=click.IntRange(0, 2), help="Axis to thicken; the slice axis if not.")
@click.option("--modality", type=click.Choice(["mr", "ct"]), help="When the file does not say.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, show_default=True)
@click.option("--overwrite", is_flag=True)
def degrade(
    source: Path, output: Path, overwrite: bool, modality: str | None, **words: Any
) -> None:
    """Make a thick-slice scan of a fine one, as a scanner would."""
    from medsr.commands.degrade import Request, run
    from medsr.volume.modality import Modality

    known = None if modality is None else Modality(modality.upper())
    low, remarks = run(source, output, Request(modality=known, **words), overwrite=overwrite)
    for remark in remarks:
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
app.add_command(enhance)
app.add_command(evaluate)
for _command in (train, calibrate, weights):
    app.add_command(_command)


def main(arguments: list[str] | None = None) -> Any:
    """The entry point: runs one command and turns a `MedsrError` into a line and an exit code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MedsrWarning)  # commands say their remarks themselves
            app.main(arguments, prog_name="medsr", standalone_mode=True)
    except MedsrError as fault:
        click.echo(f"medsr: {fault}", err=True)
        sys.exit(fault.exit_code)

"""Command line of `medsr listen`."""

from __future__ import annotations

from pathlib import Path

import click

from medsr.cli.interrupt import interruptible
from medsr.cli.machine import json_option
from medsr.cli.options import DEVICE_HELP, WholeNumber

__all__ = ["listen"]

PATH = click.Path(path_type=Path)


@click.command()
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
@json_option("each line of the log, on standard error,")
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
    as_json: bool,
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
        json_log=as_json,
    )
    run(request)

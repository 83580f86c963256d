"""Command line of `medsr info` and `medsr models`."""

from __future__ import annotations

from pathlib import Path

import click

from medsr.cli.machine import json_option, say_json

__all__ = ["info", "models"]

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.option(
    "--series",
    metavar="WHICH",
    help="Which DICOM series: its number, its UID, or a pattern of its description ('*T2*').",
)
@json_option("the scans and what medsr would do")
def info(source: Path, series: str | None, as_json: bool) -> None:
    """Describe the scans in a file or folder, and what medsr would do with them."""
    from medsr.commands.info import run

    found = run(source, series)
    if as_json:
        say_json({"scans": list(found.scans)})
        return
    for line in found.lines:
        click.echo(line)


@click.command()
@click.option("--folder", type=PATH, help="Also list the models in this folder.")
@json_option("the model cards")
def models(folder: Path | None, as_json: bool) -> None:
    """List the bundled models."""
    from dataclasses import asdict

    from medsr.commands.models import run

    cards = run(folder)
    if as_json:
        say_json([asdict(card) for card in cards])
        return
    for card in cards:
        click.echo(
            f"{card.name}: {card.description}; trained on {card.people} subjects. {card.use}"
        )

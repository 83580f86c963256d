"""Command line of `medsr train`, `medsr calibrate` and `medsr weights`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path

import click

from medsr.cli.interrupt import interruptible
from medsr.cli.machine import json_option, say_json

__all__ = ["calibrate", "train", "weights"]

PATH = click.Path(path_type=Path)
overrides_argument = click.argument("overrides", nargs=-1, metavar="[key=value ...]")


@click.command()
@click.argument("config", type=PATH)
@overrides_argument
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint.")
@json_option("the path of the weights")
@interruptible("The last checkpoint, if there is one, is kept; continue with --resume.")
def train(config: Path, overrides: tuple[str, ...], resume: bool, as_json: bool) -> None:
    """Train a model from a configuration.

    Example: medsr train configs/mr-head.yaml data.root=FOLDER trainer.steps=2000
    """
    from medsr.commands.train import run

    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        path = run(config, overrides, resume=resume)
    _say_weights(path, as_json=as_json)


@click.command()
@click.argument("config", type=PATH)
@overrides_argument
@click.option("--card", type=PATH, required=True, help="Model card (NAME.json) to update.")
@json_option("the intervals")
@interruptible("The model card is as it was.")
def calibrate(config: Path, overrides: tuple[str, ...], card: Path, as_json: bool) -> None:
    """Calibrate a model's intervals on the held-out subjects of a configuration.

    Prints, for each subject, the coverage of a 90 % interval that was fitted on the others, and
    writes the intervals and the statistics of the training scans into the model card.

    Example: medsr calibrate configs/mr-head.yaml data.root=FOLDER --card runs/mr-head/mr-head.json
    """
    from medsr.commands.calibrate import run

    intervals = run(config, overrides, card, lambda line: click.echo(line, err=as_json))
    if as_json:
        say_json({"card": str(card), "intervals": intervals})
    else:
        click.echo(f"card: {card}")


@click.command()
@click.argument("folder", type=PATH)
@overrides_argument
@click.option("--dry-run", is_flag=True, help="List the stages and their state, and stop.")
@json_option("the path of the weights, or the stages,")
@interruptible("What is finished and the last checkpoint are kept; run the same command again.")
def weights(folder: Path, overrides: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Run every training stage of a folder, in order.

    Finished stages are skipped, and a training that was interrupted continues from its last
    checkpoint.

    Example: medsr weights configs/mr-head data.root=FOLDER
    """
    from medsr.commands.weights import plan, run

    if dry_run:
        stages = plan(folder, overrides)
        if as_json:
            say_json({"stages": [asdict(stage) for stage in stages]})
        else:
            click.echo("\n".join(map(str, stages)))
        return
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        path = run(folder, overrides, lambda line: click.echo(line, err=True))
    _say_weights(path, as_json=as_json)


def _say_weights(path: Path, *, as_json: bool) -> None:
    if as_json:
        say_json({"weights": str(path), "card": str(path.with_suffix(".json"))})
    else:
        click.echo(f"weights: {path}")

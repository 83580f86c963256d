"""Command line of `medsr train`, `medsr calibrate` and `medsr weights`."""

from __future__ import annotations

from pathlib import Path

import click

from medsr.cli.interrupt import interruptible

__all__ = ["calibrate", "train", "weights"]

PATH = click.Path(path_type=Path)
overrides_argument = click.argument("overrides", nargs=-1, metavar="[key=value ...]")


@click.command()
@click.argument("config", type=PATH)
@overrides_argument
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint.")
@interruptible("The last checkpoint, if there is one, is kept; continue with --resume.")
def train(config: Path, overrides: tuple[str, ...], resume: bool) -> None:
    """Train a model from a configuration.

    Example: medsr train configs/mr-head.yaml data.root=FOLDER trainer.steps=2000
    """
    from medsr.commands.train import run

    path = run(config, overrides, resume=resume)
    click.echo(f"weights: {path}")


@click.command()
@click.argument("config", type=PATH)
@overrides_argument
@click.option("--card", type=PATH, required=True, help="Model card (NAME.json) to update.")
@interruptible("The model card is as it was.")
def calibrate(config: Path, overrides: tuple[str, ...], card: Path) -> None:
    """Calibrate a model's intervals on the held-out subjects of a configuration.

    Prints, for each subject, the coverage of a 90 % interval that was fitted on the others, and
    writes the intervals and the statistics of the training scans into the model card.

    Example: medsr calibrate configs/mr-head.yaml data.root=FOLDER --card runs/mr-head/mr-head.json
    """
    from medsr.commands.calibrate import run

    run(config, overrides, card, click.echo)
    click.echo(f"card: {card}")


@click.command()
@click.argument("folder", type=PATH)
@overrides_argument
@click.option("--dry-run", is_flag=True, help="List the stages and their state, and stop.")
@interruptible("What is finished and the last checkpoint are kept; run the same command again.")
def weights(folder: Path, overrides: tuple[str, ...], dry_run: bool) -> None:
    """Run every training stage of a folder, in order.

    Finished stages are skipped, and a training that was interrupted continues from its last
    checkpoint.

    Example: medsr weights configs/mr-head data.root=FOLDER
    """
    from medsr.commands.weights import plan, run

    if dry_run:
        for line in plan(folder, overrides):
            click.echo(line)
        return
    path = run(folder, overrides, lambda line: click.echo(line, err=True))
    click.echo(f"weights: {path}")

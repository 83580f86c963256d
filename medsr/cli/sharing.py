"""Command line of `medsr export-bundle` and `medsr export-hub`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from medsr.cli.interrupt import interruptible
from medsr.cli.machine import json_option, say_json

__all__ = ["export_bundle", "export_hub"]

F = TypeVar("F", bound=Callable[..., Any])


def _arguments(function: F) -> F:
    """What both commands take."""
    decorators = (
        click.argument("model", metavar="MODEL"),
        click.argument("folder", metavar="OUT", type=click.Path(path_type=Path)),
        click.option(
            "--authors",
            metavar="NAMES",
            help="Who made the model. Required for a model that does not come with medsr.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace an earlier export."),
        json_option("the names of the files"),
        interruptible("Nothing was written."),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


@click.command("export-bundle")
@_arguments
def export_bundle(
    model: str, folder: Path, authors: str | None, overwrite: bool, as_json: bool
) -> None:
    """Write a model as a MONAI bundle.

    MODEL is a bundled model, or the path of a .safetensors file. `python -m monai.bundle run` on
    the bundle gives the results of `medsr enhance`; medsr must be installed there.

    Example: medsr export-bundle mr-head head_mr_super_resolution
    """
    from medsr.commands.export import export_bundle as run

    files = run(model, folder, authors, overwrite=overwrite)
    use = (
        f"cd {folder}; python -m monai.bundle run --config_file configs/inference.json "
        "--dataset_dir FOLDER --output_dir OUT"
    )
    _say(folder, files, use, as_json=as_json)


@click.command("export-hub")
@_arguments
def export_hub(
    model: str, folder: Path, authors: str | None, overwrite: bool, as_json: bool
) -> None:
    """Write a model as the folder that a model hub expects.

    MODEL is a bundled model, or the path of a .safetensors file. The folder contains the weights
    (model.safetensors), the model card (config.json), a README and the licence. `--model OUT`
    and `Enhancer.from_pretrained("OUT")` read it back.

    Example: medsr export-hub mr-head my-models/mr-head
    """
    from medsr.commands.export import export_hub as run

    files = run(model, folder, authors, overwrite=overwrite)
    use = f"medsr enhance SCAN.nii.gz -o enhanced.nii.gz --model {folder}"
    _say(folder, files, use, as_json=as_json)


def _say(folder: Path, files: Sequence[str], use: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"folder": str(folder), "files": list(files)})
    else:
        click.echo(f"written: {folder}\ntry it: {use}")

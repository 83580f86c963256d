"""The command line: option parsing, exit codes and error messages.

Heavy rooms are imported inside each command, so that `medsr --help` answers at once.
Results go to stdout, progress and remarks to stderr.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from medsr.cli.batch import batch
from medsr.cli.degrade import degrade
from medsr.cli.enhance import enhance
from medsr.cli.entry import EXIT_CODES, enter
from medsr.cli.evaluate import evaluate
from medsr.cli.info import info, models
from medsr.cli.interrupt import interruptible
from medsr.cli.listen import listen
from medsr.cli.machine import say_json
from medsr.cli.schema import completion, schema
from medsr.cli.sharing import export_bundle, export_hub
from medsr.cli.training import calibrate, train, weights
from medsr.version import __version__

__all__ = ["app", "main"]

COMMANDS = (
    *(degrade, info, models, listen, batch, enhance, evaluate, train, calibrate, weights),
    *(export_bundle, export_hub, schema, completion),
)


class _Commands(click.Group):
    """Ctrl+C ends every command alike; click itself would say Aborted and exit with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        with interruptible(""):
            return super().invoke(ctx)


@click.group(cls=_Commands, epilog=EXIT_CODES, invoke_without_command=True, no_args_is_help=True)
@click.option("--version", is_flag=True, help="Print the version, and stop.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="With --version: also libraries and processor, as JSON.",
)
@click.pass_context
def app(ctx: click.Context, version: bool, as_json: bool) -> None:
    """Super-resolution of MR and CT scans with a conditional diffusion model."""
    if version and as_json:
        from medsr.commands.version import run

        say_json(run())
        ctx.exit()
    if version:
        click.echo(f"medsr, version {__version__}")
        ctx.exit()
    if as_json:
        raise click.UsageError("--json stands after the command: medsr COMMAND ... --json.")
    if ctx.invoked_subcommand is None:
        raise click.UsageError("Missing command.")


for _command in COMMANDS:
    app.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of `medsr`."""
    enter(app, "medsr", arguments)

"""The command line: option parsing, exit codes and error messages.

Heavy rooms are imported inside each command, so that `medsr --help` answers at once.
Results go to stdout, progress and remarks to stderr.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import click

from medsr.cli.batch import batch
from medsr.cli.degrade import degrade
from medsr.cli.enhance import enhance
from medsr.cli.evaluate import evaluate
from medsr.cli.info import info, models
from medsr.cli.interrupt import interruptible
from medsr.cli.listen import listen
from medsr.cli.machine import error_line, say_json
from medsr.cli.schema import completion, schema
from medsr.cli.sharing import export_bundle, export_hub
from medsr.cli.training import calibrate, train, weights
from medsr.errors import MedsrError, MedsrWarning
from medsr.version import __version__

__all__ = ["app", "main"]

EPILOG = (
    "Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 input missing or unreadable, "
    "4 input refused, 5 output not writable, 8 partly done (batch, evaluate), 130 stopped by "
    "Ctrl+C. Research use only, not for diagnosis."
)

COMMANDS = (
    *(degrade, info, models, listen, batch, enhance, evaluate, train, calibrate, weights),
    *(export_bundle, export_hub, schema, completion),
)


class _Commands(click.Group):
    """Ctrl+C ends every command alike; click itself would say Aborted and exit with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        with interruptible(""):
            return super().invoke(ctx)


@click.group(cls=_Commands, epilog=EPILOG, invoke_without_command=True, no_args_is_help=True)
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


def main(arguments: Sequence[str] | None = None) -> Any:
    """The entry point: runs one command and turns an error into words and an exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MedsrWarning)  # commands print their remarks themselves
        if "--json" in words:
            sys.exit(_run_for_a_program(words))
        try:
            app.main(words, prog_name="medsr", standalone_mode=True)
        except MedsrError as fault:
            click.echo(f"medsr: {fault}", err=True)
            sys.exit(fault.exit_code)


def _run_for_a_program(words: list[str]) -> int:
    """Run one command; an error is a line of JSON. Returns the exit code."""
    try:
        code = app.main(words, prog_name="medsr", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (MedsrError, click.ClickException) as fault:
        click.echo(error_line(fault), err=True)
        return fault.exit_code
    except Exception as fault:
        traceback.print_exc()
        click.echo(error_line(fault), err=True)
        return 1

"""How a program starts and ends: the one place that catches."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from medsr.cli.machine import error_line
from medsr.errors import MedsrError, MedsrWarning
from medsr.processors import settle_process

__all__ = ["EXIT_CODES", "enter"]

#: The end of a help text.
EXIT_CODES = (
    "Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 input missing or unreadable, "
    "4 input refused, 5 output not writable, 8 partly done (batch, evaluate), 130 stopped by "
    "Ctrl+C. Research use only, not for diagnosis."
)


def enter(command: click.Command, name: str, arguments: Sequence[str] | None) -> NoReturn:
    """Run a command and exit; an error becomes words, or a line of JSON, and an exit code.

    Args:
        command: to run.
        name: of the program.
        arguments: the words after it; those of this process by default.
    """
    if arguments is None:  # the process is this command
        settle_process()
    words = sys.argv[1:] if arguments is None else list(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MedsrWarning)  # commands print their remarks themselves
        if "--json" in words:
            sys.exit(_run_for_a_program(command, name, words))
        try:
            command.main(words, prog_name=name, standalone_mode=True)
        except MedsrError as fault:
            click.echo(f"{name}: {fault}", err=True)
            sys.exit(fault.exit_code)


def _run_for_a_program(command: click.Command, name: str, words: list[str]) -> int:
    """Run one command; an error is a line of JSON. Returns the exit code."""
    try:
        code = command.main(words, prog_name=name, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (MedsrError, click.ClickException) as fault:
        click.echo(error_line(fault), err=True)
        return fault.exit_code
    except Exception as fault:
        traceback.print_exc()
        click.echo(error_line(fault), err=True)
        return 1

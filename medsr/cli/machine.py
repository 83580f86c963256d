"""What a program reads: results and errors as JSON.

With `--json`, standard output has one JSON document, the result, and nothing else. An error is a
JSON object on the last line of standard error. `medsr schema` prints the schema of each.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from medsr.errors import MedsrError

__all__ = ["error_line", "json_option", "say_json"]

F = TypeVar("F", bound=Callable[..., Any])


def json_option(what: str) -> Callable[[F], F]:
    """The option `--json` of a command, the parameter `as_json`.

    Args:
        what: is printed as JSON.
    """
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def say_json(facts: Any) -> None:
    """Print a result."""
    click.echo(json.dumps(facts, indent=2))


def error_line(fault: Exception) -> str:
    """One line of JSON for the end of standard error; see `medsr schema error`.

    Example:
        >>> from medsr.errors import InputError
        >>> error_line(InputError("scan.nii: there is no such file."))
        '{"error": {"kind": "InputError", "exit_code": 3, "message": "scan.nii: there is ...
    """
    if isinstance(fault, MedsrError):
        kind, code, message = type(fault).__name__, fault.exit_code, str(fault)
    elif isinstance(fault, click.ClickException):
        kind, code, message = "UsageError", fault.exit_code, fault.format_message()
    else:
        kind, code, message = "InternalError", 1, f"{type(fault).__name__}: {fault}"
    return json.dumps({"error": {"kind": kind, "exit_code": code, "message": message}})

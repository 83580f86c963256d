"""Checks that optional packages are installed, and names what to install."""

from __future__ import annotations

import importlib.util

from medsr.errors import UsageError

__all__ = ["need"]


def need(module: str, extra: str, what: str) -> None:
    """Make sure of an optional package before any work is done.

    Args:
        module: to be imported, for example "pytorch_lightning".
        extra: of medsr that installs it, for example "train".
        what: needs it, for example "medsr train".

    Raises:
        UsageError: the package is not installed.
    """
    if importlib.util.find_spec(module) is None:
        package = module.replace("_", "-")
        raise UsageError(f"{what} needs {package}: pip install 'medsr[{extra}]'.")

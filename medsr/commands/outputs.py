"""Text files that a command writes, whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from medsr.errors import OutputError

__all__ = ["write_text"]


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text beside its place, then move it there.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as fault:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(
            f"{path.name}: cannot be written ({fault.strerror or 'unknown reason'}). "
            "Choose a folder that exists, is yours and has room."
        ) from None

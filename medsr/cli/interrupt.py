"""Ctrl+C ends a command with one line and exit code 130, as a shell expects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from medsr.errors import Interrupted

__all__ = ["interruptible"]


@contextmanager
def interruptible(words: str) -> Iterator[None]:
    """Turn a Ctrl+C within a block into a sentence.

    Args:
        words: what is kept, and how to go on.

    Raises:
        Interrupted: there was one.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"Stopped. {words}".strip()) from None

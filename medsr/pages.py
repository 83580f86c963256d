"""YAML settings files, checked key by key, with faults as sentences."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medsr.errors import InputError, UsageError

__all__ = ["Page", "fault_words", "load_page", "read_yaml"]

#: Files that may extend one another, at most.
MAX_EXTENDS = 8

#: A page of settings is shorter than this, and its brackets are not as deep.
MAX_PAGE_BYTES, MAX_DEPTH = 1024**2, 50


class Page(BaseModel):
    """Settings that are checked, frozen, and all known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_page(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of a file and of those that it extends, unchecked.

    Args:
        path: YAML file; `extends: FILE` in it is relative to its folder.
        overrides: words `key.inner=value`; the value is read as YAML.

    Raises:
        InputError: a file is missing or is not YAML.
        UsageError: files extend one another in a circle, or an override is not a setting.
    """
    pages = [read_yaml(path)]
    while "extends" in pages[-1]:
        path = path.parent / str(pages[-1].pop("extends"))
        pages.append(read_yaml(path))
        if len(pages) > MAX_EXTENDS:
            raise UsageError(f"{path.name}: extends other files in an endless loop.")
    raw: dict[str, Any] = {}
    for page in reversed(pages):
        raw = _merged(raw, page)
    for word in overrides:
        _override(raw, word)
    return raw


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML page of `key: value` lines, perhaps empty; the only reader of such files.

    Raises:
        InputError: the file is missing, or is not such a page.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_PAGE_BYTES + 1).decode("utf-8-sig")
    except OSError as fault:
        raise InputError(f"{path.name}: cannot be read ({fault.strerror}).") from None
    except UnicodeDecodeError:
        raise InputError(f"{path.name}: is not valid YAML: its text is not UTF-8.") from None
    if len(text) > MAX_PAGE_BYTES or _depth(text) > MAX_DEPTH:
        raise InputError(f"{path.name}: is too large or too deeply nested for a configuration.")
    try:
        raw = yaml.safe_load(text) if text.strip() else {}
    except Exception:  # PyYAML raises whatever a wrong date, tag or number leads to
        raise InputError(f"{path.name}: is not valid YAML.") from None
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise InputError(f"{path.name}: expected `key: value` lines (a YAML mapping).")
    return raw


def _depth(text: str) -> int:
    """How deep brackets are nested; PyYAML needs time with the square of it."""
    steps = ((char in "[{") - (char in "]}") for char in text)
    return max(itertools.accumulate(steps), default=0)


def _merged(page: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`page` with the values of `over`; groups are merged, lists are replaced."""
    merged = dict(page)
    for key, value in over.items():
        old = page.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _override(raw: dict[str, Any], word: str) -> None:
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise UsageError(
            f"'{word}': a setting is given as key=value, for example trainer.steps=9."
        )
    *outer, last = key.split(".")
    for part in outer:
        raw = raw.setdefault(part, {})
        if not isinstance(raw, dict):
            raise UsageError(f"'{word}': {part} has a value, and is not a group of settings.")
    try:
        raw[last] = yaml.safe_load(value)
    except Exception:  # as in `read_yaml`
        raise UsageError(f"'{word}': the value is not valid YAML.") from None


def fault_words(fault: ValidationError, page: Any) -> str:
    """The first fault, as a sentence; unknown keys first, for they explain missing ones.

    Args:
        fault: of a validation.
        page: the pydantic model that was validated.
    """
    first = min(fault.errors(), key=lambda e: e["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        legal = _legal_keys(where[:-1], page)
        nearest = difflib.get_close_matches(where[-1], legal, n=1, cutoff=0.0)
        hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
        return f"unknown setting '{'.'.join(where)}'.{hint}"
    words = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"setting '{'.'.join(where)}': {words}."


def _legal_keys(outer: Iterable[str], page: Any) -> list[str]:
    for part in outer:
        if part.isdigit():
            continue
        fields = {f.alias or name: f for name, f in page.model_fields.items()}
        kind = fields[part].annotation
        page = next((a for a in getattr(kind, "__args__", ()) if hasattr(a, "model_fields")), kind)
    return [f.alias or name for name, f in page.model_fields.items()]

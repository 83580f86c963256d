"""`medsr schema`: the JSON Schema of all JSON that medsr prints or writes. No torch here.

The schemas are the files of `schemas/`; the options of an enhancement are added from `Options`.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from medsr.errors import UsageError
from medsr.restore.choices import NUMBERS, Setting
from medsr.restore.options import settings_of

__all__ = ["names", "run"]

FOLDER = Path(__file__).with_name("schemas")


def names() -> dict[str, str]:
    """Name of each schema -> what it describes."""
    return {path.stem: _load(path)["title"] for path in sorted(FOLDER.glob("*.json"))}


def run(name: str) -> dict[str, Any]:
    """A schema, with all that it refers to in its `$defs`.

    Raises:
        UsageError: there is none of this name.

    Example:
        >>> run("error")["title"]
        'An error of any command with --json: the last line of standard error'
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)[0]
        raise UsageError(f"There is no schema '{name}'. Did you mean '{near}'?")
    schema, needed = _schema(name), dict[str, Any]()
    todo = _references(schema)
    while todo:
        other = todo.pop()
        if other not in needed:
            needed[other] = _schema(other)
            todo |= _references(needed[other])
    return {**schema, "$defs": needed} if needed else schema


def _schema(name: str) -> dict[str, Any]:
    """The file of one schema, with the options of an enhancement in their place."""
    schema = _load(FOLDER / f"{name}.json")
    settings = schema.get("properties", {}).get("Settings")
    if settings is not None:
        known = {name: _option(s, field.default) for name, (field, s) in settings_of().items()}
        settings |= {"properties": known, "additionalProperties": False}
    return schema


def _references(page: Any) -> set[str]:
    """Names of the schemas that one refers to."""
    if isinstance(page, list):
        return {name for one in page for name in _references(one)}
    if not isinstance(page, dict):
        return set()
    own = {str(page["$ref"]).removeprefix("#/$defs/")} if "$ref" in page else set[str]()
    return own | _references(list(page.values()))


def _load(path: Path) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return page


def _option(setting: Setting, default: Any) -> dict[str, Any]:
    """The schema of one option of an enhancement."""
    words: dict[str, Any] = {"description": setting.help}
    if setting.choices is not None:
        legal = [choice.value for choice in setting.choices]
        return {**words, "enum": [*legal, None] if default is None else legal}
    if isinstance(default, bool):
        return {**words, "type": "boolean"}
    kinds = {"N": "integer", "K": "integer", **dict.fromkeys(NUMBERS, "number")}
    kind = kinds.get(setting.metavar, "string")
    limits = {
        "minimum": setting.least,
        "exclusiveMinimum": setting.above,
        "maximum": setting.most,
    }
    given = {key: value for key, value in limits.items() if value is not None}
    return {**words, "type": [kind, "null"] if default is None else kind, **given}

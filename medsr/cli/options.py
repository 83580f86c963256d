"""Command-line options of an enhancement, made from the fields of `Options`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import click

from medsr.restore.choices import NUMBERS, Group, Setting
from medsr.restore.options import Options, options_from, settings_of

__all__ = [
    "DEVICE_HELP",
    "GroupedCommand",
    "WholeNumber",
    "enhancement_options",
    "given_options",
    "group",
    "spread",
]

#: What `--device` accepts.
DEVICE_HELP = "Where the network runs: auto, cpu, cuda[:N] or mps."

F = TypeVar("F", bound=Callable[..., Any])

#: Headings of the help besides those of `Group`, in the order in which they are shown.
RUNNING = "Running"
ORDER = (Group.TARGET, Group.RESULT, Group.SCAN, Group.OUTPUT, RUNNING)


class WholeNumber(click.IntRange):
    """A whole number in a range that the help does not print."""

    def _describe_range(self) -> str:
        return ""


class GroupedCommand(click.Command):
    """A command whose help shows its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, grouped."""
        found: dict[str, list[tuple[str, str]]] = {str(name): [] for name in ORDER}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument):
                continue
            record = parameter.get_help_record(ctx)
            if record is not None:
                found[str(getattr(parameter, "group", RUNNING))].append(record)
        for name, rows in found.items():
            if rows:
                with formatter.section(name):
                    formatter.write_dl(rows)


class _GroupedOption(click.Option):
    """An option with a heading in the help."""

    def __init__(self, *words: Any, group: str = RUNNING, **settings: Any) -> None:
        super().__init__(*words, **settings)
        self.group = group


def group(name: str, *words: str, **settings: Any) -> Callable[[F], F]:
    """`click.option` under a heading of the help."""
    return click.option(*words, cls=_GroupedOption, group=name, **settings)


def spread(words: Sequence[str], options: Collection[str]) -> list[str]:
    """The words of a command, where some options take all words up to the next option.

    >>> spread(["--names", "a", "b", "--all"], {"--names"})
    ['--names', 'a', '--names', 'b', '--all']
    """
    found, option, held = list[str](), "", 0
    for word in words:
        held = 0 if word.startswith("-") else held + 1
        option = option if held else word
        found += [option] if held > 1 and option in options else []
        found.append(word)
    return found


def enhancement_options(*left_out: str) -> Callable[[F], F]:
    """A decorator that adds an option for every field of `Options` except those named."""

    def add(function: F) -> F:
        for name, (field, setting) in reversed(settings_of().items()):
            if name not in left_out:
                function = _as_option(name, field.default, setting)(function)
        return function

    return add


def given_options(words: Mapping[str, Any]) -> Options:
    """The `Options` among the parameters of a command; what was not given keeps its default.

    Raises:
        UsageError: values that contradict each other.
    """
    known = settings_of()
    return options_from(
        {name: value for name, value in words.items() if name in known and value is not None}
    )


def _as_option(name: str, default: Any, setting: Setting) -> Callable[[F], F]:
    flag = setting.flag or f"--{name.replace('_', '-')}"
    return group(setting.group, flag, name, help=setting.help, **_kind(name, default, setting))


def _kind(name: str, default: Any, setting: Setting) -> dict[str, Any]:
    """Type, default and metavar of an option, as click takes them."""
    if isinstance(default, bool):
        return {"is_flag": True}
    if setting.choices is not None:
        shown = default.value if isinstance(default, enum.Enum) else None
        words = [str(choice.value).lower() for choice in setting.choices]
        kind = click.Choice(words, case_sensitive=False)
        return {"type": kind, "default": shown, "show_default": shown is not None}
    if setting.metavar in {"N", "K"}:
        least = None if setting.least is None else int(setting.least)
        most = None if setting.most is None else int(setting.most)
        return {
            "type": WholeNumber(least, most),
            "default": default,
            "metavar": setting.metavar,
        }
    plain = float if setting.metavar in NUMBERS else str
    return {"type": plain, "metavar": setting.metavar}

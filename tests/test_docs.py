"""README and docs: links lead somewhere, commands exist, and the language is plain."""

import re
import shlex
from pathlib import Path

import click
import pytest

from benchmarks.__main__ import names
from medsr.cli.bids import bids
from medsr.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "ARCHITECTURE.md", "AGENTS.md")),
    *(p for p in sorted((ROOT / "docs").rglob("*.md")) if "generated" not in p.parts),
]
CONTEXT = click.Context(app)

#: What nobody would say to a colleague; the laboratory diary may quote it.
DIALECT = (
    "who never trained",
    "leeway",
    "knows no ",
    "is told ",
    "was told ",
    "held to the scan",
    "first look",
    "that of now",
    "is said to be",
)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def text_of(page):
    return page.read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """The anchors that a Markdown page has: its headings, lower case, with hyphens."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def links(text):
    """Link targets inside the repository; a target may break over a line."""
    found = re.findall(r"\]\(\s*([^)\s]+)\s*\)", without_code(text))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def commands(text):
    """The `medsr ...` calls in code blocks and in code spans, as lists of words."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"^(?: {4}.+\n?)+", without_code(text), flags=re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", without_code(text))
    calls = [*lines, *(" ".join(span.split()) for span in spans)]
    return [
        shlex.split(call, comments=True)
        for call in (call.strip() for call in calls)
        if re.match(
            r"(medsr [a-z]|medsr-bids [A-Z]|(OMP_NUM_THREADS=1 )?python -m benchmarks )", call
        )
    ]


def options_of(command):
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)}


@pages
def test_every_link_leads_somewhere(page):
    for target in links(text_of(page)):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target}: there is no such file"
        if anchor and place.suffix == ".md":
            assert anchor in anchors(text_of(place)), f"{target}: there is no such heading"


@pages
def test_every_command_and_option_exists(page):
    if page.name == "CHANGELOG.md":
        return  # tells of commands that were
    for words in commands(text_of(page)):
        if words[0] == "medsr-bids":
            given = {word.split("=")[0] for word in words[1:] if word.startswith("--")}
            assert given - {"--help"} <= options_of(bids), " ".join(words)
        elif words[0] == "medsr":
            command = app.get_command(CONTEXT, words[1])
            assert command is not None, f"medsr {words[1]}"
            given = {word.split("=")[0] for word in words[2:] if word.startswith("--")}
            assert given - {"--help"} <= options_of(command), " ".join(words)
        else:
            name = words[words.index("benchmarks") + 1]
            known = (*names(), "DRAWER.NAME")
            assert name in known or f"{name}.figures" in known, name


@pages
def test_the_language_is_plain(page):
    if "development" in page.relative_to(ROOT).parts:
        return
    prose = re.sub(r"`[^`]+`", "", without_code(text_of(page)))  # old names may be code
    text = " ".join(prose.split())
    assert [words for words in DIALECT if words in text] == []


def test_the_index_leads_to_every_page():
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / target).resolve() for target in links(text_of(index))}
    assert {page for page in PAGES if page.parent != ROOT} - reached == {index}


def test_the_reference_names_every_command_and_exit_code():
    from medsr import errors

    page = text_of(ROOT / "docs" / "reference" / "command-line.md")
    assert [name for name in app.commands if f"medsr {name}" not in page] == []
    options = {name for name in options_of(app.commands["enhance"]) if name.startswith("--")}
    missing = {name for name in options - {"--help"} if f"`{name}`" not in page}
    assert missing - {"--output"} == set()
    codes = text_of(ROOT / "docs" / "reference" / "exit-codes.md")
    for kind in (errors.UsageError, errors.InputError, errors.Refused, errors.OutputError):
        row = next(line for line in codes.splitlines() if f"`{kind.__name__}`" in line)
        assert row.startswith(f"| {kind.exit_code} |")


def test_the_readme_can_be_read_in_a_minute():
    text = text_of(ROOT / "README.md")
    assert len(text.split()) < 650
    assert (ROOT / "docs" / "images" / "before-after.png").stat().st_size < 300_000


def test_the_checks_can_fail():
    text = "[a](b.md#c)\n\n```\nmedsr nothing --x\n```\n\n`python -m benchmarks none`\n"
    assert links(text) == ["b.md#c"]
    assert commands(text) == [
        ["medsr", "nothing", "--x"],
        ["python", "-m", "benchmarks", "none"],
    ]
    assert app.get_command(CONTEXT, "nothing") is None
    assert anchors("## What's new, here?\n") == {"whats-new-here"}

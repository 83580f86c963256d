"""Tables in documentation pages: each benchmark writes its own marked region.

A region lies between two comments, which no reader sees::

    <!-- begin: dicom.conformance -->
    | series | ...
    <!-- end -->

Everything outside the region belongs to the author of the page.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["DOCS", "read_region", "write_region"]

#: The folder of the documentation.
DOCS = Path(__file__).parents[1] / "docs"

_END = "<!-- end -->"


def _split(page: Path, name: str) -> tuple[str, str, str]:
    """(everything up to the region, the region, everything after it)."""
    begin = f"<!-- begin: {name} -->"
    before, mark, rest = page.read_text(encoding="utf-8").partition(begin)
    inside, end, after = rest.partition(_END)
    if not mark or not end or "<!-- begin:" in inside:
        raise ValueError(f"{page.name}: no region between '{begin}' and '{_END}'.")
    return before + mark, inside.strip("\n"), end + after


def read_region(page: Path, name: str) -> str:
    """The text of a region, without the blank lines around it.

    Args:
        page: Markdown file.
        name: of the region, by rule the benchmark's: DRAWER.NAME, and a word if it has several.

    Raises:
        ValueError: the page has no such region.
    """
    return _split(page, name)[1]


def write_region(page: Path, name: str, text: str) -> None:
    """Replace the text of a region; the rest of the page stays as it is.

    Args:
        page: Markdown file.
        name: of the region.
        text: Markdown.

    Raises:
        ValueError: the page has no such region.
    """
    before, _, after = _split(page, name)
    body = text.strip("\n")
    page.write_text(f"{before}\n\n{body}\n\n{after}", encoding="utf-8")

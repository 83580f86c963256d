"""Pages that read well in the repository become pages of the site.

The Markdown of `docs/` has no directives of Sphinx. This extension adds what the site needs:

- the sidebar, from the headings and the lists of links of `docs/index.md`;
- pages for the Markdown files at the top of the repository (`PAGES`);
- links to those pages and to the executed examples instead of to the files;
- the explanation of each field of `medsr.Options`, which the command line shows, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst

from medsr.restore.options import settings_of

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
GENERATED = DOCS / "generated"

#: Files outside of docs/ -> their pages on the site.
PAGES = {
    ROOT / name: GENERATED / "repository" / page
    for name, page in {
        "AGENTS.md": "agents.md",
        "ARCHITECTURE.md": "architecture.md",
        "CHANGELOG.md": "changelog.md",
        "CONTRIBUTING.md": "contributing.md",
        "SECURITY.md": "security.md",
        "sample_data/README.md": "sample-data.md",
    }.items()
}

#: A link of Markdown that is not an address: the brackets before it, its target, its anchor.
LINK = re.compile(r"(\]\(\s*)(?![a-z]+:|#)([^)\s#]+)")


def page_of(path: Path) -> Path:
    """The page of the site that shows a file of the repository; the file itself if none does."""
    if path.parent == DOCS / "examples" and path.suffix == ".py":
        return GENERATED / "gallery" / f"{path.stem}.rst"
    if path == DOCS / "examples":
        return GENERATED / "gallery" / "index.rst"
    return PAGES.get(path, path)


def relinked(text: str, origin: Path, page: Path) -> str:
    """Markdown with links that lead from its page to other pages.

    Args:
        text: the Markdown.
        origin: the file that it was written in; its links are relative to it.
        page: where it is built from.
    """

    def link(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(origin.parent / match[2]))
        return match[1] + Path(os.path.relpath(page_of(target), page.parent)).as_posix()

    return LINK.sub(link, text)


def sections(index: str) -> Iterator[tuple[str, list[str]]]:
    """The headings of the index, each with the pages that the list below it links to.

    Args:
        index: Markdown whose links are those of the site.
    """
    for block in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition(":")
        pages = [Path(match[2]).with_suffix("") for match in LINK.finditer(rest)]
        gallery = Path("generated/gallery/index")  # brings its examples along
        yield title, [p.as_posix() for p in pages if p.parent != gallery.parent or p == gallery]


def toctree(title: str, pages: list[str]) -> str:
    """A part of the sidebar."""
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""])


def on_source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give a page its links; the index also gets the sidebar."""
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md" or GENERATED in page.parents:
        return
    source[0] = relinked(source[0], page, page)
    if docname == "index":
        source[0] += "".join(toctree(*section) for section in sections(source[0]))


def on_builder_inited(app: Sphinx) -> None:
    """Write the pages of the files at the top of the repository."""
    for origin, page in PAGES.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(relinked(origin.read_text("utf-8"), origin, page), "utf-8")


def on_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Explain the fields of `Options`."""
    if name == "medsr.Options":
        words = {field: setting.help for field, (_, setting) in settings_of().items()}
        explained = [f":param {name}: {text}".replace("*", r"\*") for name, text in words.items()]
        lines[2:2] = [*explained, ""]


class InOrder:
    """The order of the examples: that of the links in the index."""

    def __init__(self, folder: str) -> None:
        self.index = (DOCS / "index.md").read_text("utf-8")

    def __call__(self, name: str) -> int:
        """Where the index names an example."""
        return self.index.index(f"examples/{name}")


def figure_of_an_example(
    block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]
) -> str:
    """A scraper of sphinx-gallery for the figure of `medsr.compare`, which pyplot does not know.

    The figure must be called `figure`.
    """
    figure = block_vars["example_globals"].get("figure")
    if not isinstance(figure, Figure) or hasattr(figure, "number") or hasattr(figure, "shown"):
        return ""
    figure.shown = True
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=100)
    return figure_rst([path], gallery_conf["src_dir"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts to Sphinx."""
    app.connect("source-read", on_source_read)
    app.connect("builder-inited", on_builder_inited)
    app.connect("autodoc-process-docstring", on_docstring)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

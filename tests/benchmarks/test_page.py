"""Benchmarks write into their own region of a page, and nowhere else."""

import re

import pytest

from benchmarks.page import DOCS, read_region, write_region

PAGE = """# Title

Before.

<!-- begin: speed.first -->

| old |

<!-- end -->

Between.

<!-- begin: speed.second -->
kept
<!-- end -->

After.
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_only_the_named_region_changes(page):
    write_region(page, "speed.first", "| new |\n|---|\n")
    assert read_region(page, "speed.first") == "| new |\n|---|"
    assert page.read_text(encoding="utf-8") == PAGE.replace("| old |", "| new |\n|---|")


def test_writing_what_is_there_changes_nothing(page):
    write_region(page, "speed.first", read_region(page, "speed.first"))
    assert page.read_text(encoding="utf-8") == PAGE


@pytest.mark.parametrize("fault", ["<!-- end -->", "<!-- begin: speed.first -->"])
def test_a_page_without_both_marks_is_left_alone(page, fault):
    broken = PAGE.replace(fault, "", 1)
    page.write_text(broken, encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md: no region"):
        write_region(page, "speed.first", "new")
    assert page.read_text(encoding="utf-8") == broken


def test_every_region_of_the_docs_belongs_to_a_benchmark_and_is_closed():
    from benchmarks.__main__ import names

    found = 0
    for path in DOCS.rglob("*.md"):
        for name in re.findall(r"<!-- begin: (.*?) -->", path.read_text(encoding="utf-8")):
            found += 1
            assert name.split()[0] in names(), f"{path.name}: {name}"
            assert read_region(path, name).lstrip().startswith(("|", "**")), f"{path.name}: {name}"
    assert found >= 8

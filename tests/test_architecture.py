"""The map of rooms, read from ARCHITECTURE.md, against every import of the package."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "medsr").rglob("*.py"))


def rooms():
    """Room -> (place, outside packages allowed), from the table of ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)(?:\.py|/)` \|[^|]*\| ([^|]*) \|$", text, flags=re.MULTILINE)
    return {
        name: (place, {word.strip(" `") for word in allowed.split(",")})
        for place, (name, allowed) in enumerate(rows)
    }


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_map(path):
    import sys

    table = rooms()
    inside = path.relative_to(ROOT / "medsr").with_suffix("").parts
    if inside in {("__init__",), ("__main__",)}:
        return
    place, allowed = table[inside[0]]
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "medsr":
            other = rest[0] if rest else "version"
            assert table[other][0] <= place, f"{path.name} imports {name}, a room below its own"
        elif top not in sys.stdlib_module_names:
            assert top in allowed, f"{path.name} imports {top}, not allowed in {inside[0]}"


def test_the_map_names_every_room():
    names = {p.stem if p.is_file() else p.name for p in (ROOT / "medsr").iterdir()}
    names -= {"__init__", "__main__", "__pycache__", "weights", "py"}
    assert {n for n in names if not n.startswith(".")} <= set(rooms()) | {"py"}


def test_no_assert_and_no_pickle_in_the_package():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        nodes = ast.walk(ast.parse(text))
        assert not any(isinstance(node, ast.Assert) for node in nodes), path
        assert "import pickle" not in text
        assert "torch.load(" not in text

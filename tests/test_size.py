"""A reader's limits: files, functions and signatures that fit into a head."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "medsr").rglob("*.py"))

#: Lines of a file, lines of a function, parameters of a public function.
MOST_LINES, MOST_OF_A_FUNCTION, MOST_PARAMETERS = 300, 60, 8


def functions(path):
    """Every function of a file, with those of classes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_functions_and_signatures_are_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    for node in functions(path):
        assert node.end_lineno - node.lineno < MOST_OF_A_FUNCTION, node.name
        is_command = "cli" in path.relative_to(ROOT / "medsr").parts
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        names = [a.arg for a in arguments if a.arg not in {"self", "cls"}]
        if not node.name.startswith("_") and not is_command:
            assert len(names) <= MOST_PARAMETERS, (node.name, names)

"""The documentation site: its examples and its sidebar, without building it."""

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

import medsr

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))

#: What an example may import from: `import medsr` and the modules of reference/python.md.
PUBLIC = {"medsr", "medsr.batch", "medsr.errors", "medsr.remarks", "medsr.report"}
PUBLIC |= {"medsr.transforms"}

examples = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=path.name)


def is_public(module, name=None):
    """Whether an example may import a module, or a name of one."""
    if not (module in PUBLIC or module.startswith("medsr.metrics.")):
        return False
    return name is None or name in importlib.import_module(module).__all__


def private_imports(tree):
    """The imports from medsr that are not public."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(node.module, alias.name) for alias in node.names]
        else:
            continue
        for module, name in found:
            if module.split(".")[0] == "medsr" and not is_public(module, name):
                yield module if name is None else f"{module}.{name}"


def private_uses(tree):
    """Names such as `medsr.x` or `medsr.batch.x` that are not public."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        words = ast.unparse(node).split(".")
        if words == ["medsr", words[-1]]:
            if words[1] not in medsr.__all__ and f"medsr.{words[1]}" not in PUBLIC:
                yield ".".join(words)
        elif words[:2] == ["medsr", "batch"] and not is_public("medsr.batch", words[2]):
            yield ".".join(words)


def titles_and_code(text):
    """What sphinx-gallery needs of an example: a title in its docstring, and cells."""
    return re.match(r'"""\n(.+)\n=+\n', text), text.count("\n# %%\n")


@examples
def test_an_example_compiles_and_has_a_title_and_cells(path):
    text = path.read_text(encoding="utf-8")
    compile(text, path.name, "exec")
    title, cells = titles_and_code(text)
    assert title is not None
    assert cells >= 4


@examples
def test_an_example_uses_public_names_only(path):
    tree = tree_of(path)
    assert list(private_imports(tree)) == []
    assert list(private_uses(tree)) == []


@examples
def test_an_example_reads_the_sample_data_and_writes_elsewhere(path):
    text = path.read_text(encoding="utf-8")
    for place in re.findall(r'"(\.\./\.\./[^"]*)"', text):
        assert (path.parent / place).exists(), place
        assert place.startswith("../../sample_data")
    if any(verb in text for verb in (".save(", "nibabel.save", "write_text", "subprocess")):
        assert "tempfile.mkdtemp()" in text


def test_every_example_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert {p.name for p in EXAMPLES} == set(re.findall(r"examples/(\w+\.py)", index))


def test_every_module_of_the_reference_can_be_imported():
    text = (ROOT / "docs" / "reference" / "api.rst").read_text(encoding="utf-8")
    names = re.findall(r"^   (medsr\.[\w.]+)$", text, flags=re.MULTILINE)
    for name in names:
        module, _, last = name.rpartition(".")
        if module == "medsr" and last in medsr.__all__:
            continue
        assert importlib.util.find_spec(name) is not None, name
    assert {f"medsr.{name}" for name in medsr.__all__} - set(names) == {"medsr.__version__"}


def test_the_checks_can_fail():
    tree = ast.parse(
        "import medsr, medsr.volume.volume\n"
        "from medsr.transforms import VolumeReader, _on_grid\n"
        "medsr.read, medsr.nothing, medsr.batch.run, medsr.batch.engine\n"
    )
    assert list(private_imports(tree)) == ["medsr.volume.volume", "medsr.transforms._on_grid"]
    assert sorted(private_uses(tree)) == ["medsr.batch.engine", "medsr.nothing"]
    assert titles_and_code("print(1)\n") == (None, 0)

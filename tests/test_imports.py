"""Every module of the core can be imported: without the extras, and on macOS and Windows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "medsr"

#: Modules of the standard library that some systems lack.
NOT_EVERYWHERE = {"fcntl", "grp", "msvcrt", "pwd", "resource", "syslog", "termios", "winreg"}

#: Rooms, or parts of them, that may need an extra, and its module.
NEEDS_EXTRA = {
    "medsr.training.module": "pytorch_lightning",
    "medsr.training.run": "pytorch_lightning",
    "medsr.training.card": "pytorch_lightning",
    "medsr.node.receive": "pynetdicom",
    "medsr.node.forward": "pynetdicom",
    "medsr.node.serve": "pynetdicom",
    "medsr.volume.dicom.write.multi_frame": "highdicom",
}
EXTRAS = ("pytorch_lightning", "tensorboard", "dask_jobqueue", "pynetdicom", "highdicom", "einops")

PROGRAM = """
import importlib, sys
for name in {absent!r}:
    sys.modules[name] = None
for name in {names!r}:
    importlib.import_module(name)
"""


def modules():
    paths = (p.relative_to(PACKAGE.parent).with_suffix("") for p in PACKAGE.rglob("*.py"))
    names = sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)
    return [name for name in names if name != "medsr.__main__"]


def needs_extra(name):
    extra = NEEDS_EXTRA.get(name)
    return extra is not None or name.startswith("medsr.node.")


def test_the_core_can_be_imported_without_the_extras():
    names = [name for name in modules() if not needs_extra(name)]
    assert len(names) > 100
    program = PROGRAM.format(absent=EXTRAS, names=names)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def at_import(tree):
    """The statements that run when a module is imported, but for `try`, which may recover."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If | ast.With):
            todo += node.body


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_no_module_needs_one_system(path):
    for node in at_import(ast.parse(path.read_text(encoding="utf-8"))):
        found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        assert not NOT_EVERYWHERE & {name.split(".")[0] for name in found}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_no_module_calls_what_windows_lacks(path):
    """psutil knows the memory and the processes on every system; `hasattr` asks for the rest."""
    text = path.read_text(encoding="utf-8")
    for name in ("sysconf", "fork", "getuid", "geteuid", "killpg", "sched_getaffinity"):
        assert f"os.{name}(" not in text or f'hasattr(os, "{name}")' in text, name

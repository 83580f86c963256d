"""`python -m benchmarks` leads to every benchmark, and each can be imported."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import names

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", names())
def test_every_benchmark_imports_and_explains_itself(name):
    pytest.importorskip("pytorch_lightning")
    module = importlib.import_module(f"benchmarks.{name}")
    assert callable(module.main)
    assert f"python -m benchmarks {name}" in module.__doc__


@pytest.mark.parametrize(("words", "code"), [([], 0), (["quality.nothing"], 2)])
def test_without_a_known_name_all_are_listed(words, code):
    call = [sys.executable, "-m", "benchmarks", *words]
    run = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == code
    assert [name for name in names() if name not in run.stdout] == []

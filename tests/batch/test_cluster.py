"""Batch systems: the page of settings, and a queue that runs its jobs at once."""

import os
import stat
import sys
from pathlib import Path

import pytest

import medsr.batch
from medsr.batch.cluster import QueueConfig, load_queue_config, queued, threads_each
from medsr.errors import InputError, UsageError
from tests.batch.studies import make_plan, nifti_study, small_model, stub_restore

ROOT = Path(__file__).parents[2]

#: Stands for SLURM: runs the job script at once, and kills it on scancel.
SBATCH = """#!/bin/sh
cp "$1" {job}
setsid sh {job} > /dev/null 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -- "-$1" 2> /dev/null; exit 0
"""


def test_the_page_of_settings(tmp_path):
    page = tmp_path / "slurm.yaml"
    page.write_text("cores: 8\nmemory: 32GB\nqueue: gpu\ndirectives: ['--gres=gpu:1']\n")
    wanted = QueueConfig(cores=8, memory="32GB", queue="gpu", directives=("--gres=gpu:1",))
    assert load_queue_config(page) == wanted
    page.write_text("")
    assert load_queue_config(page) == QueueConfig()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memori: 3GB", "Did you mean 'memory'"),
        ("cores: many", "whole number"),
        ("walltime: 3600", "quotation marks"),
        ("directives: one", "list of lines"),
        ("- a\n- b", "expected `key: value` lines"),
    ],
)
def test_what_is_wrong_with_it(tmp_path, text, words):
    page = tmp_path / "slurm.yaml"
    page.write_text(text)
    with pytest.raises((UsageError, InputError), match=words):
        load_queue_config(page)


def test_threads_are_divided():
    cores = threads_each(1)
    assert threads_each(cores) == 1
    assert threads_each(10 * cores) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for SLURM needs setsid")
def test_a_batch_through_a_queue(tmp_path, monkeypatch):
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(text.format(job=tmp_path / "job.sh"))
        script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    source, model = nifti_study(tmp_path / "in", 3), small_model(tmp_path / "model")
    plan = make_plan(source, tmp_path / "out", model=model)
    config = QueueConfig(cores=1, memory="2GB", interface="lo")
    with queued("slurm", 1, config) as client:
        results = medsr.batch.run(plan, client, restore=stub_restore)
    assert "#SBATCH --mem=2G" in (tmp_path / "job.sh").read_text()
    assert results.counts == {"done": 3}


@pytest.mark.parametrize(
    "text", [b"cores: 2020-99-99", b"a: !!timestamp x", b"a: \xff", b"[" * 3000]
)
def test_a_page_that_is_no_yaml_is_refused_in_words(tmp_path, text):
    (tmp_path / "page.yaml").write_bytes(text)
    with pytest.raises(InputError, match=r"page\.yaml: "):
        load_queue_config(tmp_path / "page.yaml")

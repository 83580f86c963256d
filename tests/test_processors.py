"""Processors that a process may use, and the settings of medsr's own processes."""

import os
import subprocess
import sys

import pytest

from medsr import processors as module
from medsr.processors import processors, settle_process, worker_environment

SET = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "GLIBC_TUNABLES", *module.MEMORY)


@pytest.fixture
def unset(monkeypatch):
    for name in SET:
        monkeypatch.setenv(name, "")  # so that it is taken back afterwards, however it ends
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/a/b", {"a/cpu.max": "250000 100000"}, 3),  # the group above is limited
        ("0::/a/b", {"a/cpu.max": "max 100000"}, 8),
        ("0::/a", {"a/cpu.max": "50000 100000"}, 1),
        ("2:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "200000"}, 2),
        ("2:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "-1"}, 8),
        ("2:cpuset:/a", {"cpu/a/cpu.cfs_quota_us": "200000"}, 8),
    ],
)
def test_a_containers_limit_counts(tmp_path, monkeypatch, line, files, expected):
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(module, "GROUPS", tmp_path / "fs")
    for name, text in {"cpu/a/cpu.cfs_period_us": "100000", **files}.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "groups").write_text(line + "\n")
    assert processors(tmp_path / "groups") == expected


def test_without_control_groups_the_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert processors(tmp_path / "none") == 2


def test_waiting_threads_of_a_command_soon_sleep(unset):
    settle_process()
    assert int(os.environ["GOMP_SPINCOUNT"]) < 300_000


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_what_the_user_has_set_stays(unset, monkeypatch, name):
    monkeypatch.setenv(name, "active")
    settle_process()
    assert {n: os.environ[n] for n in module.WAITING if n in os.environ} == {name: "active"}


def test_a_worker_is_told_the_same(unset):
    found = worker_environment(3)
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["GOMP_SPINCOUNT"] == str(module.SPINS)
    assert int(found["MALLOC_MMAP_THRESHOLD_"]) <= 32 << 20  # more than that glibc ignores


def test_importing_medsr_leaves_the_process_as_it_is():
    program = (
        "import os; before = dict(os.environ); import medsr, medsr.restore.enhancer, "
        "medsr.cli.main; assert dict(os.environ) == before"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)

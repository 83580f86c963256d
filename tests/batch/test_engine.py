"""Dask: workers that die or starve, workers started by hand, two runs at once."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import medsr.batch
from medsr.batch.cluster import joined, local
from medsr.batch.job import End
from medsr.errors import UsageError
from tests.batch import faulty
from tests.batch.studies import make_plan, nifti_study, small_model, stub_restore
from tests.batch.test_kill import contents
from tests.command_line import call

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(tmp_path):
    """Of six small scans."""
    source = nifti_study(tmp_path / "in", 6)
    return make_plan(source, tmp_path / "out", model=small_model(tmp_path / "model"))


def unbroken(plan, tmp_path):
    """The outputs of a run in which nothing happened."""
    model = plan.job.models["MR"].name
    other = make_plan(plan.job.root, tmp_path / "unbroken", model=model)
    medsr.batch.run(other, restore=stub_restore)
    return contents(tmp_path / "unbroken")


def test_a_worker_that_dies_is_replaced_and_its_scan_tried_again(plan, tmp_path):
    with local(2) as client:
        for environment in client.run(lambda: dict(os.environ)).values():
            # Dask's own 65536 slows torch by half.
            assert int(environment["MALLOC_TRIM_THRESHOLD_"]) >= 1 << 27
        results = medsr.batch.run(plan, client, restore=faulty.deadly_once)
    assert (tmp_path / "killed").exists()
    assert results.counts == {"done": 6}
    assert contents(tmp_path / "out") == unbroken(plan, tmp_path)
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_scan_that_kills_three_workers_is_set_aside_and_no_other(plan, tmp_path):
    with local(1) as client:
        results = medsr.batch.run(plan, client, restore=faulty.deadly)
    assert results.counts == {End.SET_ASIDE: 1, "done": 5}
    assert len((tmp_path / "deaths").read_text().split()) == 3
    assert results.rows[0].scan.startswith("scan00")
    assert "3 workers ended" in results.rows[0].reason
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_scan_that_passes_the_memory_limit_is_set_aside(plan, tmp_path):
    with local(1, memory_limit="900MB") as client:
        results = medsr.batch.run(plan, client, restore=faulty.hungry)
    assert results.counts == {End.SET_ASIDE: 1, "done": 5}
    assert "more memory than a worker has" in results.rows[0].reason


def _second_run(source, out, model):
    plan = make_plan(source, out, model=model)
    medsr.batch.run(plan, restore=faulty.counted)


def test_two_runs_at_once_do_no_scan_twice(tmp_path):
    source = nifti_study(tmp_path / "in", 24)
    model = small_model(tmp_path / "model")
    words = (source, tmp_path / "out", model)
    other = multiprocessing.get_context("spawn").Process(target=_second_run, args=words)
    other.start()
    while not (tmp_path / "restored").exists() and other.is_alive():
        time.sleep(0.01)
    _second_run(*words)
    other.join()
    assert other.exitcode == 0
    restored = (tmp_path / "restored").read_text().split()
    assert sorted(restored) == [f"scan{k:02d}.nii.gz" for k in range(24)]
    assert not make_plan(source, tmp_path / "out", model=model).todo


def _started(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + words[0], *map(str, words[1:])],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_workers_started_by_hand_do_a_real_batch(tmp_path):
    """Scheduler and two workers on loopback, the real restoration with a tiny model."""
    source, out = nifti_study(tmp_path / "in", 4), tmp_path / "out"
    model = small_model(tmp_path / "model")
    page = tmp_path / "scheduler.json"
    place = ["--host", "127.0.0.1", "--no-dashboard"]
    started = [
        _started("dask_scheduler", *place, "--port", 0, "--scheduler-file", page, "--no-show")
    ]
    try:
        worker = ["--scheduler-file", page, *place, "--nthreads", 1, "--local-directory", tmp_path]
        started += [_started("dask_worker", *worker) for _ in range(2)]
        address = _address(page)
        with joined(address) as client:
            client.wait_for_workers(2, timeout=200)
        assert call("batch", source, out, "--model", model, "--scheduler", address) == 0
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()
    assert not make_plan(source, out, model=model).todo


def _address(page):
    import json

    until = time.monotonic() + 120
    while time.monotonic() < until:
        if page.exists() and page.stat().st_size:
            return json.loads(page.read_text())["address"]
        time.sleep(0.1)
    raise TimeoutError("the scheduler did not start")


def test_no_scheduler_is_said_in_words(monkeypatch):
    monkeypatch.setattr("medsr.batch.cluster.PATIENCE_S", 1)
    with (
        pytest.raises(UsageError, match="no Dask scheduler responds"),
        joined("tcp://127.0.0.1:9"),
    ):
        pass

"""`medsr batch`: enhance every scan of a folder, on this machine or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.batch import plan as planning
from medsr.batch.cluster import (
    QUEUES,
    QueueConfig,
    joined,
    load_queue_config,
    local,
    queued,
    threads_each,
)
from medsr.batch.engine import Tell, run
from medsr.batch.job import Means
from medsr.batch.plan import Plan, Selection
from medsr.batch.summary import Results, summary_names
from medsr.batch.worker import tidy
from medsr.errors import UsageError
from medsr.restore.options import Options

__all__ = ["Request", "cores_of", "make_plan", "pages_of", "run_plan", "workers_of"]

#: Processes that read headers; more do not help a disk.
MOST_READERS = 4


@dataclass(frozen=True)
class Request:
    """One call of `medsr batch`; `cpus` limits the cores that are used on this machine."""

    source: Path
    out: Path
    options: Options
    selection: Selection
    device: str = "auto"
    cpus: int | None = None
    workers: int | None = None
    scheduler: str | None = None
    cluster: str | None = None
    cluster_config: Path | None = None
    overwrite: bool = False
    report: bool = False
    stop_on_first_error: bool = False

    def __post_init__(self) -> None:
        if self.scheduler and (self.cluster or self.workers):
            raise UsageError(
                "A Dask scheduler has its own workers: leave out --workers and --cluster "
                "with --scheduler."
            )
        if self.cluster_config and not self.cluster:
            raise UsageError(f"--cluster-config needs --cluster ({', '.join(QUEUES)}).")
        if self.selection.parts > 1 and (self.scheduler or self.cluster):
            raise UsageError(
                "--num-parts is for job arrays, where each part is a separate job; leave "
                "out --scheduler and --cluster."
            )


def workers_of(request: Request) -> int:
    """How many workers there will be, as far as this command decides it."""
    return request.workers or 1


def cores_of(request: Request) -> int | None:
    """CPU cores that will work; None where a running Dask cluster decides."""
    if request.scheduler:
        return None
    if request.cluster:
        return workers_of(request) * _queue_config(request).cores
    return threads_each(1, request.cpus)


def _queue_config(request: Request) -> QueueConfig:
    page = request.cluster_config
    return load_queue_config(page) if page else QueueConfig()


def make_plan(request: Request) -> Plan:
    """Find the scans and decide what becomes of each.

    Raises:
        MedsrError: see `medsr.batch.make_plan`.
    """
    on_this_machine = not (request.scheduler or request.cluster)
    return planning.make_plan(
        request.source,
        request.out,
        options=request.options,
        selection=request.selection,
        means=Means(
            device=request.device,
            threads=threads_each(workers_of(request), request.cpus) if on_this_machine else 0,
            overwrite=request.overwrite,
            report=request.report,
            readers=min(MOST_READERS, os.cpu_count() or 1),
        ),
    )


def run_plan(made: Plan, request: Request, tell: Tell | None) -> Results:
    """Carry out a plan where the request says.

    Raises:
        UsageError: no scheduler answers.
        OutputError: the output folder cannot be written.
    """
    try:
        with _client(request, enough=bool(made.todo)) as client:
            return run(made, client, tell=tell, stop_on_first_error=request.stop_on_first_error)
    except KeyboardInterrupt:
        tidy(made.job)  # only now have the workers on this machine ended
        raise


def pages_of(made: Plan, out: Path) -> list[Path]:
    """The summary pages that a plan leaves in its output folder, which is called `out`."""
    return [out / f"{name}.html" for name in summary_names(made)]


@contextmanager
def _client(request: Request, *, enough: bool) -> Iterator[Any]:
    """The Dask client, or None where this process does the work: a part, or nothing to do."""
    in_here = request.selection.parts > 1 and workers_of(request) == 1
    if in_here or not enough:
        yield None
        return
    if request.scheduler:
        client = joined(request.scheduler)
    elif request.cluster:
        client = queued(request.cluster, workers_of(request), _queue_config(request))
    else:
        workers = workers_of(request)
        client = local(workers, threads=threads_each(workers, request.cpus))
    with client as ready:
        yield ready

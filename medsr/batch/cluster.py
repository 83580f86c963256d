"""Dask clients for this machine, a running cluster or a batch queue."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from medsr.batch.interrupts import deaf_children
from medsr.errors import UsageError
from medsr.extras import need
from medsr.pages import read_yaml
from medsr.processors import processors, worker_environment

__all__ = ["QUEUES", "QueueConfig", "joined", "load_queue_config", "local", "queued"]

#: Batch system -> class of dask-jobqueue.
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster"}

#: How long to wait for a running scheduler, s.
PATIENCE_S = 30


@dataclass(frozen=True)
class QueueConfig:
    """One worker of a batch system; the page of `--cluster-config`.

    Attributes:
        cores: processor cores of a worker.
        memory: of a worker, for example "16GB".
        walltime: of a job, for example "08:00:00".
        queue: or partition.
        account: that pays.
        interface: network interface on which workers reach this machine.
        directives: further lines for the head of the job script.
        prologue: shell lines that run before the worker, for example to load a module.
        python: the interpreter on the nodes; this one's path by default.
    """

    cores: int = 4
    memory: str = "16GB"
    walltime: str | None = None
    queue: str | None = None
    account: str | None = None
    interface: str | None = None
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    python: str | None = None


def load_queue_config(path: Path) -> QueueConfig:
    """Read the page of settings of a batch system.

    Raises:
        InputError: missing, or not YAML.
        UsageError: an unknown setting (the nearest is named) or a value of another kind.
    """
    raw = read_yaml(path)
    legal = [field.name for field in fields(QueueConfig)]
    for key in raw:
        if key not in legal:
            near = difflib.get_close_matches(str(key), legal, n=1, cutoff=0.0)[0]
            raise UsageError(f"{path.name}: unknown setting '{key}'. Did you mean '{near}'?")
    return _checked(raw, path.name)


def _checked(raw: Mapping[str, Any], name: str) -> QueueConfig:
    values = dict(raw)
    for key in ("directives", "prologue"):
        lines = values.get(key, [])
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise UsageError(f"{name}: '{key}' must be a list of lines.")
        values[key] = tuple(lines)
    if not isinstance(values.get("cores", 1), int) or values.get("cores", 1) < 1:
        raise UsageError(f"{name}: 'cores' must be a whole number of at least 1.")
    for key in ("memory", "walltime", "queue", "account", "interface", "python"):
        if not isinstance(values.get(key, ""), str):
            raise UsageError(f"{name}: '{key}' must be text; put it in quotation marks.")
    return QueueConfig(**values)


def threads_each(workers: int, most: int | None = None) -> int:
    """CPU threads of each of several workers on this machine, which share its cores.

    Args:
        workers: how many.
        most: cores that they may use; all by default.
    """
    cores = processors()
    return max(1, min(cores, most or cores) // workers)


@contextmanager
def local(
    workers: int, memory_limit: str = "auto", *, threads: int | None = None
) -> Iterator[Any]:
    """Worker processes on this machine; a worker that passes its memory limit is replaced.

    Args:
        workers: how many.
        memory_limit: of each, for example "4GiB"; "auto" divides the machine's memory.
        threads: CPU threads of each; by default its share of the cores.
    """
    import dask
    from distributed import Client, LocalCluster

    # In place of Dask's, with which memory goes back to the system at once
    # (docs/development/scale.md); what is set in this process stays.
    environment = worker_environment(threads or threads_each(workers))
    with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
        with deaf_children():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=memory_limit,
                processes=True,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL + 1,
            )
        with cluster, Client(cluster) as client:
            yield client


def _exports(threads: int) -> list[str]:
    """The settings of a worker as lines of a job script."""
    return [f"export {name}={value}" for name, value in worker_environment(threads).items()]


@contextmanager
def joined(address: str) -> Iterator[Any]:
    """A running Dask cluster, whose workers must see the same folders and have medsr.

    Raises:
        UsageError: nothing answers there.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError):
        raise UsageError(
            f"--scheduler {address}: no Dask scheduler responds at this address. Start "
            "one with `dask scheduler` and workers with `dask worker ADDRESS`."
        ) from None
    with client:
        yield client


@contextmanager
def queued(system: str, workers: int, config: QueueConfig) -> Iterator[Any]:
    """Workers as jobs of a batch system, through dask-jobqueue.

    Args:
        system: a key of QUEUES.
        workers: jobs to submit, one worker each.
        config: of a worker.

    Raises:
        UsageError: dask-jobqueue is not installed.
    """
    need("dask_jobqueue", "cluster", f"--cluster {system}")
    import dask_jobqueue
    from distributed import Client

    make = getattr(dask_jobqueue, QUEUES[system])
    with (
        make(
            cores=config.cores,
            memory=config.memory,
            processes=1,
            walltime=config.walltime,
            queue=config.queue,
            account=config.account,
            interface=config.interface,
            job_extra_directives=list(config.directives),
            job_script_prologue=[*_exports(config.cores), *config.prologue],
            python=config.python,
            scheduler_options={"dashboard_address": ":0"},
        ) as cluster,
    ):
        cluster.scale(jobs=workers)
        with Client(cluster) as client:
            yield client

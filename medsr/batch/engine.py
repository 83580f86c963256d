"""Runs a plan in this process or on the workers of a Dask client, then writes the summary.

No scheduler of our own: Dask finds workers, replaces those that die and asks again for the scans
that they lost. Each worker is given one scan at a time, so that a worker that dies takes no
waiting scan with it. How often a scan may lose its worker is counted in its claims (`work.TRIES`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from importlib import import_module
from typing import Any

from medsr.batch.job import End, Item, Job, Outcome, Restore
from medsr.batch.plan import Plan
from medsr.batch.summary import Results, results_of, write_summary
from medsr.batch.worker import process, tidy

__all__ = ["run"]

#: How long to wait before looking for workers that have joined meanwhile, s.
LOOK_S = 2.0

Tell = Callable[[Item, Outcome], None]
Ends = Generator[Outcome, None, None]


def run(
    plan: Plan,
    client: Any = None,
    *,
    restore: Restore | None = None,
    tell: Tell | None = None,
    stop_on_first_error: bool = False,
) -> Results:
    """Carry out a plan and write its summary.

    Args:
        plan: from `medsr.batch.plan`.
        client: a `distributed.Client` whose workers see both folders; None for this process.
        restore: what enhances a volume, in place of the plan's models; importable on the workers.
        tell: called in this process for each scan that has ended.
        stop_on_first_error: begin no further scan after one has failed.

    Returns:
        The outcome of every scan of the plan. Faults of single scans are included, not raised.

    Raises:
        OutputError: the output folder cannot be written.
    """
    means = restore or _with_models()
    job, todo = plan.job, plan.todo
    items = {item.key: item for item in todo}
    outcomes: dict[str, Outcome] = {}
    tidy(job)
    ends = _here(todo, job, means) if client is None else _on_workers(client, todo, job, means)
    try:
        for outcome in ends:
            outcomes[outcome.key] = outcome
            if tell is not None:
                tell(items[outcome.key], outcome)
            if stop_on_first_error and outcome.end in (End.FAILED, End.SET_ASIDE):
                break
    finally:
        ends.close()
        for item in todo:
            outcomes.setdefault(
                item.key, Outcome(item.key, End.NOT_REACHED, "the batch was stopped.")
            )
        results = results_of(plan, outcomes)
        write_summary(results, plan)
        tidy(job)
    return results


def _with_models() -> Restore:
    from medsr.batch.worker import restore_scan  # brings torch: only where a model is used

    return restore_scan


def _here(items: Iterable[Item], job: Job, restore: Restore) -> Ends:
    for item in items:
        yield process(item, job, restore)


def _on_workers(client: Any, items: Sequence[Item], job: Job, restore: Restore) -> Ends:
    """One scan a worker at a time, as many as there are workers now.

    The largest scans come first: a large one at the end would leave the other workers idle.
    """
    from distributed import wait

    waiting = iter(sorted(items, key=lambda item: -item.fine_voxels))
    under_way: dict[Any, Item] = {}
    most = 0
    try:
        while True:
            most = _keep_workers(client, most)
            free = max(1, len(client.nthreads())) - len(under_way)
            for _, item in zip(range(free), waiting, strict=False):
                future = client.submit(process, item, job, restore, key=_name(job, item))
                under_way[future] = item
            if not under_way:
                return
            import_module("medsr.report.batch_page")  # for the summary, while workers are busy
            try:
                with client.as_current():
                    ended = wait(list(under_way), LOOK_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                continue
            for future in ended:
                yield _outcome(future, under_way.pop(future))
    finally:
        client.cancel(list(under_way))


def _keep_workers(client: Any, most: int) -> int:
    """The most workers seen; where the cluster is ours, those that are lost are asked for again.

    A worker that dies is replaced by its nanny, but not one that dies while its nanny still
    starts it, nor a queue's job whose time is over.
    """
    now = len(client.nthreads())
    if now < most and client.cluster is not None:
        client.cluster.scale(most)
    return max(now, most)


def _name(job: Job, item: Item) -> str:
    return f"medsr-{job.run[:8]}-{item.key}"


def _outcome(future: Any, item: Item) -> Outcome:
    """The answer of a worker, or why there is none."""
    from distributed import KilledWorker

    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    if future.status == "error":
        fault = future.exception()
        if isinstance(fault, KilledWorker):
            return Outcome(item.key, End.SET_ASIDE, _KILLED)
        return Outcome(
            item.key, End.FAILED, f"the worker process failed ({type(fault).__name__})."
        )
    return Outcome(
        item.key,
        End.FAILED,
        "the connection to the Dask scheduler was lost; run the command again.",
    )


_KILLED = (
    "several workers ended while they processed this scan, probably because it needs "
    "more memory than a worker has. Use fewer --workers, or a machine with more memory."
)

"""One scan through the model: loaded once in each worker process."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import lru_cache

import torch

from medsr.batch.item import Job, Restored
from medsr.errors import Refused
from medsr.restore.enhancer import Enhancer, modality_of
from medsr.restore.record import facts_of, result_facts
from medsr.volume.volume import Modality, Volume

__all__ = ["restore_scan"]

#: Two enhancements at once in one process would fight for its threads.
_ONE_AT_A_TIME = threading.Lock()


def restore_scan(volume: Volume, job: Job) -> Restored:
    """Enhance one scan with the model of its modality.

    Args:
        volume: the scan [X, Y, Z].
        job: models, options, device, threads.

    Raises:
        Refused: there is nothing to do, or no model for the modality.
        InputError: the model is damaged.
    """
    said: Modality | None = {"MR": "MR", "CT": "CT"}.get(job.modality)  # type: ignore[assignment]
    modality, remark = modality_of(volume, volume.modality or said)
    if modality not in job.models:
        have = " and ".join(sorted(job.models))
        raise Refused(f"{volume.name}: is {modality}, and the model is for {have}.")
    volume = replace(volume, modality=modality, unit="HU" if modality == "CT" else volume.unit)
    model = job.models[modality]
    with _ONE_AT_A_TIME:
        _set_threads(job.threads)
        enhancer = _enhancer(model.name, job.device)
        plan = enhancer.plan(volume, job.options)
        enhanced = enhancer.run(plan, job.options)
    facts = facts_of(enhancer, plan, job.options, model_digest=model.digest, input_digest="")
    facts |= result_facts(plan, enhanced)
    facts["Remarks"] = [r for r in (remark, *facts["Remarks"]) if r]
    return Restored(enhanced.volume, enhanced.spread, facts)


@lru_cache(maxsize=2)
def _enhancer(name: str, device: str) -> Enhancer:
    return Enhancer.from_pretrained(name, device=device)


def _set_threads(threads: int) -> None:
    """The share of the processor that this worker was given."""
    wanted = threads or _threads_of_dask_worker()
    if wanted and torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


def _threads_of_dask_worker() -> int:
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return 0

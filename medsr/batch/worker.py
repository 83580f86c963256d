"""One scan of a batch, in whatever process: claim, look, read, restore, write, give back."""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from medsr.batch.claim import Claim, acquire, beating, claimed_keys, is_mine, release
from medsr.batch.commit import (
    check_room,
    clear_partials,
    hidden_folder,
    write_output,
)
from medsr.batch.job import (
    BUSY,
    DONE,
    DONE_EARLIER,
    FAILED,
    SET_ASIDE,
    Item,
    Job,
    Outcome,
    Restore,
    Restored,
)
from medsr.batch.naming import bids_facts
from medsr.batch.resume import input_files, record_of, state_of
from medsr.errors import InputError, MedsrError, OutputError, Refused
from medsr.restore.enhancer import Enhancer, modality_of
from medsr.restore.record import facts_of, result_facts
from medsr.results.write import Finished
from medsr.volume.dicom.read.series import SourceSeries, read_files, read_source_files
from medsr.volume.nifti import read_nifti
from medsr.volume.sidecar import read_sidecar
from medsr.volume.volume import Modality, Volume

__all__ = ["TRIES", "process", "restore_scan", "tidy"]

#: A scan under which so many workers of one run have died is set aside.
TRIES = 3


def process(item: Item, job: Job, restore: Restore) -> Outcome:
    """Do one scan; every fault becomes an outcome, for the next scan is waiting.

    Args:
        item: the scan.
        job: how.
        restore: what enhances a volume.

    Returns:
        DONE, DONE_EARLIER, BUSY, FAILED or SET_ASIDE, with seconds.
    """
    began = time.monotonic()
    try:
        claim = acquire(hidden_folder(job.out), item.key, job.run, job.claim_age_s)
        if claim is None:
            return Outcome(item.key, BUSY, "another run is doing this scan.")
        try:
            clear_partials(job.out, item.key)
            end, reason = _claimed(item, job, restore, claim)
        finally:
            release(claim)
    except MedsrError as fault:
        end, reason = FAILED, str(fault).removeprefix(f"{item.label}: ")
    except MemoryError:
        end, reason = FAILED, _NO_MEMORY
    except Exception as fault:  # a bug in medsr: this scan fails, the others go on
        end, reason = FAILED, _bug(fault)
    return Outcome(item.key, end, reason, round(time.monotonic() - began, 3))


_NO_MEMORY = "there was not enough memory. Give fewer --workers, or a machine with more memory."


def _claimed(item: Item, job: Job, restore: Restore, claim: Claim) -> tuple[str, str]:
    """The end and the reason of a scan that this process holds."""
    if claim.losses >= TRIES:
        return SET_ASIDE, (
            f"{claim.losses} workers died while they did this scan; probably it needs more "
            "memory than a worker has. Give fewer --workers, or a machine with more memory."
        )
    state = state_of(item, job)
    if state.done:
        return DONE_EARLIER, ""
    if state.foreign:
        raise OutputError(state.reason)
    with beating(claim, job.claim_age_s):
        check_room(item, job)
        files = input_files(item, job)
        facts = record_of(item, job, files)
        volume, source = _read(item, job)
        restored = restore(volume, job)
        if item.modality and restored.facts["Modality"] != item.modality:
            raise InputError("the input changed while medsr worked; give the command again.")
        known = replace(volume, modality=restored.volume.modality, unit=restored.volume.unit)
        finished = Finished(known, restored, _sidecar(item, job, restored, facts), source)
        write_output(item, job, finished, lambda: _check_claim(claim))
    return DONE, state.reason


def _read(item: Item, job: Job) -> tuple[Volume, SourceSeries | None]:
    """The scan, and its headers where a DICOM series is to derive from them."""
    paths = item.paths(job.root)
    if item.form != "dicom":
        return read_nifti(paths[0]), None
    source = read_source_files(paths, item.label) if item.format == "dicom" else None
    return read_files(paths, item.label), source


def _sidecar(
    item: Item, job: Job, restored: Restored, facts: dict[str, object]
) -> dict[str, object]:
    """The record of a scan; it holds no time, so that the same work gives the same bytes."""
    record = {**restored.facts, **facts}
    if job.bids:
        source = item.paths(Path())[0]
        record |= bids_facts(
            source.as_posix(),
            restored.facts["OutputSpacing"],
            skull_stripped=read_sidecar(job.root / source).get("SkullStripped") is True,
        )
    return record


def _check_claim(claim: Claim) -> None:
    if not is_mine(claim):
        raise OutputError(
            "this process was not heard of for so long that another run took the scan over."
        )


def _bug(fault: Exception) -> str:
    """Kind and place of a bug, without its words, which may hold what a header says."""
    place = traceback.extract_tb(fault.__traceback__)[-1]
    return (
        f"a bug in medsr ({type(fault).__name__} at {Path(place.filename).name}:{place.lineno}); "
        "please report it."
    )


def tidy(job: Job) -> None:
    """Remove what dead runs left behind: void claims, unfinished files, the empty folder.

    Raises:
        OutputError: the output folder cannot be written.
    """
    folder = hidden_folder(job.out)
    for key in sorted(claimed_keys(folder)):
        claim = acquire(folder, key, job.run, job.claim_age_s)
        if claim is not None:
            clear_partials(job.out, key)
            release(claim)
    with suppress(OSError):  # not there, or another run is at work
        folder.rmdir()


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

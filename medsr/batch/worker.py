"""Processes one scan of a batch: claim, check, read, enhance, write, release the claim."""

from __future__ import annotations

import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from medsr.batch.adapting import adapted_to_protocol
from medsr.batch.claim import Claim, acquire, beating, claimed_keys, is_mine, release
from medsr.batch.commit import check_room, clear_partials, hidden_folder, write_output
from medsr.batch.job import End, Item, Job, Outcome, Restore
from medsr.batch.naming import bids_facts, page_path, thumbnail_path
from medsr.batch.resume import listing_digest, state_of
from medsr.errors import (
    InputError,
    MedsrError,
    MedsrWarning,
    NotAnatomy,
    NothingToDo,
    NotOriginal,
    OutputError,
    Refused,
    SeveralVolumes,
)
from medsr.network.device import use_threads
from medsr.remarks import Remark
from medsr.restore.choices import Format
from medsr.restore.enhancer import Enhanced, Models
from medsr.results.target import Target, in_the_other_format, used_sources, with_context
from medsr.volume.anatomy import check_is_anatomy
from medsr.volume.formats import Scan, open_scan
from medsr.volume.recognise import with_modality
from medsr.volume.sidecar import read_settings
from medsr.volume.volume import Volume

__all__ = ["TRIES", "process", "restore_scan", "tidy"]

#: A scan under which so many workers of one run have died is set aside.
TRIES = 3


#: Faults of a scan that is not for medsr, which nobody has to mend.
SKIPPED = (NotAnatomy, NotOriginal, NothingToDo, SeveralVolumes)


def process(item: Item, job: Job, restore: Restore) -> Outcome:
    """Do one scan; every fault becomes an outcome, for the next scan is waiting.

    Args:
        item: the scan.
        job: how.
        restore: what enhances a volume.

    Returns:
        DONE, DONE_EARLIER, SKIPPED, BUSY, FAILED or SET_ASIDE, with seconds.
    """
    began = time.monotonic()
    remarks: tuple[Remark, ...] = ()
    try:
        claim = acquire(hidden_folder(job.out), item.key, job.run, job.means.claim_age_s)
        if claim is None:
            return Outcome(item.key, End.BUSY, "another run is processing this scan.")
        try:
            clear_partials(job.out, item.key)
            end, reason, remarks = _claimed(item, job, restore, claim)
        finally:
            release(claim)
    except SKIPPED as fault:  # seen only with its voxels
        end, reason = End.SKIPPED, _without_label(fault, item)
    except MedsrError as fault:
        end, reason = End.FAILED, _without_label(fault, item)
    except MemoryError:
        end, reason = End.FAILED, _NO_MEMORY
    except Exception as fault:  # a bug in medsr: this scan fails, the others go on
        end, reason = End.FAILED, _bug(fault)
    return Outcome(item.key, end, reason, round(time.monotonic() - began, 3), remarks)


def _without_label(fault: MedsrError, item: Item) -> str:
    return str(fault).removeprefix(f"{item.label}: ")


_NO_MEMORY = "there was not enough memory. Give fewer --workers, or a machine with more memory."


def _claimed(
    item: Item, job: Job, restore: Restore, claim: Claim
) -> tuple[End, str, tuple[Remark, ...]]:
    """The end, the reason and the remarks of a scan that this process holds."""
    if claim.losses >= TRIES:
        words = (
            f"{claim.losses} workers ended while they processed this scan, probably "
            "because it needs more memory than a worker has. Use fewer --workers, or a "
            "machine with more memory."
        )
        return End.SET_ASIDE, words, ()
    state = state_of(item, job)
    if state.done:
        return End.DONE_EARLIER, "", ()
    if state.foreign:
        raise OutputError(state.reason)
    with beating(claim, job.means.claim_age_s):
        check_room(item, job)
        listing = listing_digest(item, job)
        guides = _guides(item, job)
        with open_scan(item.paths(job.root), name=item.label) as scan:
            check_is_anatomy(scan.volume.kind, item.label)
            volumes = tuple(guide.volume for guide in guides)
            enhanced = restore(scan.volume, replace(job, item=item, guides=volumes))
            if item.modality and enhanced.record.modality != item.modality:
                raise InputError("the input changed during processing; run the command again.")
            target = with_context(_target(item, job, enhanced), scan)
            target = replace(target, further=used_sources(guides, enhanced.record))
            write_output(item, job, target, enhanced, listing, lambda: _check_claim(claim))
    return End.DONE, state.reason, enhanced.remarks


def _guides(item: Item, job: Job) -> list[Scan]:
    """The scan that guides an item, if any."""
    if not item.guide:
        return []
    with open_scan(item.guide_paths(job.root), name=f"guide {item.guide}") as guide:
        return [guide]


def _target(item: Item, job: Job, enhanced: Enhanced) -> Target:
    return Target(
        job.out / item.output,
        item.format,
        multi_frame=job.options.multi_frame and item.format == Format.DICOM,
        page=page_path(job.out, item.key) if job.means.report else None,
        picture=thumbnail_path(job.out, item.key),
        facts=_facts(item, job, enhanced),
        outdated=(page_path(job.out, item.key), *in_the_other_format(job.out / item.output)),
    )


def _facts(item: Item, job: Job, enhanced: Enhanced) -> tuple[tuple[str, Any], ...]:
    """What BIDS asks of the sidecar of a derived image."""
    if not job.bids:
        return ()
    source = item.paths(Path())[0]
    stripped = read_settings(job.root / source).settings.get("SkullStripped") is True
    spacing = list(enhanced.record.output_spacing_mm)
    facts = bids_facts(source.as_posix(), spacing, skull_stripped=stripped)
    if any(guide.used for guide in enhanced.record.guides):
        facts["Sources"] += [f"bids:raw:{p.as_posix()}" for p in item.guide_paths(Path())]
    return tuple(facts.items())


def _check_claim(claim: Claim) -> None:
    if not is_mine(claim):
        raise OutputError(
            "this process did not respond for so long that another run took over the scan."
        )


def _bug(fault: Exception) -> str:
    """Kind and place of a bug, without its words, which may hold what a header says."""
    place = traceback.extract_tb(fault.__traceback__)[-1]
    return (
        f"internal error ({type(fault).__name__} at "
        f"{Path(place.filename).name}:{place.lineno}); please report it."
    )


def tidy(job: Job) -> None:
    """Remove what dead runs left behind: void claims, unfinished files, the empty folder.

    Raises:
        OutputError: the output folder cannot be written.
    """
    folder = hidden_folder(job.out)
    for key in sorted(claimed_keys(folder)):
        claim = acquire(folder, key, job.run, job.means.claim_age_s)
        if claim is not None:
            clear_partials(job.out, key)
            release(claim)
    with suppress(OSError):  # not there, or another run is at work
        folder.rmdir()


#: Two enhancements at once in one process would fight for its threads.
_ONE_AT_A_TIME = Lock()


def restore_scan(volume: Volume, job: Job) -> Enhanced:
    """Enhance one scan with the model of its modality.

    Args:
        volume: the scan [X, Y, Z].
        job: models, options, device, threads.

    Raises:
        Refused: there is nothing to do, or no model for the modality, or it is not known.
        InputError: the model is damaged.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", MedsrWarning)  # the summary says them
        use_threads(job.means.threads or _threads_of_dask_worker())
        volume = with_modality(volume, job.options.modality)
        enhancer = _models(job.means.device).of_scan(volume, job.options)
        if enhancer.card.modality not in job.models:
            have = " and ".join(sorted(job.models))
            raise Refused(
                f"{volume.name}: is {enhancer.card.modality}, and the model is for {have}."
            )
        if job.item is not None:
            enhancer = adapted_to_protocol(enhancer, job.item, job)
        return enhancer.enhance(volume, job.options, guides=job.guides)


@lru_cache(maxsize=1)
def _models(device: str) -> Models:
    return Models(device)


def _threads_of_dask_worker() -> int:
    """The share of the processor that this worker was given; 0 where nobody says."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return 0

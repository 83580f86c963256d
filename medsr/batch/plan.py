"""The plan of a batch: every scan of a folder and what is to become of it, from headers alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medsr.batch.discover import Damaged, DicomFile, Header, NiftiFile, read_headers, walk, wanted
from medsr.batch.job import ENHANCE, REFUSE, Item, Job, Model
from medsr.batch.naming import is_bids, may_enter
from medsr.batch.resume import state_of
from medsr.batch.series import gather
from medsr.batch.triage import Wishes, decide_damaged, decide_nifti, decide_series
from medsr.errors import InputError, UsageError
from medsr.network.bundled import bundled_models, model_path
from medsr.network.checkpoint import load_card, weights_digest
from medsr.network.device import choose_device
from medsr.restore.options import Options

__all__ = ["Plan", "Selection", "plan"]

DEFAULTS = Options()


@dataclass(frozen=True)
class Selection:
    """Which scans of a folder are meant.

    Attributes:
        include, exclude: patterns on relative paths; `*` also crosses folders.
        participants: BIDS labels, with or without "sub-"; empty for all.
        modality: "MR" or "CT" for scans of this modality only; NIfTI files that do not say theirs
            are taken as it. "" for both.
        parts, part: only the scans of part `part` (from 0) of `parts`.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    modality: str = ""
    parts: int = 1
    part: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.part < self.parts:
            raise UsageError(
                f"--part-id must be from 0 to {self.parts - 1} with --num-parts {self.parts}, "
                f"not {self.part}."
            )


EVERYTHING = Selection()


@dataclass(frozen=True)
class Plan:
    """What is to be done: `job` says how, `items` are the scans, in the order of the folder.

    Attributes:
        job: how.
        items: all scans found; a scan to do again says why in `reason`.
        done: the keys of scans that are done already.
        part: which part of how many.
    """

    job: Job
    items: tuple[Item, ...]
    done: frozenset[str]
    part: tuple[int, int] = (0, 1)

    @property
    def todo(self) -> list[Item]:
        """The scans to enhance now."""
        return [i for i in self.items if i.decision == ENHANCE and i.key not in self.done]


def plan(
    folder: str | Path,
    out: str | Path,
    *,
    model: str | None = None,
    options: Options = DEFAULTS,
    selection: Selection = EVERYTHING,
    device: str = "auto",
    threads: int = 0,
    overwrite: bool = False,
    series_as: str = "dicom",
    report: bool = False,
    readers: int = 1,
    claim_age_s: float = 600.0,
) -> Plan:
    """Find every scan of a folder and decide what becomes of it. Reads headers, writes nothing.

    Args:
        folder: a DICOM dump, a BIDS dataset, or loose NIfTI files.
        out: where outputs go; may lie inside `folder`.
        model: a bundled model or the path of a .safetensors file; the bundled model of each
            modality by default.
        options: of every enhancement.
        selection: which scans.
        device: auto, cpu, cuda[:N] or mps, on the workers.
        threads: CPU threads of a worker; 0 for what Dask gave it, or all.
        overwrite: also do what is done already.
        series_as: "dicom" or "nifti", what a DICOM series becomes; all else becomes NIfTI.
        report: also write a page for each scan, linked from the summary page.
        readers: processes that read headers; more than 1 needs the caller's script to be
            importable, as `multiprocessing` asks.
        claim_age_s: after so many seconds without a sign of life the claim of another machine's
            run on a scan is void.

    Raises:
        InputError: no such folder, or no such model.
        UsageError: options that do not make sense.
    """
    job = _job(Path(folder), Path(out), model, options, selection, device, threads, overwrite)
    job = replace(job, report=report, claim_age_s=claim_age_s)
    wishes = Wishes(options, selection.modality, job.models, job.bids, series_as)
    items = [
        item
        for item in _decided(_headers(job, selection, readers), wishes)
        if int(item.key, 16) % selection.parts == selection.part
    ]
    items = _without_clashes(items)
    done: set[str] = set()
    for place, item in enumerate(items):
        if item.decision == ENHANCE:
            state = state_of(item, job)
            if state.done:
                done.add(item.key)
            elif state.reason:
                decision = REFUSE if state.foreign else ENHANCE
                items[place] = replace(item, decision=decision, reason=state.reason)
    return Plan(job, tuple(items), frozenset(done), (selection.part, selection.parts))


def _job(
    root: Path,
    out: Path,
    model: str | None,
    options: Options,
    selection: Selection,
    device: str,
    threads: int,
    overwrite: bool,
) -> Job:
    if not root.is_dir():
        raise InputError(f"{root.name}: there is no such folder.")
    root, out = root.resolve(), out.resolve()
    if out == root or out in root.parents:
        raise UsageError(
            f"{out.name}: the output folder must not be the input folder or hold it. "
            "Choose another."
        )
    bids = is_bids(root)
    if selection.participants and not bids:
        raise UsageError(
            f"{root.name}: --participant-label needs a BIDS dataset (dataset_description.json and "
            "folders sub-*); use --include here."
        )
    choose_device(device)
    return Job(
        root=root,
        out=out,
        bids=bids,
        models=_models(model),
        modality=selection.modality,
        options=options,
        device=device,
        threads=threads,
        overwrite=overwrite,
        run=uuid.uuid4().hex,
    )


def _models(name: str | None) -> dict[str, Model]:
    """The model of each modality.

    Raises:
        InputError: there is none.
    """
    paths = [model_path(name)] if name else list(bundled_models().values())
    found: dict[str, Model] = {}
    for path in paths:
        card = load_card(path.with_suffix(".json"))
        bundled = bundled_models().get(path.stem) == path
        named = path.stem if bundled else str(path.resolve())
        model = Model(named, weights_digest(path), card.settings_digest)
        found.setdefault(card.modality, model)
    if not found:
        raise InputError("There is no bundled model; give one with --model PATH.")
    return found


def _headers(job: Job, selection: Selection, readers: int) -> Iterator[Header]:
    people = frozenset(label.removeprefix("sub-") for label in selection.participants)

    def enter(folder: str) -> bool:
        return not job.bids or may_enter(folder, people)

    paths = (
        path
        for path in walk(job.root, job.out, enter)
        if wanted(path, selection.include, selection.exclude)
        and (not job.bids or path.startswith("sub-"))
    )
    return read_headers(job.root, paths, readers)


def _decided(headers: Iterator[Header], wishes: Wishes) -> Iterator[Item]:
    """NIfTI files at once, DICOM series when all files are known."""
    items: list[Item] = []

    def dicom() -> Iterator[DicomFile | Damaged]:
        for header in headers:
            if isinstance(header, NiftiFile):
                items.append(decide_nifti(header, wishes))
            else:
                yield header

    series, damaged = gather(dicom())
    yield from items
    yield from (decide_damaged(one) for one in damaged)
    yield from (decide_series(one, wishes) for one in series)


def _without_clashes(items: Sequence[Item]) -> list[Item]:
    """Refuse a scan whose output would be another's: `scan.nii` beside `scan.nii.gz`."""
    taken: set[str] = set()
    kept = []
    for item in items:
        if item.decision == ENHANCE and item.output in taken:
            reason = "has the same name as another scan in its folder but for .gz; rename one."
            item = replace(item, decision=REFUSE, reason=reason, output="")
        taken.add(item.output)
        kept.append(item)
    return kept

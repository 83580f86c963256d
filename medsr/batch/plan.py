"""The plan of a batch: every scan of a folder and what to do with it, from headers alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medsr.batch.discover import Header, read_headers, wanted
from medsr.batch.guides import with_guide
from medsr.batch.job import ORDINARY, Decision, Item, Job, Means, Model
from medsr.batch.labels import Labels, labels_in
from medsr.batch.naming import is_bids
from medsr.batch.parts import dealt
from medsr.batch.protocols import groups_of, with_protocol
from medsr.batch.resume import state_of
from medsr.batch.survey import judged, paths_of
from medsr.batch.triage import Wishes
from medsr.errors import InputError, OutputError, UsageError
from medsr.network.bundled import bundled_models, model_path
from medsr.network.checkpoint import card_path, load_card, weights_digest
from medsr.network.device import choose_device
from medsr.restore.guides import check_options
from medsr.restore.options import Options
from medsr.volume.modality import Modality

__all__ = ["Plan", "Selection", "make_plan"]

DEFAULTS = Options()


@dataclass(frozen=True)
class Selection:
    """Which scans of a folder are meant.

    Attributes:
        include, exclude: patterns on relative paths; `*` also crosses folders.
        participants: BIDS labels, with or without "sub-"; empty for all.
        sessions: BIDS labels, with or without "ses-"; empty for all.
        modality: "MR" or "CT" for scans of this modality only; NIfTI files that do not state
            theirs are included. "" for both.
        guide_suffix: which scan of a session guides the others; see `batch.guides`. "" for none.
        parts, part: only the scans of part `part` (from 0) of `parts`.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    modality: str = ""
    guide_suffix: str = ""
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
        items: all scans found; `reason` states why a scan is enhanced again.
        done: the keys of scans that are done already.
        part: which part of how many.
        participants: BIDS labels without "sub-" that were chosen; empty where none were.
    """

    job: Job
    items: tuple[Item, ...]
    done: frozenset[str]
    part: tuple[int, int] = (0, 1)
    participants: tuple[str, ...] = ()

    @property
    def todo(self) -> list[Item]:
        """The scans to enhance now."""
        return [i for i in self.items if i.decision == Decision.ENHANCE and i.key not in self.done]


def make_plan(
    folder: str | Path,
    out: str | Path,
    *,
    options: Options = DEFAULTS,
    selection: Selection = EVERYTHING,
    means: Means = ORDINARY,
) -> Plan:
    """Find every scan of a folder and decide what to do with it. Reads headers, writes nothing.

    Args:
        folder: a DICOM dump, a BIDS dataset, or loose image files.
        out: where outputs go; may lie inside `folder`.
        options: of every enhancement; by default the bundled model of each modality, and a DICOM
            series becomes a DICOM series, all else NIfTI.
        selection: which scans.
        means: how the work is done.

    Raises:
        InputError: no such folder, model, participant or session.
        UsageError: options that do not make sense.
    """
    job = _job(Path(folder), Path(out), options, selection, means)
    wishes = Wishes(options, selection.modality, job.models, job.bids)
    labels = labels_in(job.root, selection.participants, selection.sessions)
    found = list(judged(_headers(job, selection, labels, means.readers), wishes))
    if options.adapt_s is not None:
        found = [with_protocol(one, bids=job.bids) for one in found]
        job = replace(job, groups=groups_of(one.item for one in found))
    planned = [one.item for one in found]
    if selection.guide_suffix:
        planned = with_guide(found, selection.guide_suffix, job.models)
    items = _without_clashes(planned)
    items = dealt(items, selection.parts, selection.part)
    done: set[str] = set()
    for place, item in enumerate(items):
        if item.decision == Decision.ENHANCE:
            state = state_of(item, job)
            if state.done:
                done.add(item.key)
            elif state.reason:
                decision = Decision.REFUSE if state.foreign else Decision.ENHANCE
                items[place] = replace(item, decision=decision, reason=state.reason)
    part = selection.part, selection.parts
    return Plan(job, tuple(items), frozenset(done), part, labels.participants)


def _job(root: Path, out: Path, options: Options, selection: Selection, means: Means) -> Job:
    if not root.is_dir():
        raise InputError(f"{root.name or root}: there is no such folder.")
    root, out = root.resolve(), out.resolve()
    if out == root or out in root.parents:
        raise UsageError(
            f"{out.name}: the output folder must not be the input folder or contain it. "
            "Choose another folder."
        )
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out.name}: is a file; the outputs of a batch need a folder.")
    bids = is_bids(root)
    if (selection.participants or selection.sessions) and not bids:
        raise UsageError(
            f"{root.name}: --participant-label and --session-label need a BIDS dataset "
            "(dataset_description.json and folders sub-*); use --include here."
        )
    choose_device(means.device)
    models = _models(options.model)
    if selection.guide_suffix:
        _check_guides(models, options)
    if options.model is not None:
        options = replace(options, model=next(iter(models.values())).name)
    if selection.modality:
        options = replace(options, modality=Modality(selection.modality))
    return Job(root, out, bids, models, options, means, uuid.uuid4().hex)


def _models(name: str | None) -> dict[str, Model]:
    """The model of each modality.

    Raises:
        InputError: there is none.
    """
    paths = [model_path(name)] if name else list(bundled_models().values())
    found: dict[str, Model] = {}
    for path in paths:
        card = load_card(card_path(path))
        bundled = bundled_models().get(path.stem) == path
        named = path.stem if bundled else str(path.resolve())
        guides = bool(card.network.get("guides"))
        model = Model(named, weights_digest(path), card.settings_digest, guides)
        found.setdefault(card.modality, model)
    if not found:
        raise InputError("There is no bundled model. Give one with --model PATH.")
    return found


def _check_guides(models: Mapping[str, Model], options: Options) -> None:
    """Check that guides go with the models and the options.

    Raises:
        UsageError: they do not.
    """
    if not any(model.guides for model in models.values()):
        raise UsageError(
            "No model here takes guides. Leave out --guide-suffix, or choose another with --model."
        )
    check_options(options)


def _headers(job: Job, selection: Selection, labels: Labels, readers: int) -> Iterator[Header]:
    paths = (
        path
        for path in paths_of(job.root, job.out, bids=job.bids, labels=labels)
        if wanted(path, selection.include, selection.exclude)
    )
    return read_headers(job.root, paths, readers)


def _without_clashes(items: Sequence[Item]) -> list[Item]:
    """Refuse a scan whose output would be another's: `scan.nii` beside `scan.nii.gz`."""
    taken: set[str] = set()
    kept = []
    for item in items:
        if item.decision == Decision.ENHANCE and item.output in taken:
            reason = (
                "has the same name as another scan in the folder, except for its ending. Rename "
                "one of them."
            )
            item = replace(item, decision=Decision.REFUSE, reason=reason, output="")
        taken.add(item.output)
        kept.append(item)
    return kept

"""Decides from the sidecar of an output whether a scan is done.

An output is done when it is complete and the sidecar beside it names the same model, the same
settings and the same input. An output is a file, or a folder of slices, which is complete when its
slices together have the recorded size. The content of the input is hashed once, when it is
enhanced; later its list of file names, sizes and times is enough, and only where that list has
changed (a copy, a touch) is the content hashed again. A file that was changed with its size and
time kept would be missed.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.batch.job import Item, Job
from medsr.batch.naming import listing_path, page_path
from medsr.errors import OutputError
from medsr.restore.choices import Format
from medsr.restore.options import Options
from medsr.results.names import MAPS, map_path
from medsr.results.write import settings, size_of
from medsr.volume.atomic import check_target
from medsr.volume.dicom.write.single_frame import FILE_PATTERN
from medsr.volume.formats import content_digest, input_files
from medsr.volume.sidecar import read_own_record, sidecar_path

__all__ = ["State", "listing_digest", "state_of"]


@dataclass(frozen=True)
class State:
    """Whether an output is done; `foreign` when medsr did not make what stands there."""

    done: bool
    reason: str = ""
    foreign: bool = False


def files_of(item: Item, job: Job) -> list[Path]:
    """All files that an output depends on."""
    return _with_sidecars(item.paths(job.root), item.form)


def listing_digest(item: Item, job: Job) -> str:
    """SHA-256 (hex) over names, sizes and times of change; "" when a file is gone."""
    total = hashlib.sha256()
    for file in (*files_of(item, job), *item.guide_paths(job.root)):
        try:
            facts = file.stat()
        except OSError:
            return ""
        total.update(os.fsencode(f"{file.name}|{facts.st_size}|{facts.st_mtime_ns}\n"))
    return total.hexdigest()


def state_of(item: Item, job: Job) -> State:
    """Whether the output of an item is complete and was made with these settings."""
    state = _recorded(item, job)
    if state.done or state.foreign:
        return state
    if item.format != "dicom":
        taken = (job.out / item.output).is_dir()
        return State(False, _FOREIGN, foreign=True) if taken else state
    image = job.out / item.output
    for folder in (image, *(map_path(image, kind) for kind in MAPS)):
        try:
            check_target(folder, FILE_PATTERN, overwrite=True)
        except OutputError as fault:
            return State(False, str(fault), foreign=True)
    return state


def _recorded(item: Item, job: Job) -> State:
    """What the record beside an output says of it."""
    image = job.out / item.output
    try:
        _look_again(image.parent)
        size = size_of(image)
    except FileNotFoundError:  # another run is replacing it
        size = None
    except OSError:
        return State(False, _FOREIGN, foreign=True)
    facts = read_own_record(image)
    if facts is None and not image.exists() and not sidecar_path(image).exists():
        return State(False)
    if job.means.overwrite:
        return State(False, "done again (--overwrite)")
    if facts is None or "Settings" not in facts:
        return State(False, _FOREIGN, foreign=True)
    written = facts.get("Format", Format.NIFTI.value)
    if written != item.format:
        if image.exists():
            return State(False, _FOREIGN, foreign=True)
        return State(False, f"done again: settings changed: format {written} -> {item.format}")
    if size is None:
        return State(False)
    reason = _changed(facts, size, item, job)
    return State(not reason, reason and f"done again: {reason}")


_FOREIGN = (
    "the output folder contains a file of that name that medsr batch did not make. "
    "Choose another output folder, or use --overwrite to replace it."
)


def _look_again(folder: Path) -> None:
    """Opening a folder makes an NFS client ask the server what is in it now."""
    if folder.is_dir() and os.name != "nt":
        os.close(os.open(folder, os.O_RDONLY))


def _changed(facts: dict[str, Any], size: int, item: Item, job: Job) -> str:
    """The first difference to the recorded state; "" when there is none."""
    if facts.get("OutputBytes") != size:
        return "the output is incomplete"
    model = job.models.get(str(facts.get("Modality")))
    weights = facts.get("BaseModelSHA256", facts.get("ModelSHA256"))
    before = weights, facts.get("ModelSettingsSHA256")
    if model is None or before != (model.digest, model.settings_digest):
        return "the model changed"
    now, then, default = settings(job.options), facts["Settings"], settings(Options())
    changed = [
        f"{key} {then.get(key, default[key])} -> {value}"
        for key, value in now.items()
        if then.get(key, default[key]) != value
    ]
    if changed:
        return "settings changed: " + ", ".join(changed)
    same = _recorded_listing(item, job) == (listing_digest(item, job) or None)
    if not same and facts.get("InputSHA256") != content_digest(files_of(item, job)):
        return "the input changed"
    if _other_guide(facts, item, job, same=same):
        return "the guide changed"
    if job.means.report and not page_path(job.out, item.key).is_file():
        return "the report page is missing (--report)"
    return ""


def _other_guide(facts: dict[str, Any], item: Item, job: Job, *, same: bool) -> bool:
    """Whether an output was made with another guide than it would be now."""
    then = [guide.get("InputSHA256") for guide in facts.get("Guides", [])]
    if len(then) != bool(item.guide):
        return True
    if not then or same:
        return False
    files = _with_sidecars(item.guide_paths(job.root), item.form)
    return then != [content_digest(files)]


def _with_sidecars(paths: list[Path], form: Format) -> list[Path]:
    return input_files(paths[0]) if form == Format.NIFTI else paths


def _recorded_listing(item: Item, job: Job) -> str:
    try:
        return listing_path(job.out, item.key).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""

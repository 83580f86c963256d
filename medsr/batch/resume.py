"""Is a scan done? The sidecar beside its output says so, or nothing does.

An output is done when it is whole and the sidecar beside it names the same model, the same
settings and the same input. An output is a file, or a folder of slices, which is whole when its
slices together have the size that was noted. The content of the input is hashed once, when it is
enhanced; later its list of file names, sizes and times is enough, and only where that list has
changed (a copy, a touch) is the content hashed again. A file that was changed with its size and
time kept would be missed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsr.batch.job import Item, Job
from medsr.batch.naming import in_other_format, page_path, std_name
from medsr.errors import InputError, OutputError
from medsr.volume.atomic import check_target
from medsr.volume.dicom.write.single_frame import FILE_PATTERN
from medsr.volume.formats import is_nifti
from medsr.volume.sidecar import sidecar_path

__all__ = [
    "State",
    "content_digest",
    "input_files",
    "listing_digest",
    "outdated",
    "record_of",
    "size_of",
    "state_of",
]


@dataclass(frozen=True)
class State:
    """Whether an output is done; `foreign` when medsr did not make what stands there."""

    done: bool
    reason: str = ""
    foreign: bool = False


def input_files(item: Item, job: Job) -> list[Path]:
    """All files that an output depends on: the image's, and a NIfTI file's sidecar."""
    paths = item.paths(job.root)
    if item.form == "nifti":
        paths += [path for path in map(sidecar_path, paths) if path.is_file()]
    return paths


def content_digest(files: Iterable[Path]) -> str:
    """SHA-256 (hex) over the SHA-256 of each file, in their order.

    Raises:
        InputError: a file is gone or cannot be read.
    """
    total = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as fault:
            raise InputError(f"{file.name}: cannot be read ({fault.strerror}).") from None
    return total.hexdigest()


def listing_digest(files: Iterable[Path]) -> str:
    """SHA-256 (hex) over names, sizes and times of change; "" when a file is gone."""
    total = hashlib.sha256()
    for file in files:
        try:
            facts = file.stat()
        except OSError:
            return ""
        total.update(os.fsencode(f"{file.name}|{facts.st_size}|{facts.st_mtime_ns}\n"))
    return total.hexdigest()


def record_of(item: Item, job: Job, files: list[Path]) -> dict[str, Any]:
    """What a sidecar says so that `state_of` can compare; the model is recorded beside it."""
    return {
        "Settings": asdict(job.options),
        "Format": item.format,
        "InputListing": listing_digest(files),
        "InputSHA256": content_digest(files),
    }


def size_of(image: Path) -> int | None:
    """Bytes of an image, which is a file or a folder of slices; None where there is none."""
    if image.is_dir():
        return sum(file.stat().st_size for file in image.glob(FILE_PATTERN))
    return image.stat().st_size if image.is_file() else None


def outdated(item: Item, job: Job) -> list[Path]:
    """What a new version of an output replaces: the old image, whether file or folder, its spread.

    Beside the image itself, which `state_of` has let pass, only what a record says is ours.
    """
    image = job.out / item.output
    if item.form != "dicom":
        return [image]
    spread = job.out / std_name(item.output, bids=job.bids)
    other = [path for path in (in_other_format(image),) if _is_ours(path)]
    spreads = [path for path in (spread, in_other_format(spread)) if _is_ours(path)]
    return [image, *other, *spreads, *map(sidecar_path, spreads)]


def _is_ours(image: Path) -> bool:
    """Whether the record beside a place is of the very image that stands there."""
    facts = _facts(image)
    wanted = "nifti" if is_nifti(image) else "dicom"
    return facts is not None and "Settings" in facts and facts.get("Format", "nifti") == wanted


def _facts(image: Path) -> dict[str, Any] | None:
    """The record beside an image; None where there is none, empty where it cannot be read."""
    try:
        facts = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def state_of(item: Item, job: Job) -> State:
    """Whether the output of an item stands there, whole and made by these very means."""
    state = _recorded(item, job)
    if state.done or state.foreign:
        return state
    if item.format != "dicom":
        taken = (job.out / item.output).is_dir()
        return State(False, _FOREIGN, foreign=True) if taken else state
    for name in (item.output, std_name(item.output, bids=job.bids)):
        try:
            check_target(job.out / name, FILE_PATTERN, overwrite=True)
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
    facts = _facts(image)
    if facts is None and not image.exists():
        return State(False)
    if job.overwrite:
        return State(False, "done again (--overwrite)")
    if not facts or not {"Settings", "InputListing"} <= facts.keys():
        return State(False, _FOREIGN, foreign=True)
    written = facts.get("Format", "nifti")
    if written != item.format:
        if image.exists():
            return State(False, _FOREIGN, foreign=True)
        return State(False, f"done again: settings changed: format {written} -> {item.format}")
    if size is None:
        return State(False)
    reason = _changed(facts, size, item, job)
    return State(not reason, reason and f"done again: {reason}")


_FOREIGN = (
    "the output folder holds a file of that name that medsr batch did not make. Choose another "
    "output folder, or give --overwrite."
)


def _look_again(folder: Path) -> None:
    """Opening a folder makes an NFS client ask the server what is in it now."""
    if folder.is_dir() and os.name != "nt":
        os.close(os.open(folder, os.O_RDONLY))


def _changed(facts: dict[str, Any], size: int, item: Item, job: Job) -> str:
    """The first thing that is not as it was; "" when all is."""
    if facts.get("OutputBytes") != size:
        return "the output is not whole"
    model = job.models.get(str(facts.get("Modality")))
    before = facts.get("ModelSHA256"), facts.get("ModelSettingsSHA256")
    if model is None or before != (model.digest, model.settings_digest):
        return "the model changed"
    now, then = asdict(job.options), facts["Settings"]
    changed = [
        f"{key} {then.get(key)} -> {value}" for key, value in now.items() if then.get(key) != value
    ]
    if changed:
        return "settings changed: " + ", ".join(changed)
    files = input_files(item, job)
    same = facts["InputListing"] == listing_digest(files)
    if not same and facts.get("InputSHA256") != content_digest(files):
        return "the input changed"
    if job.report and not page_path(job.out, item.key).is_file():
        return "it has no page (--report)"
    return ""

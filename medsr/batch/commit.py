"""Temporary output folders of a batch, and how results are moved into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from medsr.batch.job import Item, Job
from medsr.batch.naming import listing_path
from medsr.errors import OutputError
from medsr.restore.enhancer import Enhanced
from medsr.results.target import Target
from medsr.results.write import write_in
from medsr.volume.atomic import output_faults, write_text

__all__ = [
    "check_room",
    "clear_partials",
    "hidden_folder",
    "write_output",
]


def hidden_folder(out: Path) -> Path:
    """Where claims lie and files grow before they are renamed; gone when nothing is under way.

    The claim of a scan stands in it while the scan's files grow, so nobody can remove it then.
    """
    return out / ".medsr"


def check_room(item: Item, job: Job) -> None:
    """Refuse to start work whose result would not fit.

    Raises:
        OutputError: the disk has less room than the output can take.
    """
    free, most = shutil.disk_usage(job.out).free, job.most_bytes(item)
    if free < most:
        raise OutputError(
            f"the output folder has {free / 1e6:.3g} MB of free space and this scan needs "
            f"up to {most / 1e6:.3g} MB. Free some space and run the command again."
        )


def write_output(
    item: Item,
    job: Job,
    target: Target,
    enhanced: Enhanced,
    listing: str,
    before_commit: Callable[[], None],
) -> None:
    """Write all that a scan becomes; the image appears last.

    Args:
        item: the scan.
        job: where the outputs go.
        target: of this scan.
        enhanced: what to write.
        listing: digest of the names, sizes and times of its files.
        before_commit: called when all is written and nothing renamed; may raise.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    partial = hidden_folder(job.out) / f"{item.key}.{os.getpid()}.partial"
    place = listing_path(job.out, item.key)
    try:
        with output_faults("the output folder"):
            partial.mkdir()
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
        write_in(partial, target, enhanced, before_commit)
        write_text(listing + "\n", place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear_partials(out: Path, key: str) -> None:
    """Remove what a dead holder of a scan left behind; for the holder of its claim alone."""
    for path in hidden_folder(out).glob(f"{key}.*.*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

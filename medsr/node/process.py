"""Enhances received series: completeness, rules, and the record of the outcome.

A series is complete when the association that sent it ended by release and nothing more came for
`quiet_seconds`. One whose peer disconnected waits `interrupted_seconds` for it to come back, and
is then set aside; it is never enhanced in part. A fault of one series never stops the next, not
even a series on which the process is killed: after three times it is set aside. Stops of the node
and restarts of the machine do not count.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medsr.errors import MedsrError, NotOriginal, OutputError
from medsr.node.disk import with_reserve, write_durably
from medsr.node.receive import Intake
from medsr.node.rules import Facts, Rule, choose_rule, may_match
from medsr.node.spool import ENDED, GONE, REASON, merge, remove, set_aside
from medsr.volume.atomic import flush
from medsr.volume.dicom.dataset import open_dataset, parse_quietly
from medsr.volume.dicom.read.choose import pick_group
from medsr.volume.dicom.read.discover import headers_at
from medsr.volume.dicom.read.groups import group_headers
from medsr.volume.dicom.read.header import IMAGE
from medsr.volume.dicom.read.series import DicomSeries, series_of
from medsr.volume.dicom.values import text
from medsr.volume.geometry import spacing_mm
from medsr.volume.origin import check_origin

__all__ = ["IDLE_SECONDS", "Enhance", "enhance_next", "promote", "put_back_all"]

log = logging.getLogger("medsr.node")

#: A series, the folder to write, the rule that chose it.
Enhance = Callable[[DicomSeries, Path, Rule], None]

#: Between two looks at an empty spool.
IDLE_SECONDS = 0.5

#: A series that was begun so often and never finished takes the process down with it.
MAX_TRIES = 3

TRIES = ".tries"

#: Changes with each start of the machine; exists only on Linux.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def promote(intake: Intake, now: float) -> None:
    """Move complete, quiet series to `ready`, and set interrupted ones aside.

    Args:
        intake: of the node.
        now: seconds since the epoch.
    """
    spool, settings = intake.spool, intake.settings
    with intake.lock:
        busy = intake.busy()
        for folder in sorted((spool / "receiving").iterdir()):
            key = folder.name
            if key in busy or _is_under_way(spool, key):
                continue
            quiet = now - max(entry.stat().st_mtime for entry in (folder, *folder.iterdir()))
            if (folder / ENDED).exists():
                if quiet >= settings.quiet_seconds:
                    _make_ready(spool, folder)
            elif quiet >= settings.interrupted_seconds:
                count = len(list(folder.glob("*.dcm")))
                reason = (
                    f"The sender stopped after {count} instances (or the spool was full) "
                    "and did not resume. Send the series again."
                )
                log.warning("series %s: set aside: %s", key, reason)
                set_aside(spool, folder, key, reason)


def _is_under_way(spool: Path, key: str) -> bool:
    return any((spool / stage / key).exists() for stage in ("work", "outbox"))


def _make_ready(spool: Path, folder: Path) -> None:
    """Move a series to `ready`, together with the parts of it that were set aside or wait."""
    for other in (spool / "aside" / folder.name, spool / "ready" / folder.name):
        if other.exists():
            merge(other, folder)
    for mark in (ENDED, REASON):
        (folder / mark).unlink(missing_ok=True)
    log.info("series %s: complete, %d instances", folder.name, len(list(folder.glob("*.dcm"))))
    folder.rename(spool / "ready" / folder.name)


def enhance_next(intake: Intake, enhance: Enhance) -> float:
    """Take the oldest ready series through the rules and the model.

    Args:
        intake: of the node.
        enhance: does the work; raises MedsrError for a series that it refuses.

    Returns:
        Seconds to wait before the next: none after work, longer when the disk is full.
    """
    ready = sorted((intake.spool / "ready").iterdir(), key=lambda folder: folder.stat().st_mtime)
    if not ready:
        return IDLE_SECONDS
    folder, key = ready[0], ready[0].name
    try:
        if not _count_try(intake.spool, folder):
            _give_up(intake, folder)
            return 0.0
        work = _begin(intake.spool, folder)
        found = _series_and_rule(work / "source", intake)
        if found is None:
            log.info("series %s: not selected by any rule", key)
            _drop(intake, key)
        else:
            series, rule = found
            log.info("series %s: enhancing by rule '%s'", key, rule.name)
            enhance(series, work / "enhanced", rule)
            flush(work)
            work.rename(intake.spool / "outbox" / key)  # from here on it is made, and only sent
    except NotOriginal as fault:
        log.info("not enhanced: %s", fault)
        _drop(intake, key)
    except (OutputError, OSError) as fault:
        log.error("series %s: waiting, because the disk cannot be written: %s", key, fault)
        _put_back(intake, key)
        return intake.settings.retry_seconds
    except MedsrError as fault:
        _refuse(intake, key, str(fault))
    except MemoryError:
        _refuse(intake, key, "There was not enough memory to enhance it.")
    except Exception as fault:  # a bug must not stop the next series; its words may name a person
        _refuse(intake, key, f"Internal error ({type(fault).__name__}). Please report it.")
    return 0.0


def put_back_all(intake: Intake) -> None:
    """Return interrupted series to `ready`; a stop of the node does not count as a failed try."""
    for work in (intake.spool / "work").iterdir():
        if work.suffix != GONE and (work / "source").exists():
            log.info(
                "series %s: interrupted; it continues when the node is started again", work.name
            )
            _put_back(intake, work.name)
    for folder in (intake.spool / "ready").iterdir():
        (folder / TRIES).unlink(missing_ok=True)


def _count_try(spool: Path, folder: Path) -> bool:
    """Record a try; False if there were too many since the machine started."""
    mark, boot = folder / TRIES, ""
    with suppress(OSError):
        boot = BOOT_ID.read_text().strip()
    begun = mark.read_text().split("\n") if mark.exists() else []
    begun = [line for line in begun if line == f"begun {boot}"]
    if len(begun) >= MAX_TRIES:
        return False
    lines = "".join(f"{line}\n" for line in [*begun, f"begun {boot}"])
    with_reserve(spool, lambda: write_durably(mark, lines.encode()))
    return True


def _give_up(intake: Intake, folder: Path) -> None:
    reason = (
        f"Processing ended unexpectedly {MAX_TRIES} times. To try it again, delete this "
        "folder and send the series again."
    )
    log.warning("series %s: set aside: %s", folder.name, reason)
    with intake.lock:
        set_aside(intake.spool, folder, folder.name, reason)


def _begin(spool: Path, folder: Path) -> Path:
    """The folder of work of a series, which is in it as `source`."""
    work = spool / "work" / folder.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    folder.rename(work / "source")
    return work


def _drop(intake: Intake, key: str) -> None:
    """Remove a series that no rule selects."""
    folder = _put_back(intake, key)
    with intake.lock:
        remove(intake.spool, folder, key)
        (intake.spool / "done" / key).unlink(missing_ok=True)


def _put_back(intake: Intake, key: str) -> Path:
    """Undo an attempt, without counting it; the series is the last of those that wait."""
    work, folder = intake.spool / "work" / key, intake.spool / "ready" / key
    with intake.lock:
        if (work / "source").exists():
            merge(work / "source", folder)
        shutil.rmtree(work, ignore_errors=True)
        (folder / TRIES).unlink(missing_ok=True)
        os.utime(folder)
    return folder


def _refuse(intake: Intake, key: str, reason: str) -> None:
    """Set a series aside; a part that was forwarded before is forgotten.

    The peer can then send the whole series again, and it is enhanced as one.
    """
    folder = _put_back(intake, key)
    log.warning("series %s: refused and set aside: %s", key, reason)
    with intake.lock:
        set_aside(intake.spool, folder, key, reason)
        (intake.spool / "done" / key).unlink(missing_ok=True)


def _series_and_rule(folder: Path, intake: Intake) -> tuple[DicomSeries, Rule] | None:
    """A series, opened once, and the rule that selects it; None where none does.

    Spacing is measured only when the rest fits.

    Raises:
        NotOriginal: a rule selects a reformat or a result of medsr, and does not force it.
    """
    rules = intake.settings.rules
    with parse_quietly():
        groups = group_headers(headers_at(folder, folder.name))
        images = [group for group in groups if group.kind == IMAGE]
        if not images:
            return None
        header = open_dataset(images[0].headers[0].path)
        facts = _facts(images[0].modality, images[0].slices, header, None)
        if not may_match(rules, facts):
            return None
        key = folder.parent.name
        series = series_of(pick_group(groups, None, key), key)
    between = float(spacing_mm(np.asarray(series.affine))[2])
    rule = choose_rule(rules, _facts(facts.modality, facts.slices, header, between))
    if rule is None:
        return None
    check_origin(series.origin, f"series {key}", force=rule.options.force)
    return series, rule


def _facts(modality: str, slices: int, header: Dataset, spacing: float | None) -> Facts:
    return Facts(
        modality=modality,
        slices=slices,
        description=text(header, "SeriesDescription"),
        body_part=text(header, "BodyPartExamined"),
        slice_spacing_mm=spacing,
    )

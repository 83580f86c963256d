"""From received to enhanced: which series is whole, what the rules say, what became of it.

A series is whole when the association that sent it ended by release and nothing more came for
`quiet_seconds`. One whose peer broke off waits `interrupted_seconds` for it to come back, and is
then set aside; it is never enhanced in part. A fault of one series never stops the next.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medsr.errors import MedsrError, OutputError
from medsr.node.receive import Intake
from medsr.node.rules import Facts, Rule, choose_rule, may_match
from medsr.node.spool import ENDED, INTERRUPTED, REASON, set_aside
from medsr.volume.dicom.dataset import open_dataset, parse_quietly, text
from medsr.volume.dicom.read.discover import group_headers, headers_at
from medsr.volume.dicom.read.header import IMAGE
from medsr.volume.dicom.read.series import read_source
from medsr.volume.geometry import spacing_mm

__all__ = ["Enhance", "enhance_next", "promote"]

log = logging.getLogger("medsr.node")

#: Source folder, folder to write, the rule that chose it.
Enhance = Callable[[Path, Path, Rule], None]

#: Between two looks at an empty spool.
IDLE_SECONDS = 0.5

#: A series that was begun so often and never finished takes the process down with it.
MAX_TRIES = 3


def promote(intake: Intake, now: float) -> None:
    """Move series that are whole and quiet to `ready`, and broken-off ones aside.

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
                    f"The peer broke off after {count} instances, or there was no room for more, "
                    "and it did not come back. Send the series again."
                )
                log.warning("series %s: set aside: %s", key, reason)
                set_aside(spool, folder, key, reason, interrupted=True)


def _is_under_way(spool: Path, key: str) -> bool:
    return any((spool / stage / key).exists() for stage in ("ready", "work", "outbox"))


def _make_ready(spool: Path, folder: Path) -> None:
    """With what was set aside of the same series: it may be whole now."""
    aside = spool / "aside" / folder.name
    for old in aside.glob("*.dcm") if aside.exists() else ():
        old.replace(folder / old.name)
    shutil.rmtree(aside, ignore_errors=True)
    for mark in (ENDED, REASON, INTERRUPTED):
        (folder / mark).unlink(missing_ok=True)
    log.info("series %s: whole, %d instances", folder.name, len(list(folder.glob("*.dcm"))))
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
        _count_try(folder)
        rule = _rule_for(folder, intake)
        if rule is None:
            log.info("series %s: no rule selects it", key)
            shutil.rmtree(folder)
        else:
            log.info("series %s: enhancing by rule '%s'", key, rule.name)
            _enhance(intake.spool, folder, rule, enhance)
    except (OutputError, OSError) as fault:
        log.error("series %s: waits, for the disk cannot be written: %s", key, fault)
        _put_back(intake.spool, key)
        return intake.settings.retry_seconds
    except MedsrError as fault:
        _refuse(intake.spool, key, str(fault))
    except Exception as fault:  # a bug must not stop the next series; its words may name a person
        _refuse(intake.spool, key, f"medsr failed on it with {type(fault).__name__}, a bug.")
    return 0.0


def _count_try(folder: Path) -> None:
    mark = folder / ".tries"
    tries = len(mark.read_bytes()) if mark.exists() else 0
    if tries >= MAX_TRIES:
        raise MedsrError(f"It was begun {tries} times and never finished; medsr stopped on it.")
    mark.write_bytes(b"." * (tries + 1))


def _enhance(spool: Path, folder: Path, rule: Rule, enhance: Enhance) -> None:
    work = spool / "work" / folder.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    folder.rename(work / "source")
    enhance(work / "source", work / "enhanced", rule)
    work.rename(spool / "outbox" / folder.name)  # from here on it is made, and only sent


def _put_back(spool: Path, key: str) -> Path:
    """Undo an attempt, without counting it; the series is the last of those that wait."""
    work, folder = spool / "work" / key, spool / "ready" / key
    if (work / "source").exists():
        (work / "source").rename(folder)
    shutil.rmtree(work, ignore_errors=True)
    (folder / ".tries").unlink(missing_ok=True)
    os.utime(folder)
    return folder


def _refuse(spool: Path, key: str, reason: str) -> None:
    folder = _put_back(spool, key)
    log.warning("series %s: refused, kept aside: %s", key, reason)
    set_aside(spool, folder, key, reason, interrupted=False)


def _rule_for(folder: Path, intake: Intake) -> Rule | None:
    """The rule that selects a series; spacing is measured only when the rest fits."""
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
    source = read_source(folder)
    between = float(spacing_mm(np.asarray(source.affine))[2])
    return choose_rule(rules, _facts(facts.modality, facts.slices, header, between))


def _facts(modality: str, slices: int, header: Dataset, spacing: float | None) -> Facts:
    return Facts(
        modality=modality,
        slices=slices,
        description=text(header, "SeriesDescription"),
        body_part=text(header, "BodyPartExamined"),
        slice_spacing_mm=spacing,
    )

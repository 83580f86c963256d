"""Which scans of a batch share one adaptation: those of one protocol.

Scans are of one protocol if modality, spacing, slice thickness and name agree. The name is the
SeriesDescription of a DICOM series, the name of a BIDS file without subject, session and run, the
name of another file without its numbers. Only a digest of it leaves this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from medsr.batch.job import Decision, Item
from medsr.batch.series import Series
from medsr.batch.survey import Found
from medsr.volume.bids import bids_name
from medsr.volume.missing import name_without_number
from medsr.volume.sidecar import strip_suffix

__all__ = ["groups_of", "with_protocol"]

#: Scans of a protocol that the model is adapted to, at most.
MOST_SCANS = 3

#: Entities of a BIDS name that do not belong to the protocol.
WHO_AND_WHEN = frozenset({"sub", "ses", "run"})


def groups_of(items: Iterable[Item]) -> dict[str, tuple[Item, ...]]:
    """Protocol -> the scans that the model is adapted to: the first few that are to be enhanced.

    Args:
        items: of the whole folder, in its order.
    """
    groups: dict[str, tuple[Item, ...]] = {}
    for item in items:
        if item.decision == Decision.ENHANCE:
            groups[item.protocol] = (*groups.get(item.protocol, ()), item)[:MOST_SCANS]
    return groups


def with_protocol(found: Found, *, bids: bool) -> Found:
    """A scan whose item has its protocol.

    Args:
        found: the scan.
        bids: whether file names are BIDS.
    """
    item, source = found.item, found.source
    if isinstance(source, Series):
        name, thickness = source.names.description, source.names.slice_thickness_mm
    else:
        name = strip_suffix(Path(PurePosixPath(source.path).name))
        name = _bids_protocol(name) if bids else name_without_number(name)
        thickness = source.header.slice_thickness_mm if source.header else None
    spacing = [round(mm, 3) for mm in item.spacing_mm or ()]
    thickness = None if thickness is None else round(thickness, 3)
    facts = [item.modality, spacing, thickness, name.strip().casefold()]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    return replace(found, item=replace(item, protocol=digest))


def _bids_protocol(name: str) -> str:
    parts = bids_name(name)
    kept = [f"{key}-{value}" for key, value in parts.entities if key not in WHO_AND_WHEN]
    return "_".join([*kept, parts.suffix])

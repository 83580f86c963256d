"""Which other scan guides a scan of a batch (`--guide-suffix`).

Of a BIDS dataset, or of a folder of image files, the file beside the scan whose name ends with the
suffix; of DICOM, the series of the same study whose description contains it. Of several, the one
with the finest voxels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from medsr.batch.job import Decision, Item, Model
from medsr.batch.series import Series
from medsr.batch.survey import Found
from medsr.volume.sidecar import strip_suffix

__all__ = ["with_guide"]


def with_guide(found: Sequence[Found], suffix: str, models: Mapping[str, Model]) -> list[Item]:
    """The items of a plan, each with its guide where there is one.

    Args:
        found: all scans of the folder, in its order.
        suffix: such as "T1w"; upper and lower case are alike.
        models: modality -> model.
    """
    guides: dict[str, list[Item]] = {}
    for one in found:
        if one.item.spacing_mm is not None and _matches(one, suffix):
            guides.setdefault(_session(one), []).append(one.item)
    items = []
    for one in found:
        item, beside = one.item, guides.get(_session(one), [])
        takes = item.modality not in models or models[item.modality].guides
        if item.decision == Decision.ENHANCE and beside and takes and not _matches(one, suffix):
            guide = min(beside, key=lambda each: (max(each.spacing_mm or ()), each.key))
            item = replace(item, guide=guide.key, guide_packed=guide.packed)
        items.append(item)
    return items


def _session(found: Found) -> str:
    """What a scan and its guide have in common."""
    if isinstance(found.source, Series):
        return f"study {found.source.names.study}"
    return f"folder {PurePosixPath(found.source.path).parent}"


def _matches(found: Found, suffix: str) -> bool:
    """Whether the name of a scan says that it is a guide."""
    if isinstance(found.source, Series):
        return suffix.casefold() in found.source.names.description.casefold()
    name = strip_suffix(Path(PurePosixPath(found.source.path).name))
    return name.rpartition("_")[2].casefold() == suffix.casefold()

"""Deals out the scans of a study to the parts of a job array.

Each job plans the whole study by itself, so the deal depends on the scans alone: not on what is
done already, on the order of the folder, or on chance.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from medsr.batch.job import Decision, Item

__all__ = ["dealt"]


def dealt(items: Sequence[Item], parts: int, part: int) -> list[Item]:
    """The scans of one part, in the order of the folder.

    The largest scan comes first, and each goes to the part with the least work so far (longest
    processing time first, Graham 1969). Scans that are left out go round.

    Args:
        items: of the whole study.
        parts: how many parts there are.
        part: which one, from 0.
    """
    work = [item for item in items if item.decision == Decision.ENHANCE]
    rest = [item for item in items if item.decision != Decision.ENHANCE]
    mine = {item.key for k, item in enumerate(sorted(rest, key=_key)) if k % parts == part}
    loads = [(0, k) for k in range(parts)]
    for item in sorted(work, key=lambda item: (-item.fine_voxels, item.key)):
        load, least = loads[0]
        heapq.heapreplace(loads, (load + max(1, item.fine_voxels), least))
        if least == part:
            mine.add(item.key)
    return [item for item in items if item.key in mine]


def _key(item: Item) -> str:
    return item.key

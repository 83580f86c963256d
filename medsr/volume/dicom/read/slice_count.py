"""Checks that all slices of a volume are there, as far as headers say how many there should be."""

from __future__ import annotations

from medsr.errors import Refused
from medsr.volume.dicom.read.slice_checks import Slices

__all__ = ["MIN_SLICES", "check_announced", "check_count"]

#: With two slices there is one gap, so a missing slice between them could not be noticed.
MIN_SLICES = 3

#: Contrasts of which one acquisition makes two to four.
SEVERAL_CONTRASTS = {"water", "fat", "in phase", "opposed phase"}


def check_count(slices: Slices, name: str) -> None:
    """Refuse a single slice, or too few to see a gap."""
    count = len(slices.names)
    if count == 1:
        raise Refused(
            f"{name}: contains a single slice, which is not a volume. Give the whole series."
        )
    if count < MIN_SLICES:
        raise Refused(
            f"{name}: contains {count} slices; medsr needs at least {MIN_SLICES}, because "
            "a missing slice cannot be detected with fewer. Give the whole series."
        )


def check_announced(slices: Slices, left_out: int, name: str) -> None:
    """Refuse a series that is smaller than its headers declare.

    Args:
        slices: of the volume.
        left_out: pictures of the same series that show something else.
        name: the series' file or folder, for messages.
    """
    count = len(slices.names)
    for mark in ("announced slices", "announced images"):
        declared = [m.get(mark) for m in slices.marks]
        total = max((n for n in declared if isinstance(n, int | float)), default=0)
        if total <= count:
            continue
        if mark == "announced images" and (
            total <= count + left_out or (total % count == 0 and _is_one_of_several(slices))
        ):
            continue
        raise Refused(
            f"{name}: its headers declare {total:.0f} slices and {count} were found. Copy "
            "or export the series again, complete."
        )
    parts: dict[object, dict[object, object]] = {}
    for mark_of_slice in slices.marks:
        part = mark_of_slice.get("concatenation")
        if isinstance(part, tuple):
            parts.setdefault(part[0], {})[part[1]] = part[2]
    for found in parts.values():
        totals = [total for total in found.values() if isinstance(total, int | float)]
        highest = max([0.0, *(k for k in found if isinstance(k, int | float))])
        total = max([highest, *totals])
        if len(found) < total:
            raise Refused(
                f"{name}: is a concatenation of {total:.0f} parts, of which {len(found)} "
                "were found. Copy or export the series again, complete."
            )


def _is_one_of_several(slices: Slices) -> bool:
    """Whether the headers say that their acquisition made several images a position."""
    return all(
        set(_as_texts(mark.get("contrast"))) & SEVERAL_CONTRASTS
        or set(_as_texts(mark.get("echo number"))) - {"1", "0"}
        for mark in slices.marks
    )


def _as_texts(mark: object) -> tuple[str, ...]:
    return tuple(map(str, mark)) if isinstance(mark, tuple) else ()

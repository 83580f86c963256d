"""What an evaluation says around its numbers: how to read them, and why some are missing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from medsr.metrics.registry import ALL_METRICS, BETTER_WORDS

__all__ = [
    "FOREGROUND",
    "NO_INTERPOLATION",
    "NO_LOW",
    "definition",
    "left_out",
    "reading",
    "wrapped",
]

#: How the mask begins where none is given.
FOREGROUND = "foreground of the reference"

#: The words where there is no measured scan.
NO_LOW = (
    "Consistency with the measured scan, and cubic interpolation for comparison, need the "
    "thick-slice scan: give it with --low."
)

#: The words where the measured scan's fine grid is another one.
NO_INTERPOLATION = (
    "Without interpolation for comparison: the grid of the thick-slice scan, refined to the "
    "spacing of the estimate, is not the grid of the reference."
)


def reading(metrics: Sequence[str]) -> list[str]:
    """A sentence on which values are close to the reference, for some metrics.

    >>> reading(["psnr", "consistency"])
    ['PSNR: higher is closer. Consistency: lower is closer.']
    """
    titles: dict[str, list[str]] = {}
    for name in metrics:
        titles.setdefault(ALL_METRICS[name].better, []).append(ALL_METRICS[name].title)
    found = " ".join(f"{', '.join(t)}: {BETTER_WORDS[b]}." for b, t in titles.items())
    return [found] if found else []


def definition(metric: str) -> str:
    """The definition of one metric, as a line of text."""
    found = ALL_METRICS[metric]
    return f"{found.title} ({BETTER_WORDS[found.better]}): {found.definition}"


def left_out(axis: int, start: int, stop: int, size: int, slice_axis: int) -> str:
    """What of an axis is not compared; empty where all of it is.

    >>> left_out(2, 0, 128, 132, slice_axis=2)
    'the last 4 of 132 slices'
    """
    ends = [
        f"the {word}" + (f" {n}" if n > 1 else "")
        for word, n in (("first", start), ("last", size - stop))
        if n > 0
    ]
    what = "slices" if axis == slice_axis else f"voxels along axis {axis}"
    return f"{' and '.join(ends)} of {size} {what}" if ends else ""


def wrapped(sentence: str) -> list[str]:
    """A sentence as lines of a terminal, of at most 99 characters."""
    return textwrap.wrap(sentence, 99, subsequent_indent="  ")

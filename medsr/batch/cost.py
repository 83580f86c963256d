"""Estimates of the time and disk space that a plan needs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from medsr.batch.plan import Plan
from medsr.restore.options import takes_turns
from medsr.words import duration_words

__all__ = ["Forecast", "forecast", "plan_lines", "size_words"]

#: Seconds of one CPU core for a posterior mean of the bundled MR model, one output voxel: 12.6 s
#: of CPU for 12.6 million voxels without air, start-up apart, on a processor with bfloat16
#: instructions. Others differ; the lines of a run learn their own pace.
CORE_SECONDS_PER_VOXEL = 1.0e-6

COLUMNS = ("scan", "decision", "modality", "files", "voxels", "spacing mm", "enhanced voxels")


@dataclass(frozen=True)
class Forecast:
    """Rough seconds, and the most bytes that the outputs can take and that the disk has.

    `seconds` is None where nobody knows the workers yet.
    """

    seconds: float | None
    output_bytes: int
    free_bytes: int


def forecast(plan: Plan, cores: int | None) -> Forecast:
    """The cost of the rest of a plan on a number of CPU cores; None if unknown."""
    options, todo = plan.job.options, plan.todo
    voxels = sum(item.fine_voxels for item in todo)
    place = plan.job.out
    while not place.exists():
        place = place.parent
    halves = takes_turns(options.steps, options.quick)  # half of the slices an evaluation
    passes = options.steps / 2 if halves else 1.0
    work = voxels * passes * options.samples * CORE_SECONDS_PER_VOXEL
    return Forecast(
        seconds=None if cores is None else work / cores,
        output_bytes=sum(plan.job.most_bytes(item) for item in todo),
        free_bytes=shutil.disk_usage(place).free,
    )


def plan_lines(plan: Plan, cost: Forecast) -> list[str]:
    """The plan as a table in words."""
    table = [COLUMNS] + [
        (
            item.label,
            "done" if item.key in plan.done else item.decision,
            item.modality or "?",
            str(item.files),
            " x ".join(str(n) for n in item.shape or ()),
            " x ".join(f"{mm:.3g}" for mm in item.spacing_mm or ()),
            " x ".join(str(n) for n in item.fine_shape or ()),
        )
        for item in plan.items
    ]
    reasons = ["reason"] + [item.reason for item in plan.items]
    widths = [max(len(row[k]) for row in table) for k in range(len(COLUMNS))]
    lines = [
        "  ".join([*(word.ljust(w) for word, w in zip(row, widths, strict=True)), reason]).rstrip()
        for row, reason in zip(table, reasons, strict=True)
    ]
    todo, earlier = len(plan.todo), len(plan.done)
    time_words = "The time depends on the number of workers"
    if cost.seconds is not None:
        time_words = f"About {duration_words(cost.seconds)} on CPU"
    scans = "1 scan" if len(plan.items) == 1 else f"{len(plan.items)} scans"
    lines.append(
        f"{scans}: {todo} to enhance, {earlier} done already, "
        f"{len(plan.items) - todo - earlier} left out. {time_words}; up to "
        f"{size_words(cost.output_bytes)} of disk space needed, "
        f"{size_words(cost.free_bytes)} free."
    )
    return lines


def size_words(count: int) -> str:
    """A number of bytes for people.

    >>> size_words(42_000_000), size_words(3_400_000_000)
    ('42 MB', '3.4 GB')
    """
    return f"{count / 1e6:.3g} MB" if count < 1e9 else f"{count / 1e9:.3g} GB"

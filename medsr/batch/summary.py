"""The summary of a batch: a table (CSV), JSON and an HTML page.

`summary.csv`, `.json` and `.html` call scans by their labels and name no folder, so that they can
be shown to others. `where.csv` says for its owner which folder each key stands for.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsr.batch.job import Decision, End, Item, Outcome
from medsr.batch.naming import README, as_page, description, page_path, thumbnail_path
from medsr.batch.plan import Plan
from medsr.remarks import Remark, in_order
from medsr.version import __version__
from medsr.volume.atomic import write_text
from medsr.volume.sidecar import read_own_record
from medsr.words import csv_cell, printable

if TYPE_CHECKING:
    from medsr.report.batch_page import PageRow

__all__ = ["FAULTS", "Results", "Row", "results_of", "summary_names", "write_summary"]

#: Ends for which a person has to do something.
FAULTS = (End.FAILED, End.SET_ASIDE, End.REFUSED)

#: Order of the page: what needs a person first.
ORDER = (*FAULTS, End.NOT_REACHED, End.BUSY, End.DONE, End.DONE_EARLIER, End.SKIPPED)


@dataclass(frozen=True)
class Row:
    """One scan in the summary; spacing in mm, `seconds` of work in this run."""

    key: str
    scan: str
    end: str
    reason: str
    modality: str
    files: int
    shape: str
    spacing_mm: str
    output_shape: str
    seconds: float
    remarks: tuple[Remark, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A row of `summary.json`; the remarks as in a sidecar."""
        return {**asdict(self), "remarks": [remark.to_json() for remark in self.remarks]}

    def cells(self) -> list[Any]:
        """A line of `summary.csv`; the remarks in one cell, doubts first."""
        return [*(asdict(self) | {"remarks": " ".join(map(str, self.remarks))}).values()]


@dataclass(frozen=True)
class Results:
    """What became of a plan: a row for each scan, those that need a person first."""

    rows: tuple[Row, ...]

    @property
    def counts(self) -> dict[str, int]:
        """End -> number of scans, in the order of the page."""
        found = Counter(row.end for row in self.rows)
        return {end: found[end] for end in ORDER if found[end]}

    def to_json(self) -> dict[str, Any]:
        """Counts and scans, as `summary.json` has them."""
        return {"Counts": self.counts, "Scans": [row.to_json() for row in self.rows]}

    @property
    def is_whole(self) -> bool:
        """Whether every scan that should be enhanced is, or is in the hands of another run."""
        return not any(row.end in (*FAULTS, End.NOT_REACHED) for row in self.rows)

    @property
    def faults(self) -> list[Row]:
        """The scans that failed, were set aside or refused."""
        return [row for row in self.rows if row.end in FAULTS]


def results_of(plan: Plan, outcomes: Mapping[str, Outcome]) -> Results:
    """Join a plan with what became of its scans."""
    rows = [
        _row(item, _with_remarks(_outcome(item, plan, outcomes), item, plan))
        for item in plan.items
    ]
    return Results(tuple(sorted(rows, key=lambda row: ORDER.index(row.end))))


def _outcome(item: Item, plan: Plan, outcomes: Mapping[str, Outcome]) -> Outcome:
    if item.decision != Decision.ENHANCE:
        return Outcome(
            item.key, End.SKIPPED if item.decision == Decision.SKIP else End.REFUSED, item.reason
        )
    if item.key in plan.done:
        return Outcome(item.key, End.DONE_EARLIER)
    return outcomes[item.key]


def _with_remarks(outcome: Outcome, item: Item, plan: Plan) -> Outcome:
    """A scan that was done earlier has its remarks in its sidecar."""
    if outcome.end is not End.DONE_EARLIER:
        return outcome
    found = (read_own_record(plan.job.out / item.output) or {}).get("Remarks")
    remarks = found if isinstance(found, list) else []
    return replace(outcome, remarks=in_order(map(Remark.from_json, remarks)))


def _row(item: Item, outcome: Outcome) -> Row:
    return Row(
        key=item.key,
        scan=item.label,
        end=outcome.end,
        reason=printable(outcome.reason),
        modality=item.modality,
        files=item.files,
        shape=_by(item.shape),
        spacing_mm=" x ".join(f"{mm:.3g}" for mm in item.spacing_mm or ()),
        output_shape=_by(item.fine_shape),
        seconds=outcome.seconds,
        remarks=outcome.remarks,
    )


def _by(shape: tuple[int, int, int] | None) -> str:
    return " x ".join(str(n) for n in shape or ())


def summary_names(plan: Plan) -> tuple[str, ...]:
    """The names of the summaries of a plan, without endings.

    A part of several has its own, `summary_K_of_N`, and so has each participant that was chosen,
    `summary_sub-01`, so that runs beside each other do not replace each other's. The same command
    without parts or participants writes the one of all.
    """
    return tuple(f"summary{mark}" for mark in _shares(plan))


def _shares(plan: Plan) -> dict[str, Sequence[Item]]:
    """What is added to the names of a summary -> the scans in it."""
    part = f"_{plan.part[0]}_of_{plan.part[1]}" if plan.part[1] > 1 else ""
    if not plan.participants:
        return {part: plan.items}
    return {
        f"_sub-{person}{part}": [i for i in plan.items if _first(i).startswith(f"sub-{person}/")]
        for person in plan.participants
    }


def write_summary(results: Results, plan: Plan) -> None:
    """Write summaries (CSV, JSON, HTML) and `where.csv`; in BIDS also what a dataset must have.

    Args:
        results: of the plan.
        plan: see `summary_names`.

    Raises:
        OutputError: the output folder cannot be written.
    """
    out = plan.job.out
    for mark, items in _shares(plan).items():
        keys = {item.key for item in items}
        share = Results(tuple(row for row in results.rows if row.key in keys))
        _write_share(share, items, out, mark)
    if plan.job.bids:
        page = as_page(description(plan.job.root, out))
        write_text(page, out / "dataset_description.json")
        write_text("summary*\nwhere*.csv\n", out / ".bidsignore")
        write_text(README, out / "README.md")


def _write_share(results: Results, items: Sequence[Item], out: Path, mark: str) -> None:
    facts = {"MedsrVersion": __version__, **results.to_json()}
    table = [list(Row.__dataclass_fields__), *(row.cells() for row in results.rows)]
    places = [["key", "folder", "output"], *map(_place, items)]
    write_text(as_page(facts), out / f"summary{mark}.json")
    write_text(_csv(table), out / f"summary{mark}.csv")
    write_text(_csv(places), out / f"where{mark}.csv")
    from medsr.report.batch_page import batch_page

    write_text(batch_page(_page_rows(results, out), results.counts), out / f"summary{mark}.html")


def _page_rows(results: Results, out: Path) -> list[PageRow]:
    from medsr.report.batch_page import PageRow

    return [
        PageRow(
            scan=row.scan,
            end=row.end,
            fault=row.end in FAULTS,
            reason=row.reason,
            remarks=row.remarks,
            facts=", ".join(
                word for word in (row.modality, row.shape, _mm(row.spacing_mm)) if word
            ),
            seconds=row.seconds,
            picture=_link(row, thumbnail_path(out, row.key), out),
            page=_link(row, page_path(out, row.key), out),
        )
        for row in results.rows
    ]


def _mm(words: str) -> str:
    return f"{words} mm" if words else ""


def _link(row: Row, path: Path, out: Path) -> str:
    """The relative path of something that belongs to a scan that is done; "" where none is."""
    shown = row.end in (End.DONE, End.DONE_EARLIER) and path.is_file()
    return path.relative_to(out).as_posix() if shown else ""


def _first(item: Item) -> str:
    """The first file of a scan, relative to the input folder."""
    return os.fsdecode(item.packed.partition(b"\0")[0])


def _place(item: Item) -> list[str]:
    first = _first(item)
    place = first if item.form == "nifti" else (os.path.dirname(first) or ".")
    return [item.key, place, item.output]


def _csv(rows: Iterable[Iterable[object]]) -> str:
    stream = io.StringIO()
    cells = ([csv_cell(value) for value in row] for row in rows)
    csv.writer(stream, lineterminator="\n").writerows(cells)
    return stream.getvalue()

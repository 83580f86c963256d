"""`medsr evaluate`: compare enhanced scans with references, for one pair or many subjects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medsr.errors import MedsrError, PartlyDone, UsageError
from medsr.evaluation import tables
from medsr.evaluation.case import Loaded, evaluate_loaded, load
from medsr.evaluation.group import Case, Group
from medsr.evaluation.pairing import CaseFiles, is_case_folder, match_folders, read_pairs
from medsr.report.case_page import case_page, case_page_path, group_report
from medsr.report.picture import compare_figure, save_picture
from medsr.volume.atomic import write_text

__all__ = ["Outcome", "Request", "run"]

_HINT = "Definitions of the metrics: medsr evaluate --explain, or --report.\n"


@dataclass(frozen=True)
class Request:
    """One call of `medsr evaluate`.

    Attributes:
        reference: a scan, or a folder of scans; None with `pairs`.
        estimates: method -> scan or folder.
        low, mask, labels: scans or folders, as `reference` is.
        pairs: CSV that says which files belong together.
        output: JSON to write.
        csv: table of every case to write.
        table: Markdown (.md) or LaTeX (.tex) table to write.
        picture: PNG of one pair.
        report: HTML page; for a group, pages of its cases go into a folder beside it.
    """

    reference: Path | None
    estimates: Mapping[str, Path]
    low: Path | None = None
    mask: Path | None = None
    labels: Path | None = None
    pairs: Path | None = None
    output: Path | None = None
    csv: Path | None = None
    table: Path | None = None
    picture: Path | None = None
    report: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found: a group of one or more cases, and sentences on what was left out."""

    group: Group
    is_pair: bool
    remarks: tuple[str, ...]
    failures: tuple[str, ...]

    def tell_failures(self) -> None:
        """Raise what went wrong with some of the cases, after all else is said.

        Raises:
            PartlyDone: a case could not be evaluated.
        """
        if self.failures:
            words = " ".join(self.failures)
            raise PartlyDone(f"{len(self.failures)} cases could not be evaluated. {words}")

    def to_text(self, *, explain: bool = False) -> str:
        """The results for a terminal; on request with the definition of every metric."""
        if self.is_pair:
            return self.group.cases[0].evaluation.to_text(explain=explain) + _HINT * (not explain)
        return tables.to_text(self.group)

    def to_json(self) -> str:
        """All results as JSON, for programs."""
        if self.is_pair:
            facts = self.group.cases[0].evaluation.to_json()
        else:
            facts = tables.to_json(self.group)
            facts |= {"remarks": list(self.remarks), "failures": list(self.failures)}
        return json.dumps(facts, indent=2) + "\n"


def run(request: Request) -> Outcome:
    """Compare, and write the options of the enhancement.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    cases, remarks, is_pair = _cases(request)
    done, failures = [], []
    for case in cases:
        try:
            done.append(_evaluate(case, request, is_pair=is_pair))
        except MedsrError as fault:
            if is_pair:
                raise
            failures.append(f"{case.name}: {fault}")
    if not done:
        raise PartlyDone(f"None of {len(cases)} cases could be evaluated. {failures[0]}")
    outcome = Outcome(Group(tuple(done)), is_pair, tuple(remarks), tuple(failures))
    _write(outcome, request)
    return outcome


def _cases(request: Request) -> tuple[list[CaseFiles], list[str], bool]:
    """The cases asked for, sentences on what has no match, and whether it is one pair."""
    if request.pairs is not None:
        if request.reference is not None or request.estimates:
            raise UsageError(
                "--pairs already lists the files; leave out --reference and --estimate(s)."
            )
        return read_pairs(request.pairs), [], False
    if request.reference is None or not request.estimates:
        raise UsageError("Give --reference and --estimate (or --estimates), or --pairs CSV.")
    more = {"low": request.low, "mask": request.mask, "labels": request.labels}
    if is_case_folder(request.reference):
        cases, remarks = match_folders(request.reference, request.estimates, **more)
        return cases, remarks, False
    name = request.reference.name
    return [CaseFiles(name, name, request.reference, request.estimates, **more)], [], True


def _evaluate(case: CaseFiles, request: Request, *, is_pair: bool) -> Case:
    loaded = load(case)
    evaluation = evaluate_loaded(loaded)
    if request.picture is not None:
        _draw(loaded, request.picture)
    if request.report is not None:
        page = request.report if is_pair else case_page_path(request.report, case.name)
        write_text(case_page(case, loaded, evaluation), page)
    return Case(case.name, case.person, evaluation)


def _draw(loaded: Loaded, picture: Path) -> None:
    """Before, after, reference and difference of the first estimate."""
    true = loaded.reference
    name = next(iter(loaded.estimates))
    same = {k: v for k, v in loaded.estimates.items() if v.shape == true.shape}
    if name not in same:
        raise UsageError(
            "--picture needs an estimate that covers the whole grid of the reference."
        )
    panels = {k: np.asarray(same[k].voxels) for k in ("cubic", name) if k in same}
    figure = compare_figure(panels, np.asarray(true.voxels), true.spacing_mm, true.unit)
    save_picture(figure, picture)


def _write(outcome: Outcome, request: Request) -> None:
    if request.report is not None and not outcome.is_pair:
        remarks = (*outcome.remarks, *outcome.failures)
        write_text(group_report(outcome.group, request.report, remarks), request.report)
    if request.output is not None:
        write_text(outcome.to_json(), request.output)
    if request.csv is not None:
        write_text(tables.to_csv(outcome.group), request.csv)
    if request.table is not None:
        if request.table.suffix not in {".md", ".tex"}:
            raise UsageError(f"{request.table.name}: a table must end in .md or .tex.")
        to_table = {".md": tables.to_markdown, ".tex": tables.to_latex}
        write_text(to_table[request.table.suffix](outcome.group), request.table)

"""`medsr evaluate`: compare enhanced scans with references, for one pair or many subjects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medsr.errors import MedsrError, PartlyDone, Refused, UsageError
from medsr.evaluation import tables
from medsr.evaluation.case import Loaded, evaluate_loaded, load
from medsr.evaluation.evaluation import Evaluation
from medsr.evaluation.group import Case, Group
from medsr.evaluation.pairing import (
    CaseFiles,
    LeftOut,
    is_case_folder,
    match_folders,
    read_pairs,
    unique,
)
from medsr.regions.reader import read_segmenter
from medsr.report.case_page import case_page, case_page_path, group_report
from medsr.report.picture import compare_figure, save_picture
from medsr.volume.atomic import write_text
from medsr.volume.placement import place
from medsr.words import printable

__all__ = ["Outcome", "Request", "run"]

_TABLES = {".md": tables.to_markdown, ".tex": tables.to_latex}


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
        every: all metrics in the table too; the other files always hold all.
        segmenter: folder of a segmentation network, for the regions.
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
    every: bool = False
    segmenter: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found.

    Attributes:
        group: one or more cases, and those that were left out.
        is_pair: whether one pair was asked for, rather than many cases.
        pages: the cases that have a page of their own.
        page_failures: sentences on pages that could not be made.
        written: the files that were asked for and are there.
    """

    group: Group
    is_pair: bool
    pages: tuple[str, ...] = ()
    page_failures: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on references without a match."""
        return tuple(f"{c.name}: {c.reason}" for c in self.group.left_out if not c.failed)

    @property
    def failures(self) -> tuple[str, ...]:
        """Sentences on cases that could not be compared."""
        return tuple(f"{c.name}: {c.reason}" for c in self.group.left_out if c.failed)

    def tell_failures(self) -> None:
        """Raise what went wrong with some of the cases, after all else is said.

        Raises:
            PartlyDone: a case could not be evaluated, or its page could not be made.
        """
        count, words = len(self.failures), []
        if count:
            cases = "1 case" if count == 1 else f"{count} cases"
            words.append(f"{cases} could not be evaluated. {' '.join(self.failures)}")
        words += self.page_failures
        if words:
            raise PartlyDone(" ".join(words))

    def to_text(self, *, every: bool = False, explain: bool = False) -> str:
        """The results for a terminal.

        Args:
            every: all metrics, linear interpolation too, and the settings.
            explain: also the definitions of the metrics shown.
        """
        if self.is_pair:
            text = self.group.cases[0].evaluation.to_text(every=every, explain=explain)
        else:
            text = tables.to_text(self.group, every=every, explain=explain)
        return text + _where(self.written, every=every, explain=explain)

    def to_json(self) -> str:
        """All results as JSON, for programs."""
        if self.is_pair:
            facts = self.group.cases[0].evaluation.to_json()
        else:
            facts = tables.to_json(self.group)
            facts |= {"remarks": list(self.remarks), "failures": list(self.failures)}
        return json.dumps(facts, indent=2) + "\n"


def run(request: Request) -> Outcome:
    """Compare, and write what the request asks for.

    A case that cannot be compared, or has no page, leaves the others; see `Outcome`.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    if request.table is not None and request.table.suffix not in _TABLES:
        raise UsageError(f"{request.table.name}: a table must end in .md or .tex.")
    cases, left_out, is_pair = _cases(request)
    if request.picture is not None and not is_pair:
        raise UsageError("--picture draws one pair; use --report for several cases.")
    segmenter = None if request.segmenter is None else read_segmenter(request.segmenter)
    done, pages, page_failures = list[Case](), list[str](), list[str]()
    for case in cases:
        try:
            loaded = load(case)
            evaluation = evaluate_loaded(loaded, segmenter)
        except MedsrError as fault:
            if is_pair:
                raise
            left_out.append(LeftOut(case.name, case.person, str(fault), failed=True))
            continue
        done.append(Case(case.name, case.person, evaluation))
        try:
            _show(case, loaded, evaluation, request, is_pair=is_pair)
            pages += [case.name] if request.report is not None else []
        except Refused as fault:
            page_failures.append(f"{case.name}: has metrics but no page or picture: {fault}")
    if not done:
        reasons = " ".join(f"{c.name}: {c.reason}" for c in left_out[:3])
        raise PartlyDone(f"None of {len(left_out)} cases could be evaluated. {reasons}")
    group = Group(tuple(done), tuple(left_out))
    outcome = Outcome(group, is_pair, tuple(pages), tuple(page_failures))
    return replace(outcome, written=_write(outcome, request))


def _cases(request: Request) -> tuple[list[CaseFiles], list[LeftOut], bool]:
    """The cases asked for, the references without a match, and whether it is one pair."""
    if request.pairs is not None:
        if request.reference is not None or request.estimates:
            raise UsageError(
                "--pairs already lists the files; leave out --reference and --estimate(s)."
            )
        return unique(read_pairs(request.pairs)), [], False
    if request.reference is None or not request.estimates:
        raise UsageError("Give --reference and --estimate (or --estimates), or --pairs CSV.")
    more = {"low": request.low, "mask": request.mask, "labels": request.labels}
    if is_case_folder(request.reference):
        cases, left_out = match_folders(request.reference, request.estimates, **more)
        return unique(cases), left_out, False
    name = request.reference.name
    return [CaseFiles(name, name, request.reference, request.estimates, **more)], [], True


def _show(
    case: CaseFiles, loaded: Loaded, evaluation: Evaluation, request: Request, *, is_pair: bool
) -> None:
    """The picture and the page of a case, where they are asked for."""
    if request.picture is not None:
        _draw(loaded, evaluation, request.picture)
    if request.report is not None:
        page = request.report if is_pair else case_page_path(request.report, case.name)
        write_text(case_page(case, loaded, evaluation), page)


def _draw(loaded: Loaded, evaluation: Evaluation, picture: Path) -> None:
    """Before, after, reference and difference of the first estimate, where they are compared."""
    true = loaded.reference
    name = next(iter(loaded.estimates))
    panels = {
        k: np.asarray(place(loaded.estimates[k], true).cut(evaluation.box))
        for k in ("cubic", name)
        if k in loaded.estimates
    }
    whole = tuple(slice(*ends) for ends in evaluation.box)
    figure = compare_figure(panels, np.asarray(true.voxels[whole]), true.spacing_mm, true.unit)
    save_picture(figure, picture)


def _write(outcome: Outcome, request: Request) -> tuple[Path, ...]:
    """Write the files of the whole request; all that were written, those of a pair too."""
    written = [] if request.picture is None else [request.picture]
    if request.report is not None:
        if not outcome.is_pair:
            remarks = (*outcome.remarks, *outcome.failures, *outcome.page_failures)
            page = group_report(outcome.group, request.report, outcome.pages, remarks)
            write_text(page, request.report)
        written += [request.report] if outcome.pages or not outcome.is_pair else []
    if request.output is not None:
        write_text(outcome.to_json(), request.output)
        written.append(request.output)
    if request.csv is not None:
        write_text(tables.to_csv(outcome.group), request.csv)
        written.append(request.csv)
    if request.table is not None:
        to_table = _TABLES[request.table.suffix]
        write_text(to_table(outcome.group, every=request.every), request.table)
        written.append(request.table)
    return tuple(written)


def _where(written: Sequence[Path], *, every: bool, explain: bool) -> str:
    """Two lines: where the files are, and where more is."""
    files = f"Written: {', '.join(printable(str(path)) for path in written)}.\n" if written else ""
    more = [] if every else ["all metrics: --all"]
    more += [] if explain else ["definitions: --explain"]
    more += [] if any(path.suffix == ".html" for path in written) else ["a page: --report"]
    words = "; ".join(more)
    return files + (f"{words[0].upper()}{words[1:]}.\n" if more else "")

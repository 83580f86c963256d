"""Tables of a group: CSV of every case, JSON, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from typing import Any

from medsr.evaluation.group import Group, Pairing, Summary
from medsr.evaluation.sentences import NO_LOW, definition, wrapped
from medsr.evaluation.statistics import DRAWS, FEWEST_PEOPLE
from medsr.metrics.registry import ALL_METRICS, FIRST
from medsr.words import csv_cell, latex_text, markdown_text, printable

__all__ = [
    "border_words",
    "caption",
    "left_out_words",
    "main_comparisons",
    "pairing_words",
    "summary_cell",
    "to_csv",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
]

#: A terminal shows so many warnings of a group; --all shows all.
MOST_WARNINGS = 5

#: After a heading: which way is closer to the reference.
ARROWS = {
    "higher": "(higher)",
    "lower": "(lower)",
    "zero": "(to 0)",
    "one": "(to 1)",
    "reference": "(to the reference's)",
}


def to_csv(group: Group) -> str:
    """One line for each case and method: case, person, method, a column a metric, remarks.

    A case that was left out has one line, with the reason among the remarks.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["case", "person", "method", *group.metrics, "remarks"])
    for case in group.cases:
        for row in case.evaluation.rows:
            values = {s.metric: s.value for s in row.scores}
            cells = ["" if values.get(m) is None else values[m] for m in group.metrics]
            names = (csv_cell(text) for text in (case.name, case.person, row.label))
            remarks = csv_cell("; ".join((*row.notes, *row.warnings)))
            writer.writerow([*names, *cells, remarks])
    for out_case in group.left_out:
        names = (csv_cell(text) for text in (out_case.name, out_case.person))
        cells = [""] * (1 + len(group.metrics))
        writer.writerow([*names, *cells, csv_cell(out_case.reason)])
    return out.getvalue()


def to_json(group: Group) -> dict[str, Any]:
    """Everything, in JSON's own types; infinite numbers are the text "infinity"."""
    return {
        "people": len(group.people),
        "methods": list(group.methods),
        "caption": caption(group),
        "metrics": {
            m: {
                "title": ALL_METRICS[m].title,
                "unit": _unit(group, m),
                "better": ALL_METRICS[m].better,
                "definition": ALL_METRICS[m].definition,
            }
            for m in group.metrics
        },
        "summaries": [_finite(asdict(s)) for s in group.summaries],
        "pairings": [_finite(asdict(p)) for p in group.pairings],
        "cases": [
            {"name": c.name, "person": c.person, **c.evaluation.to_json()} for c in group.cases
        ],
        "left_out": [asdict(c) for c in group.left_out],
    }


def to_markdown(group: Group, *, every: bool = False) -> str:
    """Mean and interval, one line a metric, one column a method; then the comparisons."""
    heads, *rows = _cells(group, every=every)
    lines = [_pipe(list(map(markdown_text, heads))), _pipe(["---"] * len(heads))]
    lines += [_pipe(cells) for cells in rows]
    lines += ["", caption(group)]
    words = [*map(pairing_words, main_comparisons(group, every=every)), *left_out_words(group)]
    if words:
        lines += ["", *(f"- {markdown_text(w)}" for w in words)]
    return "\n".join(lines) + "\n"


def to_latex(group: Group, *, every: bool = False) -> str:
    """The same table for LaTeX with booktabs."""
    heads, *rows = (" & ".join(map(latex_text, c)) + r" \\" for c in _cells(group, every=every))
    columns = "l" + "r" * (heads.count("&"))
    body = [r"\begin{tabular}{" + columns + "}", r"\toprule", heads, r"\midrule", *rows]
    notes = [f"% {line}" for line in (caption(group), *map(printable, left_out_words(group)))]
    return "\n".join([*body, r"\bottomrule", r"\end{tabular}", *notes]) + "\n"


def to_text(group: Group, *, every: bool = False, explain: bool = False) -> str:
    """For a terminal: warnings, the table with its columns lined up, and the comparisons.

    Args:
        group: the cases.
        every: all metrics and methods; otherwise those that are shown first, and comparisons with
            the first method.
        explain: also the definitions of the metrics shown.
    """
    cells = [list(map(printable, line)) for line in _cells(group, every=every)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)).rstrip() for line in cells
    ]
    pairs = main_comparisons(group, every=every)
    shown = [p for p in pairs if every or p.first == group.methods[0]]
    notes = [*left_out_words(group), *border_words(group), *map(pairing_words, shown)]
    if "consistency" not in group.metrics:
        notes.append(NO_LOW)
    if explain:
        notes += map(definition, group.metrics if every else group.first_metrics)
    before = [line for words in _warnings(group, every=every) for line in wrapped(words)]
    after = [line for words in (caption(group), *notes) for line in wrapped(printable(words))]
    return "\n".join([*before, *lines, "", *after]) + "\n"


def _warnings(group: Group, *, every: bool) -> list[str]:
    """The warnings of all cases; where they are many, the first of them and how many there are."""
    found = [
        f"WARNING: {printable(c.name)}: {w}" for c in group.cases for w in c.evaluation.warnings
    ]
    if every or len(found) <= MOST_WARNINGS:
        return found
    more = len(found) - MOST_WARNINGS
    return [*found[:MOST_WARNINGS], f"WARNING: {more} more; --all, --csv and --report show them."]


def left_out_words(group: Group) -> list[str]:
    """A sentence for each reference without numbers."""
    return [f"Not evaluated: {case.name}: {case.reason}" for case in group.left_out]


def border_words(group: Group) -> list[str]:
    """A sentence where cases are compared on a part of their reference."""
    partly = [
        case.name
        for case in group.cases
        if case.evaluation.box_shape != case.evaluation.reference_shape
    ]
    if not partly:
        return []
    names = ", ".join(partly[:3]) + (", ..." if len(partly) > 3 else "")
    return [
        f"In {_count(len(partly), 'case', 'cases')} the estimates do not cover the whole "
        f"reference, and what they share is compared ({names}; --csv and -o say which part)."
    ]


def caption(group: Group) -> str:
    """What the numbers of the table are, in one paragraph."""
    people, cases = len(group.people), len(group.cases)
    few = (
        f" With {people} subjects no signed-rank test can reach 0.05."
        if people < FEWEST_PEOPLE and len(group.methods) > 1
        else ""
    )
    return (
        f"Means over {people} {'subject' if people == 1 else 'subjects'} ({cases} "
        f"{'case' if cases == 1 else 'cases'}; cases of one subject are averaged first), "
        f"with 95 % percentile bootstrap intervals over subjects ({DRAWS} draws).{few}"
    )


def main_comparisons(group: Group, *, every: bool = False) -> list[Pairing]:
    """Each two methods in the first metrics; JSON and the page hold all metrics."""
    methods = set(group.methods if every else group.first_methods)
    shown = [p for p in group.pairings if p.metric in FIRST and {p.first, p.second} <= methods]
    return [p for p in shown if p.people]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def pairing_words(pair: Pairing) -> str:
    """One comparison as a sentence: wins and losses, improvement, p."""
    metric = ALL_METRICS[pair.metric]
    by = (
        ""
        if pair.improvement is None
        else f", mean improvement {pair.improvement:.{metric.digits}f}"
    )
    if pair.interval is not None:
        by += " [" + ", ".join(f"{end:.{metric.digits}f}" for end in pair.interval) + "]"
    p = "" if pair.p is None else f", Wilcoxon p = {pair.p:.2g} (Holm {pair.p_holm:.2g})"
    names = f"{printable(pair.first)} vs {printable(pair.second)}"
    return (
        f"{metric.title}: {names}: {_count(pair.wins, 'win', 'wins')}, "
        f"{_count(pair.ties, 'tie', 'ties')}, "
        f"{_count(pair.losses, 'loss', 'losses')}{by}{p}."
    )


def _cells(group: Group, *, every: bool) -> list[list[str]]:
    """A line of headings, then one a metric: mean and interval of each method."""
    summaries = {(s.metric, s.method): s for s in group.summaries}
    metrics = group.metrics if every else group.first_metrics
    methods = group.methods if every else group.first_methods
    people = len(group.people)
    return [
        ["", *methods],
        *(
            [_heading(group, m), *(summary_cell(summaries[m, n], people) for n in methods)]
            for m in metrics
        ),
    ]


def _heading(group: Group, metric: str) -> str:
    unit = _unit(group, metric)
    arrow = ARROWS[ALL_METRICS[metric].better]
    return f"{ALL_METRICS[metric].title}{f' [{unit}]' if unit else ''} {arrow}"


def _unit(group: Group, metric: str) -> str:
    return group.cases[0].evaluation.unit_of(metric)


def summary_cell(summary: Summary, people: int) -> str:
    """Mean and interval, and how many of the people have a number where not all do."""
    if summary.mean is None:
        return "-"
    digits = ALL_METRICS[summary.metric].digits
    text = f"{summary.mean:.{digits}f}"
    if summary.interval is not None:
        text += " [" + ", ".join(f"{end:.{digits}f}" for end in summary.interval) + "]"
    return text if summary.people == people else f"{text} (n = {summary.people})"


def _pipe(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _finite(value: Any) -> Any:
    """The same with infinite numbers as words, which strict JSON needs."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "infinity" if value > 0 else "-infinity"
    return value

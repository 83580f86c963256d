"""Tables of a group: CSV of every case, JSON, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from typing import Any

from medsr.evaluation.group import Group, Pairing, Summary
from medsr.evaluation.statistics import DRAWS, FEWEST_PEOPLE
from medsr.metrics.registry import ALL_METRICS
from medsr.words import csv_cell, latex_text, markdown_text, printable

__all__ = [
    "MAIN",
    "caption",
    "main_comparisons",
    "pairing_words",
    "to_csv",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
]

#: The numbers whose comparisons a text spells out.
MAIN = ("psnr", "ssim_3d", "hfen", "rise_slices", "consistency", "tissue_dice")

#: After a heading: which way is closer to the reference.
ARROWS = {
    "higher": "(higher)",
    "lower": "(lower)",
    "zero": "(to 0)",
    "one": "(to 1)",
    "reference": "(to the reference's)",
}


def to_csv(group: Group) -> str:
    """One line for each case and method: case, person, method, then one column a metric."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["case", "person", "method", *group.metrics])
    for case in group.cases:
        for row in case.evaluation.rows:
            values = {s.metric: s.value for s in row.scores}
            cells = ["" if values.get(m) is None else values[m] for m in group.metrics]
            names = (csv_cell(text) for text in (case.name, case.person, row.label))
            writer.writerow([*names, *cells])
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
    }


def to_markdown(group: Group) -> str:
    """Mean and interval, one line a metric, one column a method; then the comparisons."""
    heads = ["", *map(markdown_text, group.methods)]
    lines = [_pipe(heads), _pipe(["---"] * len(heads))]
    lines += [_pipe(cells) for cells in _rows(group)]
    lines += ["", caption(group)]
    words = main_comparisons(group)
    if words:
        lines += ["", *(f"- {markdown_text(w)}" for w in words)]
    return "\n".join(lines) + "\n"


def to_latex(group: Group) -> str:
    """The same table for LaTeX with booktabs."""
    columns = "l" + "r" * len(group.methods)
    rows = [" & ".join(map(latex_text, cells)) + r" \\" for cells in _rows(group)]
    heads = " & ".join(latex_text(m) for m in ("", *group.methods)) + r" \\"
    body = [r"\begin{tabular}{" + columns + "}", r"\toprule", heads, r"\midrule", *rows]
    return "\n".join([*body, r"\bottomrule", r"\end{tabular}", f"% {caption(group)}"]) + "\n"


def to_text(group: Group) -> str:
    """For a terminal: the Markdown table with its columns lined up."""
    cells = [["", *map(printable, group.methods)], *_rows(group)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)).rstrip() for line in cells
    ]
    warnings = [
        f"WARNING: {printable(c.name)}: {w}" for c in group.cases for w in c.evaluation.warnings
    ]
    words = main_comparisons(group)
    return "\n".join([*warnings, *lines, "", caption(group), *words]) + "\n"


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


def main_comparisons(group: Group) -> list[str]:
    """A sentence for each two methods in the main numbers; JSON and the page hold all."""
    return [pairing_words(p) for p in group.pairings if p.metric in MAIN]


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


def _rows(group: Group) -> list[list[str]]:
    summaries = {(s.metric, s.method): s for s in group.summaries}
    return [
        [_heading(group, m), *(_cell(summaries[m, n]) for n in group.methods)]
        for m in group.metrics
    ]


def _heading(group: Group, metric: str) -> str:
    unit = _unit(group, metric)
    arrow = ARROWS[ALL_METRICS[metric].better]
    return f"{ALL_METRICS[metric].title}{f' [{unit}]' if unit else ''} {arrow}"


def _unit(group: Group, metric: str) -> str:
    return group.cases[0].evaluation.unit_of(metric)


def _cell(summary: Summary) -> str:
    if summary.mean is None:
        return "-"
    digits = ALL_METRICS[summary.metric].digits
    text = f"{summary.mean:.{digits}f}"
    if summary.interval is not None:
        text += " [" + ", ".join(f"{end:.{digits}f}" for end in summary.interval) + "]"
    return text


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

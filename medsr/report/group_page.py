"""The report of a group: means, comparisons, and links to every case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medsr.evaluation.group import Group, Pairing
from medsr.evaluation.tables import main_comparisons
from medsr.metrics.registry import ALL_METRICS
from medsr.report.curves import Curve
from medsr.report.methods import evaluation_words
from medsr.report.numbers import group_table
from medsr.report.page import render
from medsr.report.plots import people_plot

__all__ = ["group_page"]

STATISTICS = (
    "Intervals are 95 % percentile bootstrap intervals over subjects; methods were "
    "compared by Wilcoxon's signed-rank test on paired differences with Holm's "
    "correction over the pairs of methods of each number."
)


def group_page(
    group: Group,
    title: str,
    links: Mapping[str, str],
    remarks: Sequence[str] = (),
) -> str:
    """The HTML of a group.

    Args:
        group: the cases.
        title: of the page.
        links: case -> address of its own page, relative to this one.
        remarks: what went wrong; shown first.
    """
    warnings = [f"{c.name}: {w}" for c in group.cases for w in c.evaluation.warnings]
    drawn = group.first_metrics
    first = group.cases[0].evaluation
    return render(
        "group.html",
        title=title,
        warnings=[*remarks, *warnings],
        tables=[group_table(group)],
        comparisons=[_comparison(p) for p in main_comparisons(group)],
        all_comparisons=[_comparison(p) for p in group.pairings if p.people],
        curves=[_dots(group, name) for name in drawn],
        heads=[first.heading(name) for name in drawn],
        rows=_rows(group, drawn, links),
        left_out=group.left_out,
        methods=f"{evaluation_words(first)} {STATISTICS}",
        facts=first.facts()[1:],
    )


def _dots(group: Group, name: str) -> Curve:
    values = {}
    for method in group.methods:
        found = group.values(name, method)
        values[method] = np.array([found.get(c.name, np.nan) for c in group.cases])
        values[method][np.isinf(values[method])] = np.nan
    metric = ALL_METRICS[name]
    heading = group.cases[0].evaluation.heading(name)
    return Curve(
        metric.title,
        "Each dot is a case; lines join the values of one case.",
        people_plot(values, heading),
    )


def _comparison(pair: Pairing) -> tuple[str, ...]:
    """Number, methods, won - tied - lost, improvement, p, p by Holm."""
    metric = ALL_METRICS[pair.metric]
    better = "-" if pair.improvement is None else f"{pair.improvement:.{metric.digits}f}"
    if pair.interval is not None:
        better += " [" + ", ".join(f"{end:.{metric.digits}f}" for end in pair.interval) + "]"
    p, p_holm = ("-" if v is None else f"{v:.2g}" for v in (pair.p, pair.p_holm))
    record = f"{pair.wins} - {pair.ties} - {pair.losses}"
    return metric.title, f"{pair.first} vs {pair.second}", record, better, p, p_holm


def _rows(
    group: Group, names: Sequence[str], links: Mapping[str, str]
) -> list[tuple[str, str, str, str, list[str]]]:
    """(case, link, person, method, cells) of every case and method."""
    numbers = {(n, m): group.values(n, m) for n in names for m in group.methods}
    result = []
    for case in group.cases:
        for method in (row.label for row in case.evaluation.rows):
            found = [numbers[name, method].get(case.name) for name in names]
            cells = [
                "-" if v is None else f"{v:.{ALL_METRICS[n].digits}f}"
                for n, v in zip(names, found, strict=True)
            ]
            result.append((case.name, links.get(case.name, ""), case.person, method, cells))
    return result

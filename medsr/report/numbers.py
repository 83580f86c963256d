"""Tables of a report: each metric with its unit, direction and definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medsr.evaluation.evaluation import Evaluation
from medsr.evaluation.group import Group
from medsr.evaluation.scores import Row
from medsr.evaluation.sentences import NO_LOW
from medsr.evaluation.tables import border_words, caption, left_out_words, summary_cell
from medsr.metrics.registry import ALL_METRICS, BETTER_WORDS

__all__ = ["Line", "Table", "group_table", "region_table", "score_table", "tissue_table"]


@dataclass(frozen=True)
class Line:
    """One line of a table: heading, which way is better, definition, cells."""

    heading: str
    better: str
    definition: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: title, columns, lines, words below.

    Attributes:
        title: its heading.
        columns: what is compared.
        lines: one a metric.
        words: sentences below.
        more: a second table, folded until it is asked for.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    words: Sequence[str] = ()
    more: Table | None = None


def score_table(evaluation: Evaluation) -> Table:
    """The numbers of one case: each estimate's, then the reference's own; all of them folded."""
    every = _scores("All metrics", evaluation, evaluation.metrics, evaluation.rows)
    first = _scores("Numbers", evaluation, evaluation.first_metrics, evaluation.first_rows)
    return replace(first, words=evaluation.without(), more=every)


def _scores(
    title: str, evaluation: Evaluation, metrics: Sequence[str], rows: Sequence[Row]
) -> Table:
    heads, *cells = (
        (*estimates, own) for _, own, *estimates in evaluation.table(metrics, rows)
    )  # a narrow screen shows the estimates first
    lines = [_line(evaluation, name, line) for name, line in zip(metrics, cells, strict=True)]
    return Table(title, heads, tuple(lines))


def tissue_table(evaluation: Evaluation) -> Table | None:
    """Overlap and volume of each label, where a label map was given."""
    if not evaluation.tissues:
        return None
    columns = tuple(evaluation.tissues)
    lines = []
    for i, tissue in enumerate(evaluation.tissues["reference"]):
        each = [evaluation.tissues[name][i] for name in columns]
        lines.append(
            Line(
                f"Label {tissue.label}: Dice",
                BETTER_WORDS["higher"],
                "Overlap of the mixture segmentation with the given label map.",
                tuple(f"{t.dice:.4f}" for t in each),
            )
        )
        lines.append(
            Line(
                f"Label {tissue.label}: volume [ml]",
                BETTER_WORDS["reference"],
                "Volume in the mixture segmentation, and its change against the reference's.",
                tuple(f"{t.volume_ml:.1f} ({t.change_percent:+.1f} %)" for t in each),
            )
        )
    return Table("Tissue segmentation", columns, tuple(lines))


def region_table(evaluation: Evaluation) -> Table | None:
    """Volume and overlap of each region, where a segmenter was given."""
    if not evaluation.regions:
        return None
    columns = tuple(evaluation.regions)
    lines = [
        Line(
            f"{region.name} [ml]",
            BETTER_WORDS["reference"],
            "Volume in the segmentation of this image, its change against the reference's, Dice.",
            tuple(
                f"{r.volume_ml:.1f} ({r.change_percent:+.1f} %, {r.dice:.3f})"
                for r in (evaluation.regions[name][i] for name in columns)
            ),
        )
        for i, region in enumerate(evaluation.regions["reference"])
    ]
    return Table("Regions: volume (change, Dice)", columns, tuple(lines))


def group_table(group: Group) -> Table:
    """Means with intervals; all metrics of all methods folded."""
    every = _means("All metrics", group, group.metrics, group.methods)
    first = _means("Means over subjects", group, group.first_metrics, group.first_methods)
    words = [caption(group), *left_out_words(group), *border_words(group)]
    if "consistency" not in group.metrics:
        words.append(NO_LOW)
    return replace(first, words=words, more=every)


def _means(title: str, group: Group, metrics: Sequence[str], methods: Sequence[str]) -> Table:
    found = {(s.metric, s.method): s for s in group.summaries}
    people, first = len(group.people), group.cases[0].evaluation
    lines = [
        _line(first, n, tuple(summary_cell(found[n, m], people) for m in methods)) for n in metrics
    ]
    return Table(title, tuple(methods), tuple(lines))


def _line(evaluation: Evaluation, name: str, cells: tuple[str, ...]) -> Line:
    metric = ALL_METRICS[name]
    return Line(evaluation.heading(name), BETTER_WORDS[metric.better], metric.definition, cells)

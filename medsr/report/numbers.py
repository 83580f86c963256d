"""Tables of a report: each metric with its unit, direction and definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsr.evaluation.evaluation import Evaluation, cell
from medsr.evaluation.group import Group
from medsr.evaluation.tables import caption
from medsr.metrics.registry import ALL_METRICS, BETTER_WORDS

__all__ = ["Line", "Table", "group_tables_of", "score_table", "tissue_table"]


@dataclass(frozen=True)
class Line:
    """One line of a table: heading, which way is better, definition, cells."""

    heading: str
    better: str
    definition: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: title, columns, lines, words below."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    words: Sequence[str] = ()


def score_table(evaluation: Evaluation) -> Table:
    """The numbers of one case: the reference's own, then each estimate's."""
    own = {s.metric: s for s in evaluation.reference_scores}
    lines = []
    for i, name in enumerate(evaluation.metrics):
        scores = [own.get(name), *(row.scores[i] for row in evaluation.rows)]
        lines.append(_line(evaluation, name, tuple(map(cell, scores))))
    columns = ("reference", *(row.label for row in evaluation.rows))
    return Table("Numbers", columns, tuple(lines))


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


def group_tables_of(group: Group) -> list[Table]:
    """Means with intervals."""
    found = {(s.metric, s.method): s for s in group.summaries}
    first = group.cases[0].evaluation
    lines = []
    for name in group.metrics:
        digits = ALL_METRICS[name].digits
        cells = []
        for method in group.methods:
            s = found[name, method]
            text = "-" if s.mean is None else f"{s.mean:.{digits}f}"
            if s.interval is not None:
                text += f" [{s.interval[0]:.{digits}f}, {s.interval[1]:.{digits}f}]"
            cells.append(text)
        lines.append(_line(first, name, tuple(cells)))
    return [Table("Means over subjects", group.methods, tuple(lines), [caption(group)])]


def _line(evaluation: Evaluation, name: str, cells: tuple[str, ...]) -> Line:
    metric = ALL_METRICS[name]
    return Line(evaluation.heading(name), BETTER_WORDS[metric.better], metric.definition, cells)

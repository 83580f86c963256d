"""Line plots of a page, as SVG that takes the page's text colour: light, dark and in print.

Estimate and interpolation differ in colour (blue and orange, which the colour-blind tell apart)
and in dashes; the reference has the text's own colour.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medsr.words import printable

__all__ = ["COLOURS", "Lines", "histogram", "line_plot", "people_plot"]

#: Stands for the page's text colour until the SVG is written.
INK = "#010203"

#: Role -> colour, dashes.
COLOURS = {
    "before": ("#c8780a", (0, (4, 2))),
    "after": ("#2f86c6", "solid"),
    "reference": (INK, (0, (1, 1))),
}

#: What a line plot shows: label -> (role, x, y).
Lines = Mapping[str, tuple[str, NDArray[np.float64], NDArray[np.float64]]]

#: A logarithmic axis reaches this far down from the highest value.
DECADES = 1e7

SIZE = (5.2, 3.0)  # inches
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "medsr",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}


def line_plot(lines: Lines, x_label: str, y_label: str, *, log: bool = False) -> str:
    """Curves with a legend, as an SVG element.

    Args:
        lines: in drawing order.
        x_label, y_label: with units.
        log: a logarithmic y axis.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        for label, (role, x, y) in lines.items():
            colour, dashes = COLOURS[role]
            axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.6, label=_plain(label))
        if log:
            axes.set_yscale("log")
            top = max(float(y.max()) for _, _, y in lines.values())
            axes.set_ylim(bottom=top / DECADES)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.margins(x=0)
        figure.legend(loc="outside upper right", ncols=len(lines))
        return _svg(figure)


def histogram(
    images: Mapping[str, tuple[str, NDArray[np.float64]]], unit: str, bins: int = 128
) -> str:
    """Share of voxels by intensity: label -> (role, values).

    One set of bins for all, from the first to the last half per mille of all values.
    """
    everything = np.concatenate([values for _, values in images.values()])
    low, high = np.percentile(everything, [0.05, 99.95])
    edges = np.linspace(low, max(high, low + 1e-6), bins + 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    lines = {
        label: (role, middles, 100 * np.histogram(values, edges)[0] / len(values))
        for label, (role, values) in images.items()
    }
    return line_plot(lines, f"intensity, {unit}", "share of voxels, %")


def people_plot(values: Mapping[str, NDArray[np.float64]], y_label: str) -> str:
    """One column of dots a method, the same person's dots joined; as SVG.

    Args:
        values: method -> one number a case, in one order of cases; NaN where there is none.
        y_label: the metric and its unit.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(2.6, 1.2 + 0.9 * len(values)), 3.0), layout="constrained")
        axes = figure.subplots()
        table = np.stack(list(values.values()))
        for case in table.T:
            axes.plot(case, color=INK, linewidth=0.5, alpha=0.5)
        for i, column in enumerate(table):
            axes.plot(
                np.full(len(column), i), column, "o", color=COLOURS["after"][0], markersize=5
            )
        axes.set_xticks(range(len(values)), [_plain(name) for name in values])
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_ylabel(y_label)
        return _svg(figure)


def _plain(label: str) -> str:
    """A label that matplotlib does not take for mathematics."""
    return printable(label).replace("$", r"\$")


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(
        out,
        format="svg",
        transparent=True,
        metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
    )
    text = out.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")

"""Plots take any label as it is."""

import numpy as np
import pytest

from medsr.report.plots import line_plot, people_plot


@pytest.mark.parametrize("name", ["$x^$", "$\\frac$", "a$b", "50 %", "a\x1bb", "_hidden", "<b>&"])
def test_no_label_is_mathematics(name):
    values = np.array([1.0, 2.0, 3.0])
    plot = people_plot({name: values, "other": values}, "dB")
    lines = {name: ("after", values, values), "other": ("before", values, values)}
    for svg in (plot, line_plot(lines, "x", "y", log=True)):
        assert svg.startswith("<svg")
        assert "\x1b" not in svg
    if "$" in name:
        assert name in plot

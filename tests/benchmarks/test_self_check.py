"""The volumes and the table of benchmarks/quality/self_check.py."""

import numpy as np
import pytest

from benchmarks.quality.self_check import Row, strange_table, tables
from benchmarks.quality.strangers import SIDES, STRANGERS


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_a_volume_with_content_and_the_same_each_time(name):
    volume = STRANGERS[name]()
    assert (volume.shape, volume.dtype) == (SIDES, np.float32)
    assert volume.min() >= 0
    assert np.ptp(volume) > 10
    assert np.array_equal(volume, STRANGERS[name]())


def row(scan, kind, true, checked):
    return Row(scan, kind, 4.0, true, checked, 1.2 * true, 1.2 * true, "helps")


def test_the_summary_leaves_references_in_thick_slices_out():
    rows = [row(f"scan{k}", "held out", 1.0 + k, 1.5 + k) for k in range(3)]
    found = tables([*rows, row("thick", "thick", 3.0, 1.0)])
    assert "| all | 3 | 3 | 1.00 to 3.00 | 1.00 | 1.00 | 0.50 | +0.50 |" in found
    assert "| thick (reference in thick slices) | 4 | 3.00 | 1.00 |" in found


def test_the_sign_of_a_stranger_is_counted():
    found = strange_table([row("a", "stranger", -1.0, -0.5), row("b", "stranger", 0.5, -0.1)])
    assert "right for 1 of 2" in found

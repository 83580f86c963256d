"""The benchmark of regions: its rows, its table, and that a stopped run goes on."""

import numpy as np
import pytest

from benchmarks.quality.segmentation import CUBIC, MEAN, Row, Study, axial, region_table, table
from medsr.volume.volume import Volume


def row(person, method, errors):
    regions = {f"r{k}": (10 + e / 10, 10.0, 0.9) for k, e in enumerate(errors)}
    return Row(("net", person, 4.0, method, ""), regions, 1.0)


def test_errors_are_percent_of_the_fine_scan():
    assert row("a", CUBIC, [4, -2]).errors == pytest.approx([4, 2])


def test_the_table_has_the_share_of_cubic_and_of_halved_regions():
    rows = [row("a", CUBIC, [4, 4]), row("b", CUBIC, [8, 8])]
    rows += [row("a", MEAN, [1, -3]), row("b", MEAN, [2, 2])]
    lines = table(rows).splitlines()
    assert lines[2].startswith("| 4 mm | cubic | 2 | 6.00 [4.00, 8.00] |  |  |")
    assert lines[3].startswith(
        "| 4 mm | medsr, posterior mean | 2 | 2.00 [2.00, 2.00] | 33 % | 75 %"
    )
    assert "| r1 | 10.0 | +6.0 | -0.5 |" in region_table(rows, 4.0)


def test_rows_are_kept_and_known_again(tmp_path):
    study = Study(None, tmp_path / "runs" / "rows.jsonl")
    assert study.known() == {}
    kept = row("a", CUBIC, [4])
    study.add(kept)
    study.add(row("a", MEAN, [1]))
    found = study.known()
    assert len(found) == 2
    assert found[kept.key].errors == pytest.approx([4])


def test_axial_puts_foot_head_last_and_moves_nothing():
    affine = np.array([[0.0, 0, 1, 3], [2, 0, 0, -4], [0, 1.5, 0, 7], [0, 0, 0, 1]])
    scan = Volume(np.random.default_rng(0).random((4, 5, 6)), affine, modality="MR")
    found = axial(scan)
    assert found.shape == (4, 6, 5)
    assert np.abs(found.affine[2, :3]).argmax() == 2
    i, j, k = 1, 2, 3
    np.testing.assert_allclose(found.affine @ [i, k, j, 1], affine @ [i, j, k, 1])
    assert found.voxels[i, k, j] == scan.voxels[i, j, k]

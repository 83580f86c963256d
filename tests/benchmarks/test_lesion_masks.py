"""The lesion benchmark on volumes where the answer is known."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.quality.lesion_masks import SIZES, Lesion, invented, recovered, shapes, tables
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume

ONE = (1.0, 1.0, 1.0)


def lesion():
    soft = np.zeros((11, 11, 11), np.float32)
    soft[4:7, 4:7, 4:7] = 1
    return Lesion((slice(5, 16),) * 3, soft, 1)


def test_a_lesion_that_is_there_is_kept_and_one_at_half_is_halved():
    one = lesion()
    change = np.zeros((30, 30, 30))
    change[one.box] = -200 * one.soft
    assert recovered(change, one, -200.0, ONE) == pytest.approx((1, 0))
    assert recovered(change / 2, one, -200.0, ONE) == pytest.approx((0.5, 0))
    assert recovered(change * 0, one, -200.0, ONE)[0] == 0


def test_a_moved_lesion_says_how_far_in_mm():
    one = lesion()
    change = np.zeros((30, 30, 30))
    change[one.box] = 100 * np.roll(one.soft, 2, axis=2)
    share, moved = recovered(change, one, 100.0, (1.0, 1.0, 1.5))
    assert moved == pytest.approx(3.0)
    assert share == pytest.approx(1 / 3)


def test_only_spots_that_nobody_else_has_are_invented():
    quiet = np.zeros((48, 48, 48))
    spot = quiet.copy()
    spot[20:24, 20:24, 20:24] = 300
    inside = np.ones(quiet.shape, bool)

    def count(fine, cubic, mine, amplitude=100.0):
        found = {"fine": fine, "cubic": cubic, "m": mine}
        return invented(found, "m", inside, ONE, amplitude)

    assert count(quiet, quiet, spot) == 1
    assert count(quiet, quiet, spot, -100.0) == 0  # bright is no dark lesion
    assert count(quiet, quiet, -spot, -100.0) == 1
    assert count(spot, quiet, spot) == 0
    assert count(quiet, spot, spot) == 0
    assert count(quiet, quiet, spot / 10) == 0
    assert count(np.roll(spot, 10, axis=0), quiet, spot) == 1
    big = ndimage.gaussian_filter(quiet + 300.0 * (np.indices(quiet.shape)[0] > 24), 6)
    assert count(quiet, quiet, big) == 0  # a slope is no spot


def test_shapes_come_in_their_sizes_and_touch_nothing_else(tmp_path):
    mask = np.zeros((60, 60, 60), np.float32)
    mask[5:7, 5:8, 5:7] = 1  # 12
    mask[20:23, 20:23, 20:23] = 1  # 27
    mask[40:45, 40:45, 40:45] = 1  # 125
    mask[0:1, 0:1, 0:3] = 1  # 3: too small
    write_nifti(Volume(mask, np.eye(4), modality="MR"), tmp_path / "a.nii.gz", {})
    found = shapes([tmp_path], np.random.default_rng(0))
    assert {k: [int(m.sum()) for m in v] for k, v in found.items()} == {
        0: [12], 1: [27], 2: [125], 3: [],
    }  # fmt: skip


def test_the_table_counts_and_averages():
    row = {"scan": "a", "mm": 4.0, "method": "cubic", "lesions": [[0, 0.2, 1.0], [0, 0.8, 0.0]]}
    mine = row | {"method": "medsr, posterior mean", "lesions": [[3, 0.9, 0.5]]}
    text = tables([r | {"invented": 3, "litres": 1.5} for r in (row, mine)])
    least, most = SIZES[0]
    assert (
        f"| 4 mm | {least}-{most} | cubic | 2, 1 | 0.50 | 50% | 0% | 50% | 0.50 (0.90) |" in text
    )
    assert "| 4 mm | medsr, posterior mean | 1 | 2.0 |" in text

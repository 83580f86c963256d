"""Conforming, volumes and overlap on a drawn head."""

import itertools

import numpy as np
import pytest

from medsr.errors import Refused
from medsr.regions import segmenter as grid
from medsr.regions.compare import compare_regions, labelled_regions
from medsr.regions.reader import read_segmenter
from medsr.regions.segmenter import conform, field_of_view


def head(radius=14, shift=(0, 0, 0)):
    """A ball of 1 in a ball of 0.5, [60, 62, 64]."""
    axes = [np.arange(n) - (n - 1) / 2 - s for n, s in zip((60, 62, 64), shift, strict=True)]
    distance = np.sqrt(sum(g**2 for g in np.meshgrid(*axes, indexing="ij")))
    return 0.5 * (distance < 26) + 0.5 * (distance < radius)


def test_conform_turns_the_axes_left_down_and_front():
    voxels = np.zeros((20, 30, 40))
    voxels[2, 25, 35] = 100  # left... of the middle in RAS: low x; front: high y; up: high z
    image = conform(voxels, np.eye(4))
    (i, j, k) = np.argwhere(image > 0.2).mean(axis=0)
    # scan index (2, 25, 35) is (-7.5, 10.5, 15.5) mm from its centre
    assert (i, j, k) == pytest.approx((127.5 + 7.5, 127.5 - 15.5, 127.5 + 10.5))


def test_conform_does_not_depend_on_how_the_scan_is_stored():
    rng = np.random.default_rng(0)
    voxels = rng.random((16, 18, 20))
    affine = np.array([[0.0, 0, 1.1, 5], [-0.9, 0, 0, 3], [0, 1.0, 0, -7], [0, 0, 0, 1]])
    expected = conform(voxels, affine)
    for order, flip in itertools.product(((2, 0, 1), (1, 0, 2)), ((0,), (1, 2))):
        other = np.flip(voxels.transpose(order), flip)
        turned = affine.copy()
        turned[:3, :3] = affine[:3, list(order)]
        for axis in flip:
            turned[:3, 3] += turned[:3, axis] * (other.shape[axis] - 1)
            turned[:3, axis] *= -1
        np.testing.assert_allclose(conform(other, turned), expected, atol=1e-5)


def test_conform_is_blind_to_offset_and_gain():
    a = conform(head(), np.eye(4))
    b = conform(700 * head() - 1000, np.eye(4))
    np.testing.assert_allclose(a, b, atol=1e-5)
    assert a.min() == 0
    assert a.max() == pytest.approx(1)


def test_the_field_holds_all_that_is_bright():
    image = np.zeros((grid.SIDE,) * 3, np.float32)
    image[100:120, 3:50, 200:256] = 0.5
    assert field_of_view(image) == (slice(92, 128), slice(0, 58), slice(192, 256))
    assert field_of_view(np.zeros_like(image)) == (slice(0, grid.SIDE),) * 3


def test_volumes_and_overlap_of_a_drawn_head(folder):
    segmenter = read_segmenter(folder)
    found = compare_regions(segmenter, head(), {"grown": head(16), "same": head()}, np.eye(4))
    names = [r.name for r in found["reference"]]
    assert names == ["middle", "bright"]
    assert [r.volume_ml for r in found["reference"]] == pytest.approx(
        [(head() == 0.5).sum() / 1000, (head() == 1).sum() / 1000], rel=0.03
    )
    assert [(r.dice, r.change_percent) for r in found["same"]] == [(1, 0), (1, 0)]
    a, b = (head() == 1).sum(), (head(16) == 1).sum()
    bright = found["grown"][1]
    assert bright.change_percent == pytest.approx(100 * (b - a) / a, abs=2)
    assert bright.dice == pytest.approx(2 * a / (a + b), abs=0.01)


def test_a_moved_region_keeps_its_volume_and_loses_overlap(folder):
    moved = compare_regions(
        read_segmenter(folder), head(), {"moved": head(shift=(4, 0, 0))}, np.eye(4)
    )["moved"][1]
    assert abs(moved.change_percent) < 1
    assert moved.dice < 0.85


def test_small_regions_and_the_background_are_left_out():
    own = np.zeros((20, 20, 20), np.uint8)
    own[:5], own[10, :9, :11] = 1, 2  # 2000 voxels, 99 voxels
    found = labelled_regions(("nothing", "a", "b", "c"), own, np.roll(own, 1, axis=0))
    assert [r.name for r in found] == ["a"]
    assert found[0].dice == pytest.approx(0.8)


def test_a_scan_without_regions_is_refused(folder):
    segmenter = read_segmenter(folder)
    dark = head() * 0
    dark[0, 0, 0] = 1e-6
    with pytest.raises(Refused, match="finds no region"):
        compare_regions(segmenter, dark, {"x": head()}, np.eye(4))

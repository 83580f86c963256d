"""Edges and grain against a reference."""

import numpy as np
import pytest
from scipy import ndimage

from medsr.errors import Refused
from medsr.metrics.edges import edge_sharpness, flat_tissue, grain_ratio
from tests.conftest import smooth_head

SHAPE = (48, 48, 48)


@pytest.fixture(scope="module")
def head():
    truth = smooth_head(SHAPE, 1)
    return truth, truth > 0.2 * truth.max()


def grainy(image, sigma):
    noise = np.random.default_rng(3).normal(0, sigma, image.shape)
    return (image + noise).astype(np.float32)


def test_a_scan_is_as_sharp_as_itself(head):
    truth, mask = head
    assert edge_sharpness(truth, truth, axis=2, mask=mask) == 1
    noisy = grainy(truth, 2)
    assert grain_ratio(noisy, noisy, flat=flat_tissue(truth, mask=mask)) == 1


def test_blur_along_the_axis_costs_edges_and_grain_does_not_give_them_back(head):
    truth, mask = head
    blurred = ndimage.gaussian_filter1d(truth, 2, axis=2)
    found = edge_sharpness(truth, blurred, axis=2, mask=mask)
    assert found < 0.9
    assert edge_sharpness(truth, grainy(blurred, 1), axis=2, mask=mask) < 0.95
    assert edge_sharpness(truth, blurred, axis=0, mask=mask) > found


def test_grain_is_measured_where_tissue_is_flat(head):
    truth, mask = head
    flat = flat_tissue(truth, mask=mask)
    assert 0.25 < flat.sum() / mask.sum() < 0.35
    found = grain_ratio(grainy(truth, 2), grainy(truth, 4), flat=flat)
    assert found == pytest.approx(2, rel=0.1)


def test_a_reference_without_edges_is_refused(head):
    truth, mask = head
    with pytest.raises(Refused, match="no edges"):
        edge_sharpness(np.zeros_like(truth), truth, axis=2, mask=mask)

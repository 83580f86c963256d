"""Edges of samples, as steep as the scan's own."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from medsr.restore.edge_strength import DRAWN, LEAST, MOST, edge_strength, slopes_of, strengthen
from medsr.restore.upsampled import STATE
from tests.conftest import smooth_head
from tests.restore.test_self_check import Model, checked, nothing, scan_of, sharpened


def slices(kept):
    """A head whose detail along the first axis was lost, and of which `kept` was found."""
    truth = torch.from_numpy(smooth_head((60, 56, 8), 2)) / 100
    cubic = torch.from_numpy(ndimage.gaussian_filter1d(truth.numpy(), 2, axis=0))
    return cubic, cubic + kept * (truth - cubic), truth, truth > 0.3


@pytest.mark.parametrize("kept", [0.8, 0.9, 1.1])
def test_detail_that_was_shrunk_is_made_as_strong_again(kept):
    found = edge_strength([slopes_of(*slices(kept), (0, 2))])
    assert found == pytest.approx(1 / kept, abs=0.02)


def test_it_is_bounded():
    cases = [edge_strength([slopes_of(*slices(kept), (0, 2))]) for kept in (0.2, 5.0)]
    assert cases == [pytest.approx(MOST, abs=0.01), pytest.approx(LEAST, abs=0.01)]


def test_slices_without_edges_say_nothing():
    cubic, restored, _, tissue = slices(0.9)
    flat = torch.zeros_like(cubic)
    assert edge_strength([slopes_of(cubic, restored, flat, tissue, (0, 2))]) is None


def test_the_self_check_finds_a_model_that_shrinks():
    """The model that finds only a part of the detail asks for more."""
    strengths = [
        checked(Model(lambda s, part=part: part * sharpened(s))).edge_strength for part in (1, 0.7)
    ]
    assert strengths[1] > strengths[0] + 0.1
    assert checked(Model(nothing)).edge_strength == pytest.approx(MOST, abs=0.01)


def test_the_mean_gets_stronger_and_what_was_drawn_weaker():
    _, upsampled, _ = scan_of()
    first = torch.randn(upsampled.condition.shape).to(STATE)
    drawn = torch.randn(first.shape)
    residual = (first.float() + drawn).to(STATE)
    found = strengthen(residual, first, upsampled, 1.3).float()
    np.testing.assert_allclose(found, 1.3 * first.float() + DRAWN * drawn, atol=0.01)

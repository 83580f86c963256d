"""The chunks of a volume hold every voxel once, only along axes that the scanner left alone."""

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire, upsample
from medsr.restore.chunks import chunks_of

SAME = AxisSampling(23, 1.0, 23, 1.0)
COARSE = AxisSampling(24, 1.0, 6, 4.0, 4.0)
IN_PLANE = AxisSampling(24, 1.0, 12, 2.0, 2.0, "kspace")
CASES = [(SAME, SAME, COARSE), (COARSE, SAME, SAME), (IN_PLANE, SAME, COARSE)]


@pytest.mark.parametrize("axes", CASES)
def test_parts_hold_every_voxel_once(axes):
    acquisition = Acquisition(axes)
    seen = np.zeros(acquisition.fine_shape, dtype=int)
    chunks = chunks_of(acquisition, voxels=1_500)
    for chunk in chunks:
        seen[chunk] += 1
    assert (seen == 1).all()
    assert len(chunks) > 3


@pytest.mark.parametrize("axes", CASES)
def test_what_is_done_in_parts_is_done_at_once(axes):
    acquisition = Acquisition(axes)
    generator = torch.Generator().manual_seed(0)
    fine = torch.rand(acquisition.fine_shape, generator=generator)
    low = acquire(fine, acquisition)
    again = upsample(low, acquisition)
    for chunk in chunks_of(acquisition, voxels=1_500):
        assert torch.allclose(acquire(fine[chunk], acquisition), low[chunk], atol=1e-6)
        assert torch.allclose(upsample(low[chunk], acquisition), again[chunk], atol=1e-6)


def test_a_volume_of_which_no_axis_was_left_alone_is_one_part():
    acquisition = Acquisition((IN_PLANE, IN_PLANE, COARSE))
    assert chunks_of(acquisition, voxels=10) == [(slice(None), slice(None), slice(None))]


def test_one_of_so_many_planes():
    acquisition = Acquisition(CASES[0])
    chosen = [np.arange(23)[chunk[0]] for chunk in chunks_of(acquisition, 1_500, step=4)]
    assert np.concatenate(chosen).tolist() == list(range(0, 23, 4))

"""What a guide says of the detail between slices."""

import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.guided import REACH, guide_channels
from medsr.acquisition.resample import acquire, upsample
from tests.conftest import smooth_head

SIDE = 48
ACQUISITION = Acquisition(
    (
        AxisSampling(SIDE, 1.0, SIDE, 1.0),
        AxisSampling(SIDE, 1.0, SIDE, 1.0),
        AxisSampling(SIDE, 1.0, SIDE // 4, 4.0, 4.0),
    )
)


@pytest.fixture(scope="module")
def guide():
    head = torch.from_numpy(smooth_head((SIDE,) * 3, 3))
    return head / head.max()


def other_contrast(guide):
    """Dark becomes bright and back: no monotone function of the guide."""
    return 4 * guide * (1 - guide) * (guide > 0)


def detail_of(guide, valid, scan):
    return 0.1 * guide_channels(guide, valid, scan, ACQUISITION)[2]


def test_detail_of_another_contrast_is_explained(guide):
    truth = other_contrast(guide)
    scan = acquire(truth, ACQUISITION)
    lost = truth - upsample(scan, ACQUISITION)
    rest = lost - detail_of(guide, torch.ones_like(guide), scan)
    assert rest.square().mean() < 0.4 * lost.square().mean()


def test_noise_explains_little_and_its_agreement_says_so(guide):
    scan, valid = acquire(other_contrast(guide), ACQUISITION), torch.ones_like(guide)
    noise = torch.rand(guide.shape, generator=torch.Generator().manual_seed(0))
    found, right = (guide_channels(g, valid, scan, ACQUISITION) for g in (noise, guide))
    assert found[2].square().mean() < 0.2 * right[2].square().mean()
    body = guide > 0.2
    assert found[3][body].mean() < 0.3 < 0.8 < right[3][body].mean()


def test_nothing_is_said_where_the_guide_is_not(guide):
    valid = torch.ones_like(guide)
    valid[:20] = 0
    scan = acquire(other_contrast(guide), ACQUISITION)
    channels = guide_channels(guide, valid, scan, ACQUISITION)
    assert not channels[:, :20].any()
    whole = guide_channels(guide, torch.ones_like(guide), scan, ACQUISITION)
    assert torch.allclose(channels[:, 20 + REACH :], whole[:, 20 + REACH :], atol=1e-5)


def test_what_is_far_away_has_no_influence(guide):
    scan, valid = acquire(other_contrast(guide), ACQUISITION), torch.ones_like(guide)
    whole = guide_channels(guide, valid, scan, ACQUISITION)
    part = slice(10, 40)
    alone = guide_channels(guide[part], valid[part], scan[part], ACQUISITION)
    inner = slice(REACH, -REACH)
    assert torch.allclose(alone[:, inner], whole[:, part][:, inner], atol=1e-5)
    assert not torch.allclose(alone, whole[:, part], atol=1e-5)

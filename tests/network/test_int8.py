"""A network of 8-bit integers against itself in float32."""

import pytest
import torch

from medsr.network.build import build_network
from medsr.network.int8 import int8_is_possible
from tests.network.test_unet_and_checkpoint import SMALL

if not int8_is_possible():
    pytest.skip("this processor or PyTorch has no int8 convolutions", allow_module_level=True)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = build_network(SMALL, 4, scale_head=True)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval().to(memory_format=torch.channels_last)


def images(network, count, size=32):
    channels = network.stem.in_channels // 4
    return torch.rand(count, channels, size, size)


def pair(network, examples):
    given = torch.zeros(1), torch.rand(1, 4), torch.float32
    return network.at(*given), network.at(*given, examples)


@torch.inference_mode()
def share(exact, rough):
    """Root mean square of the difference over the spread, of each channel."""
    return ((exact - rough).square().mean((0, 2, 3)).sqrt() / exact.std((0, 2, 3))).tolist()


def test_both_heads_stay_close(network):
    given = images(network, 2)
    exact, rough = pair(network, given)
    with torch.inference_mode():
        found = share(exact(given), rough(given))
    assert len(found) == 2
    assert all(0 < value < 0.05 for value in found)


def test_brighter_slices_than_the_examples_are_not_cut_off(network):
    given = images(network, 2)
    exact, rough = pair(network, 0.6 * given)
    with torch.inference_mode():
        assert max(share(exact(given), rough(given))) < 0.05


def test_the_result_hardly_depends_on_the_batch(network):
    # The last bit of the stem's float32 may decide between two levels.
    given = images(network, 4)
    _, rough = pair(network, given)
    with torch.inference_mode():
        whole = rough(given)
        parts = torch.cat([rough(one[None]) for one in given])
    assert max(share(whole, parts)) < 0.005


def test_the_network_itself_stays_as_it_is(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pair(network, images(network, 1))
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

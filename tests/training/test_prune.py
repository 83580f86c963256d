import pytest
import torch

from medsr.errors import UsageError
from medsr.network.unet import UNet
from medsr.training.prune import narrow


def network(widths, blocks=(1, 2), seed=0):
    torch.manual_seed(seed)
    net = UNet(
        channels=3,
        features=4,
        widths=widths,
        blocks=blocks,
        strides=((2, 2),),
        fold=(1, 4),
        embedding=8,
    )
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net.eval()


def images(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(2, 3, 16, 32, generator=generator),
        torch.randn(2, generator=generator),
        torch.randn(2, 4, generator=generator),
    )


def silence(net, level, channels):
    """Nothing arrives in some channels of a level: they are zero throughout."""
    rows = torch.tensor(channels)
    sources = ["stem"] if level == 0 else [f"shrink.{level - 1}"]
    sources += [
        f"{name}.second"
        for name, layer in net.named_modules()
        if type(layer).__name__ == "ResidualBlock" and int(name.split(".")[1]) == level
    ]
    for name in sources:
        layer = net.get_submodule(name)
        layer.weight.data[rows] = 0
        layer.bias.data[rows] = 0
    for k in range(len(net.strides)):
        if k == level:  # `grow` adds to this level: each channel there holds four voxels
            folded = (rows[:, None] * 4 + torch.arange(4)).flatten()
            net.grow[k].weight.data[folded] = 0
            net.grow[k].bias.data[folded] = 0


def test_the_same_widths_are_the_same_function():
    wide, same = network((8, 12)), network((8, 12), seed=5)
    narrow(wide, same, lambda: wide(*images()))
    assert torch.allclose(wide(*images(2)), same(*images(2)), atol=1e-6)


def test_channels_that_are_zero_are_left_out():
    wide, narrower = network((8, 12)), network((6, 9), seed=5)
    silence(wide, 0, [1, 4])
    silence(wide, 1, [0, 7, 8])
    for name, layer in wide.named_modules():  # nor do two and three of each block's inner ones
        if type(layer).__name__ == "ResidualBlock":
            quiet = [2, 3] if int(name.split(".")[1]) == 0 else [2, 3, 5]
            layer.second.weight.data[:, quiet] = 0
    narrow(wide, narrower, lambda: wide(*images()))
    assert torch.allclose(wide(*images(2)), narrower(*images(2)), atol=1e-5)


def test_the_mean_of_what_is_left_out_is_kept():
    """A channel that is constant goes into the bias; the border has zeros beside it."""
    wide, narrower = network((8, 12)), network((7, 12), seed=5)
    silence(wide, 0, [3])
    wide.stem.bias.data[3] = 2.0
    for blocks in (wide.down_blocks[0], wide.up_blocks[0]):
        for block in blocks:
            block.second.weight.data[:, 0] = 0  # the inner channel that goes
    narrow(wide, narrower, lambda: wide(*images()))
    far_from_borders = (..., slice(24, -24), slice(80, -80))
    image, c_noise, features = images(2)
    image = image.repeat(1, 1, 4, 8)
    before, after = wide(image, c_noise, features), narrower(image, c_noise, features)
    assert torch.allclose(before[far_from_borders], after[far_from_borders], atol=1e-3)
    assert not torch.allclose(before, after, atol=1e-1)


@pytest.mark.parametrize(("widths", "blocks"), [((16, 12), (1, 2)), ((6, 9), (1, 1))])
def test_only_a_narrower_network_takes_them(widths, blocks):
    wide = network((8, 12))
    with pytest.raises(UsageError, match="narrower"):
        narrow(wide, network(widths, blocks), lambda: wide(*images()))

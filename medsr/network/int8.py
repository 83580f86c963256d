"""A network whose convolutions multiply 8-bit integers, for processors without bfloat16.

Weights have a scale for each output channel, activations one for each layer, from the range that
they take in slices of the scan itself: scans differ, and so do the noise levels of a sampler. What
the blocks add up stays float32, and so do the stem, which sees intensities, and the resampling
between levels. The convolutions are oneDNN's, through operators of PyTorch that its own compiler
uses (Jacob et al. 2018, arXiv:1712.05877, for the arithmetic).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from medsr.network.blocks import ResidualBlock

__all__ = ["in_int8", "int8_is_possible"]

#: Levels of the range that the examples show, 7 bits: processors without VNNI add up pairs of
#: products in 16 bits. Up to `MOST` are left for slices that are brighter than the examples.
LEVELS, MOST = 127, 255


@dataclass(frozen=True)
class _Range:
    """The values that an activation takes."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """Of one level."""
        return max(self.high - self.low, 1e-6) / LEVELS

    @property
    def zero(self) -> int:
        """The level that stands for 0."""
        return round(-self.low / self.scale)

    def levels(self, x: Tensor) -> Tensor:
        """float32 -> uint8, channels last."""
        rounding = torch.tensor(self.zero + 0.5)
        return torch.add(rounding, x, alpha=1 / self.scale).clamp_(0, MOST).to(torch.uint8)


class _Convolution(nn.Module):
    """A convolution of uint8 images of a known range."""

    def __init__(self, layer: nn.Module, given: _Range) -> None:
        super().__init__()
        if not isinstance(layer, nn.Conv2d):
            raise TypeError("8-bit integers are for slices, not for blocks")
        self.given, self.bias = given, layer.bias
        weight = layer.weight.detach()
        self.scales = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / 127
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)
        self.place = (list(layer.stride), list(layer.padding), list(layer.dilation), layer.groups)
        packed = (weight / self.scales[:, None, None, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qconv_prepack(
            packed, self.scales, given.scale, given.zero, *self.place
        )

    def forward(self, image: Tensor, after: str = "none", out: _Range | None = None) -> Tensor:
        """uint8 [B, C, H, W] -> float32 [B, C', H, W]; or uint8 of the range `out`."""
        end: tuple[Any, ...] = (1.0, 0, torch.float32, after, [], "")
        if out is not None:
            end = (out.scale, out.zero, torch.uint8, after, [], "")
        call: Any = torch.ops.onednn.qconv2d_pointwise
        found: Tensor = call(*self._start(image), self.bias, *self.place, *end)
        return found

    def onto(self, image: Tensor, total: Tensor) -> Tensor:
        """Adds the result to a float32 total, in place."""
        end: tuple[Any, ...] = (1.0, 0, torch.float32, 1.0, 0, "sum", 1.0, "none", [], "")
        call: Any = torch.ops.onednn.qconv2d_pointwise.binary
        found: Tensor = call(*self._start(image), total, self.bias, *self.place, *end)
        return found

    def _start(self, image: Tensor) -> tuple[Any, ...]:
        return (image, self.given.scale, self.given.zero, self.weight, self.scales, self.zeros)


@cache
def int8_is_possible() -> bool:
    """Whether the processor has the instructions (AVX2), and this PyTorch operators that work.

    They are not part of PyTorch's public interface, so a small convolution is tried.
    """
    if not torch.cpu.get_capabilities().get("avx2"):
        return False
    layer, image = nn.Conv2d(2, 2, 3, padding=1), torch.rand(1, 2, 4, 4)
    given, total = _Range(0.0, 1.0), torch.ones(1, 2, 4, 4).to(memory_format=torch.channels_last)
    image = image.to(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = total + layer(image)
        try:
            found = _Convolution(layer, given).onto(given.levels(image), total)
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return False
    return torch.allclose(found, expected, atol=0.05)


class _Block(nn.Module):
    """A settled `ResidualBlock`; takes its input for its output."""

    def __init__(self, block: ResidualBlock, seen: Mapping[nn.Module, _Range]) -> None:
        super().__init__()
        self.first = _Convolution(block.first, seen[block.first])
        self.second = _Convolution(block.second, seen[block.second])

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """As `ResidualBlock.forward`; FiLM is in the weights."""
        h = self.first(self.first.given.levels(nn.functional.silu(x)), "swish", self.second.given)
        return self.second.onto(h, x)


class _Head(nn.Module):
    """The last layer, or the two of a scale head."""

    def __init__(self, layers: list[_Convolution]) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        """float32 [B, C, H, W] -> float32 [B, C', H, W]."""
        x = self.layers[0].given.levels(x)
        for layer, following in pairwise(self.layers):
            x = layer(x, "swish", following.given)
        found: Tensor = self.layers[-1](x)
        return found


def in_int8(network: nn.Module, run: Callable[[], object]) -> None:
    """Exchange the blocks and heads of a settled network for such of 8-bit integers, in place.

    Args:
        network: a `UNet` for slices without FiLM, float32, on the CPU.
        run: takes examples through the network, once.
    """
    with _watched(network) as seen:
        run()
    for parent in list(network.modules()):
        for name, block in list(parent.named_children()):
            if isinstance(block, ResidualBlock):
                setattr(parent, name, _Block(block, seen))
    for name in ("head", "scale_head"):
        head = getattr(network, name)
        if head is not None:
            layers = [layer for layer in head.modules() if isinstance(layer, nn.Conv2d)]
            setattr(network, name, _Head([_Convolution(layer, seen[layer]) for layer in layers]))


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[nn.Module, _Range]]:
    """The ranges of what goes into each convolution."""
    seen: dict[nn.Module, _Range] = {}

    def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        low, high = given[0].aminmax()
        seen[layer] = _Range(min(float(low), 0.0), max(float(high), 0.0))

    hooks = [
        layer.register_forward_pre_hook(note)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()

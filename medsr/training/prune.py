"""Initialises a narrower U-Net from a trained one; the least important channels are removed.

The importance of a layer's input channel is its variance times the sum of the squared weights that
read it, over the same of all channels of that layer (after Luo et al. 2017, ThiNet,
arXiv:1707.06342, whose greedy search this replaces by a sort). The mean of a channel that is left
out goes into the biases. A short training makes up for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medsr.errors import UsageError
from medsr.network.unet import UNet

__all__ = ["narrow"]


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Mean and variance of each input channel of a convolution, [C]."""

    mean: Tensor
    variance: Tensor


def narrow(wide: UNet, narrower: UNet, run: Callable[[], None]) -> None:
    """Fill `narrower` with the weights of the most important channels of `wide`.

    Args:
        wide: a trained network.
        narrower: the same but for fewer channels at some levels; its weights are replaced.
        run: passes typical images through `wide`, to measure the importance of its channels.

    Raises:
        UsageError: the networks differ in more than their widths, or a level gets wider.
    """
    _check(wide, narrower)
    inputs = _measure(wide, run)
    streams = [
        _strongest(sum(_importance(wide, inputs, name) for name in _readers(wide, level)), width)
        for level, width in enumerate(narrower.widths)
    ]
    take = _Taker(dict(wide.named_modules()), dict(narrower.named_modules()), inputs)
    narrower.embed.load_state_dict(wide.embed.state_dict())
    take("stem", streams[0], None)
    take("head", None, streams[0])
    for k, stride in enumerate(wide.strides):
        folded = math.prod(stride)  # each channel of `grow` holds so many voxels
        rows = (streams[k][:, None] * folded + torch.arange(folded)).flatten()
        take(f"shrink.{k}", streams[k + 1], streams[k])
        take(f"grow.{k}", rows, streams[k + 1])
    for name, level in _blocks(wide):
        inner = _strongest(_importance(wide, inputs, f"{name}.second"), narrower.widths[level])
        take(f"{name}.first", inner, streams[level])
        take(f"{name}.second", streams[level], inner)
        scale_and_shift = torch.cat([inner, inner + wide.widths[level]])
        take(f"{name}.film", scale_and_shift, None)


def _check(wide: UNet, narrower: UNet) -> None:
    alike = [(net.fold, net.strides, _blocks(net)) for net in (wide, narrower)]
    gains = [b - a for a, b in zip(wide.widths, narrower.widths, strict=False)]
    if alike[0] != alike[1] or max(gains) > 0:
        raise UsageError(
            f"Weights of a network of widths {wide.widths} can initialise only a narrower "
            "network that is otherwise the same; the configuration asks for widths "
            f"{narrower.widths}, or for other blocks, strides or folds."
        )


def _blocks(net: UNet) -> list[tuple[str, int]]:
    """Name and level of each residual block."""
    sides: dict[str, Any] = {"down_blocks": net.down_blocks, "up_blocks": net.up_blocks}
    return [
        (f"{side}.{level}.{k}", level)
        for side, levels in sides.items()
        for level, blocks in enumerate(levels)
        for k in range(len(blocks))
    ]


def _readers(net: UNet, level: int) -> list[str]:
    """The convolutions that read the channels of a level."""
    names = [f"{name}.first" for name, at in _blocks(net) if at == level]
    names += [f"shrink.{level}"] if level < len(net.strides) else []
    names += [f"grow.{level - 1}"] if level else ["head"]
    return names


def _measure(net: UNet, run: Callable[[], None]) -> dict[str, _Inputs]:
    """Mean and variance of the inputs of each convolution during `run`."""
    sums: dict[str, list[Tensor]] = {}

    def note(name: str, x: Tensor) -> None:
        flat = x.detach().double().movedim(1, 0).flatten(1)
        count = torch.tensor(flat.shape[1], dtype=torch.float64)
        fresh = [flat.sum(dim=1), flat.square().sum(dim=1), count]
        sums[name] = [
            a + b for a, b in zip(sums.get(name, [torch.zeros(())] * 3), fresh, strict=True)
        ]

    hooks = [
        layer.register_forward_pre_hook(lambda _, given, name=name: note(name, given[0]))
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Conv3d)
    ]
    with torch.inference_mode():
        run()
    for hook in hooks:
        hook.remove()
    found = {}
    for name, (total, squares, count) in sums.items():
        mean = total / count
        found[name] = _Inputs(mean.float(), (squares / count - mean.square()).clamp(min=0).float())
    return found


def _importance(net: UNet, inputs: dict[str, _Inputs], name: str) -> Tensor:
    """The share of each input channel in the output of a convolution, [C]."""
    weight: Tensor = net.get_submodule(name).weight  # type: ignore[assignment]
    energy = inputs[name].variance * weight.detach().square().movedim(1, 0).flatten(1).sum(dim=1)
    return energy / energy.sum()


def _strongest(importance: Tensor | int, count: int) -> Tensor:
    """Indices of the most important channels, ascending."""
    return torch.as_tensor(importance).argsort(descending=True)[:count].sort().values


@dataclass(frozen=True, eq=False)
class _Taker:
    """Copies a layer's weights for some of its outputs and inputs."""

    wide: dict[str, Any]
    narrower: dict[str, Any]
    inputs: dict[str, _Inputs]

    @torch.no_grad()
    def __call__(self, name: str, rows: Tensor | None, columns: Tensor | None) -> None:
        """Outputs `rows` and inputs `columns` of layer `name`; None takes all."""
        weight, bias = self.wide[name].weight, self.wide[name].bias
        if columns is not None:
            every = torch.ones(weight.shape[1], dtype=torch.bool)
            gone = every.index_fill(0, columns, value=False)
            sums = weight[:, gone].flatten(2).sum(dim=2)
            bias = bias + sums @ self.inputs[name].mean[gone]
            weight = weight[:, columns]
        rows = torch.arange(len(bias)) if rows is None else rows
        self.narrower[name].weight.copy_(weight[rows])
        self.narrower[name].bias.copy_(bias[rows])

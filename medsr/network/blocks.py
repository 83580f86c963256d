"""Building blocks of the U-Net: folding, embedding, residual block; 2-D or 3-D."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = [
    "CONVOLUTIONS",
    "Embedding",
    "GuideStem",
    "ResidualBlock",
    "fold",
    "full_precision",
    "unfold",
]


def fold(x: Tensor, factors: tuple[int, ...]) -> Tensor:
    """Space to depth, channels last in memory: [B, C, *sides] -> [B, C prod(f), *sides / f]."""
    sides = [side // f for side, f in zip(x.shape[2:], factors, strict=True)]
    pairs = [n for pair in zip(sides, factors, strict=True) for n in pair]
    split = x.reshape(*x.shape[:2], *pairs)
    coarse, inner = range(2, split.ndim, 2), range(3, split.ndim, 2)
    moved = split.permute(0, *coarse, 1, *inner)
    return moved.reshape(len(x), *sides, -1).movedim(-1, 1)


def unfold(x: Tensor, factors: tuple[int, ...]) -> Tensor:
    """Depth to space, the inverse of `fold`: [B, C prod(f), *sides] -> [B, C, *sides * f]."""
    sides, count = x.shape[2:], len(factors)
    split = x.movedim(1, -1).reshape(len(x), *sides, -1, *factors)
    order = [axis for k in range(count) for axis in (1 + k, 2 + count + k)]
    moved = split.permute(0, *order, 1 + count)
    grown = [side * f for side, f in zip(sides, factors, strict=True)]
    return moved.reshape(len(x), *grown, -1).movedim(-1, 1)


#: The convolution for images with this number of axes.
CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}


def full_precision(x: Tensor) -> torch.autocast:
    """No autocast inside: small matrices in bfloat16 are slow on a CPU, and lose digits."""
    return torch.autocast(x.device.type, enabled=False)


class Embedding(nn.Module):
    """Noise level and acquisition numbers as one vector.

    c_noise goes through Fourier features (Tancik et al. 2020, arXiv:2006.10739) with fixed
    frequencies; the acquisition's numbers enter linearly.
    """

    frequencies: Tensor

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        # Numbers of Python: on the device without memory, where networks are made, torch.logspace
        # imports torch's compiler, for more than half a second.
        frequencies = [2 * math.pi * 10 ** (k / 5 - 2) for k in range(16)]
        self.register_buffer("frequencies", torch.tensor(frequencies))
        self.inner = nn.Linear(32 + features, width)
        self.outer = nn.Linear(width, width)

    def forward(self, c_noise: Tensor, features: Tensor) -> Tensor:
        """[B] and [B, F] -> [B, width]."""
        phase = c_noise[:, None] * self.frequencies
        vector = torch.cat([phase.cos(), phase.sin(), features], dim=1)
        embedded: Tensor = self.outer(nn.functional.silu(self.inner(vector)))
        return nn.functional.silu(embedded)


class GuideStem(nn.Module):
    """What guides add to the features of a stem.

    Two convolutions without bias, the last one starting at zero: a guide of zeros adds exactly
    nothing. Each guide is seen beside the image that it belongs to and goes through the same
    weights; the results are averaged where guides are, so neither their order nor their number
    takes the features out of the range that was learned.

    Args:
        channels: of one guide; the second says where it is, 1 inside and 0 outside.
        width: of the features.
        folds: as in the stem.
    """

    def __init__(self, channels: int, width: int, folds: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.folds = channels, folds
        conv, folded = CONVOLUTIONS[len(folds)], math.prod(folds)
        self.first = conv((channels + 1) * folded, width, 3, padding=1, bias=False)
        self.second = conv(width, width, 3, padding=1, bias=False)
        nn.init.zeros_(self.second.weight)

    def forward(self, image: Tensor, guides: Tensor) -> Tensor:
        """[B, 1, *sides] and [B, n channels, *sides] -> [B, width, *sides / folds]."""
        total = count = torch.zeros((), device=image.device)
        for guide in torch.split(guides, self.channels, dim=1):
            inside = guide[:, 1:2]
            beside = fold(torch.cat([guide, image * inside], dim=1), self.folds)
            total = total + self.second(nn.functional.silu(self.first(beside)))
            count = count + fold(inside, self.folds).mean(dim=1, keepdim=True)
        return total / count.clamp(min=1)


class ResidualBlock(nn.Module):
    """x + conv(silu(film(conv(silu(x))))), the last convolution starting at zero.

    No normalisation: what one part of a scan holds must not change another.
    """

    def __init__(self, width: int, embedding: int, axes: int = 2) -> None:
        super().__init__()
        self.first = CONVOLUTIONS[axes](width, width, 3, padding=1)
        self.second = CONVOLUTIONS[axes](width, width, 3, padding=1)
        self.film: nn.Linear | None = nn.Linear(embedding, 2 * width)
        for layer in (self.film, self.second):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """[B, width, *sides] and [B, embedding] -> [B, width, *sides]."""
        h = self.first(nn.functional.silu(x))
        if self.film is not None:
            with full_precision(x):
                scale, shift = self.film(embedded).chunk(2, dim=1)
            beside = (*scale.shape, *[1] * (h.ndim - 2))
            scale, shift = scale.reshape(beside).to(h.dtype), shift.reshape(beside).to(h.dtype)
            h = torch.addcmul(shift, h, 1 + scale)
        change: Tensor = self.second(nn.functional.silu(h, inplace=True))
        return change.add_(x)

    def settle(self, embedded: Tensor) -> None:
        """Put FiLM of one vector [1, embedding] into the first convolution, and drop it."""
        if self.film is None:
            return
        scale, shift = self.film(embedded)[0].chunk(2)
        weight, bias, gain = self.first.weight, self.first.bias, 1 + scale
        self.first.weight = nn.Parameter(weight * gain.reshape(-1, *[1] * (weight.ndim - 1)))
        self.first.bias = nn.Parameter(bias * gain + shift)
        self.film = None

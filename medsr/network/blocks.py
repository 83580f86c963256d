"""The pieces of the U-Net: folding, embedding, one residual block."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Embedding", "ResidualBlock", "fold", "full_precision", "unfold"]


def fold(x: Tensor, factors: tuple[int, int]) -> Tensor:
    """Space to depth: [B, C, H, W] -> [B, C fh fw, H / fh, W / fw], channels last in memory."""
    (b, c, h, w), (fh, fw) = x.shape, factors
    x = x.reshape(b, c, h // fh, fh, w // fw, fw).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(b, h // fh, w // fw, c * fh * fw).permute(0, 3, 1, 2)


def unfold(x: Tensor, factors: tuple[int, int]) -> Tensor:
    """Depth to space, the inverse of `fold`: [B, C fh fw, H, W] -> [B, C, H fh, W fw]."""
    (b, c, h, w), (fh, fw) = x.shape, factors
    c //= fh * fw
    x = x.permute(0, 2, 3, 1).reshape(b, h, w, c, fh, fw).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(b, h * fh, w * fw, c).permute(0, 3, 1, 2)


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
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-2, 1, 16))
        self.inner = nn.Linear(32 + features, width)
        self.outer = nn.Linear(width, width)

    def forward(self, c_noise: Tensor, features: Tensor) -> Tensor:
        """[B] and [B, F] -> [B, width]."""
        phase = c_noise[:, None] * self.frequencies
        vector = torch.cat([phase.cos(), phase.sin(), features], dim=1)
        embedded: Tensor = self.outer(nn.functional.silu(self.inner(vector)))
        return nn.functional.silu(embedded)


class ResidualBlock(nn.Module):
    """x + conv(silu(film(conv(silu(x))))), the last convolution starting at zero.

    No normalisation: image statistics must not leak between the tiles of a scan.
    """

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * width)
        for layer in (self.film, self.second):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """[B, width, H, W] and [B, embedding] -> [B, width, H, W]."""
        h = self.first(nn.functional.silu(x))
        with full_precision(x):
            film = self.film(embedded)[:, :, None, None].to(h.dtype)
        scale, shift = film.chunk(2, dim=1)
        h = torch.addcmul(shift, h, 1 + scale)
        change: Tensor = self.second(nn.functional.silu(h))
        return x + change

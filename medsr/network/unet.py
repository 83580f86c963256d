"""A U-Net for slices that contain the coarse axis, or for blocks.

The measured scan carries little detail along that axis (the last of the image), so the stem folds
`fold[1]` neighbouring voxels of it into channels: all convolutions then run on a grid near the
measured one, on a fraction of the voxels, and nothing is lost.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medsr.errors import UsageError
from medsr.network.blocks import (
    CONVOLUTIONS,
    Embedding,
    GuideStem,
    ResidualBlock,
    fold,
    full_precision,
    unfold,
)
from medsr.network.int8 import in_int8

__all__ = ["UNet"]

#: Channels between the two layers of a scale head.
SCALE_WIDTH = 32

#: The channel of the image that is the upsampled slice itself.
TARGET = 1


class UNet(nn.Module):
    """Residual U-Net with additive skips.

    Args:
        channels: of the input image (noisy image and condition).
        features: length of the acquisition vector.
        widths: channels at each level.
        blocks: residual blocks at each level, on the way down and again on the way up; the last
            level has them once.
        strides: (H, W) shrinking between levels, one fewer than widths.
        fold: (H, W) voxels that the stem folds into channels; three numbers, here and in each of
            the strides, make it a network for blocks (D, H, W).
        embedding: length of the conditioning vector.
        scale_head: a second head on the same last features gives ln of the scale of the error at
            each voxel, as a second channel (`training.scale`).
        guides: channels of one guide. The image may then hold any number of guides, each with so
            many channels, after its own; all zeros are as good as no guide. 0: what follows the
            image's channels is not looked at.

    Raises:
        UsageError: the lists do not fit together.
    """

    def __init__(
        self,
        *,
        channels: int,
        features: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        strides: Sequence[tuple[int, ...]],
        fold: tuple[int, ...],
        embedding: int,
        scale_head: bool = False,
        guides: int = 0,
    ) -> None:
        super().__init__()
        if not len(widths) == len(blocks) == len(strides) + 1:
            raise UsageError(
                f"A U-Net with {len(widths)} widths needs as many blocks (found {len(blocks)}) "
                f"and one stride fewer (found {len(strides)})."
            )
        self.widths = tuple(int(n) for n in widths)
        self.fold = tuple(int(n) for n in fold)
        self.strides = [tuple(int(n) for n in stride) for stride in strides]
        self.channels = channels
        folded = math.prod(self.fold)
        axes = len(self.fold)
        conv: Any = CONVOLUTIONS[axes]
        self.embed = Embedding(features, embedding)
        self.stem = conv(channels * folded, widths[0], 3, padding=1)
        self.guide_stem = GuideStem(guides, widths[0], self.fold) if guides else None

        def level(k: int) -> nn.ModuleList:
            return nn.ModuleList(
                ResidualBlock(widths[k], embedding, axes) for _ in range(blocks[k])
            )

        inner = range(len(widths) - 1)
        self.down_blocks = nn.ModuleList(level(k) for k in range(len(widths)))
        self.shrink = nn.ModuleList(
            conv(widths[k], widths[k + 1], self.strides[k], self.strides[k]) for k in inner
        )
        self.grow = nn.ModuleList(
            conv(widths[k + 1], widths[k] * math.prod(self.strides[k]), 1) for k in inner
        )
        self.up_blocks = nn.ModuleList(level(k) for k in inner)
        self.head = conv(widths[0], folded, 3, padding=1)
        self.scale_head = _scale_head(conv, widths[0], folded) if scale_head else None
        for last in [self.head, *([] if self.scale_head is None else [self.scale_head[-1]])]:
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    @property
    def multiple(self) -> tuple[int, ...]:
        """Image sides that need no padding are multiples of this."""
        return tuple(math.prod(factors) for factors in zip(self.fold, *self.strides, strict=True))

    def forward(self, image: Tensor, c_noise: Tensor, features: Tensor) -> Tensor:
        """[B, channels, *sides], [B], [B, features] -> [B, 1, *sides]; any sides.

        With a scale head [B, 2, *sides].
        """
        with full_precision(image):
            embedded = self.embed(c_noise, features)
        return self._through(image, embedded)

    @torch.no_grad()
    def at(
        self,
        c_noise: Tensor,
        features: Tensor,
        dtype: torch.dtype,
        examples: Tensor | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """This network for one noise level [1] and acquisition [1, features], in a data type.

        FiLM is in the weights, and these are of that type: both once, not for each batch. Where
        there are examples [B, channels, H, W], convolutions are of 8-bit integers whose ranges
        are those of the examples.
        """
        embedded = self.embed(c_noise, features)
        fixed = copy.deepcopy(self)
        for module in fixed.modules():
            if isinstance(module, ResidualBlock):
                module.settle(embedded)
        fixed.to(dtype)
        if examples is not None:
            in_int8(fixed, lambda: fixed._through(examples.to(dtype), embedded))
        return lambda image: fixed._through(image.to(dtype), embedded)

    def _through(self, image: Tensor, embedded: Tensor) -> Tensor:
        sides = image.shape[2:]
        pad = [-side % n for side, n in zip(sides, self.multiple, strict=True)]
        if any(pad):
            ends = [n for after in reversed(pad) for n in (0, after)]
            image = nn.functional.pad(image, ends, mode="replicate")
        own = image[:, : self.channels]
        x = self.stem(fold(own, self.fold))
        if self.guide_stem is not None and image.shape[1] > self.channels:
            x = x + self.guide_stem(own[:, TARGET, None], image[:, self.channels :])
        skips = []
        for k, blocks in enumerate(self.down_blocks):
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, embedded)
            if k < len(self.shrink):
                skips.append(x)
                x = self.shrink[k](x)
        for k in reversed(range(len(self.grow))):
            x = unfold(self.grow[k](x), self.strides[k]).add_(skips[k])
            for block in self.up_blocks[k]:  # type: ignore[attr-defined]
                x = block(x, embedded)
        x = nn.functional.silu(x, inplace=True)
        heads = (self.head,) if self.scale_head is None else (self.head, self.scale_head)
        out = torch.cat([unfold(head(x), self.fold) for head in heads], dim=1)
        whole = tuple(slice(side) for side in sides)
        return out[(slice(None), slice(None), *whole)]


def _scale_head(conv: Any, width: int, folded: int) -> nn.Sequential:
    """Two layers: what ranks errors is not linear in features that were learned for the image."""
    first = conv(width, SCALE_WIDTH, 3, padding=1)
    return nn.Sequential(first, nn.SiLU(), conv(SCALE_WIDTH, folded, 3, padding=1))

"""A U-Net for slices that contain the coarse axis.

The measured scan carries little detail along that axis (the last of the image), so the stem folds
`fold[1]` neighbouring voxels of it into channels: all convolutions then run on a grid near the
measured one, at a fraction of the voxels, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from medsr.errors import UsageError
from medsr.network.blocks import Embedding, ResidualBlock, fold, full_precision, unfold

__all__ = ["UNet"]


class UNet(nn.Module):
    """Residual U-Net with additive skips.

    Args:
        channels: of the input image (noisy image and condition).
        features: length of the acquisition vector.
        widths: channels at each level.
        blocks: residual blocks at each level, on the way down and again on the way up; the last
            level has them once.
        strides: (H, W) shrinking between levels, one fewer than widths.
        fold: (H, W) voxels that the stem folds into channels.
        embedding: length of the conditioning vector.

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
        strides: Sequence[tuple[int, int]],
        fold: tuple[int, int],
        embedding: int,
    ) -> None:
        super().__init__()
        if not len(widths) == len(blocks) == len(strides) + 1:
            raise UsageError(
                f"A U-Net with {len(widths)} widths needs as many blocks (found {len(blocks)}) "
                f"and one stride fewer (found {len(strides)})."
            )
        self.fold = (int(fold[0]), int(fold[1]))
        self.strides = [(int(h), int(w)) for h, w in strides]
        folded = self.fold[0] * self.fold[1]
        self.embed = Embedding(features, embedding)
        self.stem = nn.Conv2d(channels * folded, widths[0], 3, padding=1)

        def level(k: int) -> nn.ModuleList:
            return nn.ModuleList(ResidualBlock(widths[k], embedding) for _ in range(blocks[k]))

        inner = range(len(widths) - 1)
        self.down_blocks = nn.ModuleList(level(k) for k in range(len(widths)))
        self.shrink = nn.ModuleList(
            nn.Conv2d(widths[k], widths[k + 1], self.strides[k], self.strides[k]) for k in inner
        )
        self.grow = nn.ModuleList(
            nn.Conv2d(widths[k + 1], widths[k] * self.strides[k][0] * self.strides[k][1], 1)
            for k in inner
        )
        self.up_blocks = nn.ModuleList(level(k) for k in inner)
        self.head = nn.Conv2d(widths[0], folded, 3, padding=1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    @property
    def multiple(self) -> tuple[int, int]:
        """Image sides that need no padding are multiples of this (H, W)."""
        h, w = self.fold
        for stride in self.strides:
            h, w = h * stride[0], w * stride[1]
        return h, w

    def forward(self, image: Tensor, c_noise: Tensor, features: Tensor) -> Tensor:
        """[B, channels, H, W], [B], [B, features] -> [B, 1, H, W]; any H and W."""
        height, width = image.shape[-2:]
        pad = (-width % self.multiple[1], -height % self.multiple[0])
        if any(pad):
            image = nn.functional.pad(image, (0, pad[0], 0, pad[1]), mode="replicate")
        with full_precision(image):
            embedded = self.embed(c_noise, features)
        x = self.stem(fold(image, self.fold))
        skips = []
        for k, blocks in enumerate(self.down_blocks):
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, embedded)
            if k < len(self.shrink):
                skips.append(x)
                x = self.shrink[k](x)
        for k in reversed(range(len(self.grow))):
            x = skips[k] + unfold(self.grow[k](x), self.strides[k])
            for block in self.up_blocks[k]:  # type: ignore[attr-defined]
                x = block(x, embedded)
        out = unfold(self.head(nn.functional.silu(x)), self.fold)
        return out[..., :height, :width]

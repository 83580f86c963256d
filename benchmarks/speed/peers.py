"""What others cost: networks of published sizes, timed here; settings as published."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

__all__ = ["ECLARE_SECONDS", "SynthSRNetwork", "synthsr_seconds"]

#: ECLARE's default of a million patches, at the 14 patches a second that its program reached on
#: two cores beside other work (docs/explanation/models.md); of a head of 256 x 256 x 192.
ECLARE_SECONDS = 1_000_000 / 14

#: Side of the block that is timed, for the whole volume.
WINDOW = 96

#: Sides of an image are multiples of this.
MULTIPLE = 32


class SynthSRNetwork(nn.Module):
    """The U-Net of SynthSR by its published sizes, with random weights.

    Iglesias et al. 2021, doi:10.1016/j.neuroimage.2021.118206; `scripts/predict_command_line.py`
    of github.com/BBillot/SynthSR: five levels of two 3 x 3 x 3 convolutions, 24 features at the
    first level and twice as many at each further one, ELU, batch normalisation after each level.
    """

    def __init__(self, features: int = 24, levels: int = 5) -> None:
        super().__init__()
        widths = [features * 2**k for k in range(levels)]
        before = [1, *widths[:-1]]
        self.down = nn.ModuleList(_level(b, w) for b, w in zip(before, widths, strict=True))
        pairs = list(zip(widths[1:], widths[:-1], strict=True))
        self.up = nn.ModuleList(_level(deep + w, w) for deep, w in reversed(pairs))
        self.last = nn.Conv3d(features, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """[B, 1, X, Y, Z] -> like it."""
        kept = []
        for k, level in enumerate(self.down):
            image = level(image if k == 0 else nn.functional.max_pool3d(image, 2))
            kept.append(image)
        for level, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            image = nn.functional.interpolate(image, scale_factor=2.0)
            image = level(torch.cat([beside, image], dim=1))
        found: Tensor = self.last(image)
        return found


def synthsr_seconds(shape: tuple[int, int, int]) -> float:
    """One pass over a volume in float32, extrapolated from the faster of two blocks."""
    network = SynthSRNetwork().eval().to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    block = torch.zeros(1, 1, WINDOW, WINDOW, WINDOW).to(memory_format=torch.channels_last_3d)
    seconds = []
    with torch.inference_mode():
        for _ in range(3):
            began = time.monotonic()
            network(block)
            seconds.append(time.monotonic() - began)
    x, y, z = (-(-n // MULTIPLE) * MULTIPLE for n in shape)
    return min(seconds) * x * y * z / WINDOW**3


def _level(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(before, width, 3, padding=1),
        nn.ELU(),
        nn.Conv3d(width, width, 3, padding=1),
        nn.ELU(),
        nn.BatchNorm3d(width),
    )

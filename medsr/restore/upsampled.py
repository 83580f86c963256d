"""The scan interpolated to the fine grid, and the image that a residual over it makes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.resample import upsample
from medsr.restore.chunks import Chunk, chunks_of
from medsr.volume import geometry
from medsr.volume.volume import Volume

__all__ = ["STATE", "Upsampled", "noise_field", "on_fine_grid"]

#: What whole volumes on the fine grid are kept in while the sampler walks: half of the memory.
#: The image itself is put together in single precision.
STATE = torch.float16


@dataclass(frozen=True, eq=False)
class Upsampled:
    """An upsampled scan, in the network's range.

    Attributes:
        scan: measured, [X, Y, Z], float32.
        acquisition: how it was made.
        unit: standard deviation of the model's residual.
        condition: the upsampled scan as the network sees it, [X', Y', Z'], of dtype `STATE`.
        chunks: of the volume.
        images: the guides on the same grid: of each its intensity in the network's range and where
            it is, 1 inside and 0 outside; [X', Y', Z'], like `condition`.
        guides: channels of the guides, one after the other, [K, X', Y', Z'], likewise; None where
            there are none.
    """

    scan: Tensor
    acquisition: Acquisition
    unit: float
    condition: Tensor
    chunks: list[Chunk]
    images: tuple[tuple[Tensor, Tensor], ...] = ()
    guides: Tensor | None = None

    @classmethod
    def of(cls, scan: Tensor, acquisition: Acquisition, unit: float) -> Upsampled:
        """Upsample a scan [X, Y, Z]."""
        chunks = chunks_of(acquisition)
        condition = torch.empty(acquisition.fine_shape, dtype=STATE)
        for chunk in chunks:
            condition[chunk] = upsample(scan[chunk], acquisition)
        return cls(scan, acquisition, unit, condition, chunks)

    def image(self, residual: Tensor, chunk: Chunk) -> Tensor:
        """A chunk of upsampled scan + unit * residual [X', Y', Z'], float32."""
        return upsample(self.scan[chunk], self.acquisition).add_(
            residual[chunk].float(), alpha=self.unit
        )


def noise_field(shape: tuple[int, int, int], seed: int) -> Tensor:
    """Standard normal noise [X', Y', Z'] of dtype `STATE`, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.empty(shape, dtype=STATE)
    for plane in noise:
        plane.copy_(torch.randn(shape[1:], generator=generator))
    return noise


def on_fine_grid(volume: Volume, acquisition: Acquisition, values: Tensor) -> Volume:
    """Values [X', Y', Z'] as a volume: on the fine grid of a scan."""
    spacing = [axis.fine_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(volume.affine, volume.shape, spacing)
    return replace(
        volume,
        voxels=values.numpy(),
        affine=affine,
        padding=None,
        slice_thickness_mm=acquisition.axes[acquisition.coarse_axis].fine_mm,
        stored_as_integers=False,
        digest="",
    )

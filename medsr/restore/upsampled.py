"""The scan on the fine grid, and the image that a residual over it makes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.resample import lift
from medsr.restore.chunks import Part, parts_of

__all__ = ["STATE", "Lifted"]

#: What whole volumes on the fine grid are kept in while the sampler walks: half of the memory.
#: The image itself is put together in single precision.
STATE = torch.float16


@dataclass(frozen=True, eq=False)
class Lifted:
    """A lifted scan, in the network's range.

    Attributes:
        scan: measured, [X, Y, Z], float32.
        acquisition: how it was made.
        unit: standard deviation of the model's residual.
        condition: the lifted scan as the network sees it, [X', Y', Z'], of dtype `STATE`.
        parts: of the volume.
    """

    scan: Tensor
    acquisition: Acquisition
    unit: float
    condition: Tensor
    parts: list[Part]

    @classmethod
    def of(cls, scan: Tensor, acquisition: Acquisition, unit: float) -> Lifted:
        """Lift a scan [X, Y, Z]."""
        parts = parts_of(acquisition)
        condition = torch.empty(acquisition.fine_shape, dtype=STATE)
        for part in parts:
            condition[part] = lift(scan[part], acquisition)
        return cls(scan, acquisition, unit, condition, parts)

    def image(self, residual: Tensor, part: Part) -> Tensor:
        """A part of lifted scan + unit * residual [X', Y', Z'], float32."""
        return lift(self.scan[part], self.acquisition).add_(
            residual[part].float(), alpha=self.unit
        )

"""Settings of how a model runs that do not concern the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["VOXELS_PER_CALL", "Progress", "Running", "halves"]

#: Called with the share of the work that is done, 0 to 1.
Progress = Callable[[float], None]

CPU = torch.device("cpu")

#: Voxels that go through the network at once; the result does not depend on it. So few that what a
#: layer leaves is still in the processor's cache when the next one reads it
#: (docs/development/experiments.md).
VOXELS_PER_CALL = 200_000


@dataclass(frozen=True)
class Running:
    """Where and how the network runs.

    Attributes:
        device: of the sampler and the network; all else is done on the CPU.
        dtype: of the convolutions, bfloat16 or float32.
        integers: they multiply 8-bit integers where that is possible; with float32 only.
        voxels_per_call: memory against speed; no influence on the result.
        progress: called with the share of the work that is done, 0 to 1.
    """

    device: torch.device = CPU
    dtype: torch.dtype = torch.bfloat16
    integers: bool = False
    voxels_per_call: int = VOXELS_PER_CALL
    progress: Callable[[float], None] | None = None

    @property
    def precision(self) -> str:
        """The number format of the convolutions, for the record."""
        if self.integers:
            return "int8"
        return "bfloat16" if self.dtype == torch.bfloat16 else "float32"

    def counted(self, evaluations: int) -> Callable[[float], None]:
        """Reports the share of the work that is done, given that of the current evaluation.

        Args:
            evaluations: of the network over the volume, in all.
        """
        done = 0

        def count(share: float) -> None:
            nonlocal done
            if self.progress is not None:
                self.progress((done + share) / evaluations)
            done += share == 1

        return count


def halves(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """The progress of an adaptation and that of the enhancement after it."""
    if progress is None:
        return None, None
    return lambda share: progress(share / 2), lambda share: progress(0.5 + share / 2)

"""What was measured stays: how strictly a restored scan is held to the scan it came from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.consistency import LEAST_RATIO, Projector, wiener_ratio
from medsr.restore.options import Consistency

__all__ = ["Measured"]

#: What `Consistency.NOISE` promises for a scan free of noise: |A x - y| over the intensity gain.
TOLERANCE = 0.005

#: Rounds of projection and floor that it may take; after that the promise wins over the floor.
ROUNDS = 3

#: A scan with less noise than this, over the intensity gain, is held as if it had none: below it
#: holding costs no PSNR, above it the noise comes back in (docs/experiments.md).
NOISE_FREE = 0.02


@dataclass(frozen=True, eq=False)
class Measured:
    """A measured scan and what a restored one may not contradict, in the network's range.

    Attributes:
        scan: y, [X, Y, Z].
        noise: estimated standard deviation of its noise.
        floor: the least value that an image may have (air); None where there is no such.
        projector: of its acquisition.
        mode: how strictly it is held.
        explained: whether the assumed profile explains the scan; where another one explains it far
            better, holding to the assumed one would do harm, and `NOISE` leaves it.
    """

    scan: Tensor
    noise: float
    floor: float | None
    projector: Projector
    mode: Consistency
    explained: bool = True

    @classmethod
    def of(
        cls,
        scan: Tensor,
        acquisition: Acquisition,
        *,
        noise: float,
        floor: float | None,
        mode: Consistency,
    ) -> Measured:
        """Prepare the projection for a scan."""
        return cls(scan, noise, floor, Projector.of(acquisition), mode)

    def hold(self, x: Tensor) -> Tensor:
        """The image nearest to x [X', Y', Z'] that does not contradict the scan.

        The projection and the floor take turns (projection onto convex sets; Youla and Webb 1982,
        IEEE Trans Med Imaging 1:81); where that does not meet the tolerance in a few rounds, a
        few voxels at sharp edges of the body stay below the floor. `EXACT` ignores the floor.
        """
        left = self.mode is Consistency.NOISE and not self.explained
        if self.mode is Consistency.OFF or left:
            return self._above_floor(x)
        if self.mode is Consistency.EXACT:
            return self.projector.project(x, self.scan)
        ratio = LEAST_RATIO
        if self.noise >= NOISE_FREE:
            ratio = wiener_ratio(self.projector.residual(x, self.scan), self.noise, self.projector)
        if math.isinf(ratio):
            return self._above_floor(x)
        for _ in range(ROUNDS):
            below = self.projector.project(x, self.scan, ratio)
            x = self._above_floor(below)
            if self.floor is None or self.largest_residual(x) < TOLERANCE:
                return x
        return x if ratio > LEAST_RATIO else self._floor_where_it_may(x, below)

    def _floor_where_it_may(self, x: Tensor, below: Tensor) -> Tensor:
        """x, but `below` in the lines along the coarse axis where x misses the tolerance.

        Lines are independent where the other two axes are sampled as they are.
        """
        acquisition = self.projector.acquisition
        coarse = acquisition.coarse_axis
        if not all(axis.is_identity for k, axis in enumerate(acquisition.axes) if k != coarse):
            return below
        worst = self.projector.residual(x, self.scan).abs().amax(dim=coarse, keepdim=True)
        return torch.where(worst < TOLERANCE, x, below)

    def largest_residual(self, x: Tensor) -> float:
        """Largest |A x - y| of all measured voxels, over the intensity gain."""
        return float(self.projector.residual(x, self.scan).abs().max())

    def residual_by_slice(self, x: Tensor, axis: int) -> list[float]:
        """Root mean square of A x - y in each measured slice, over the intensity gain."""
        squares = self.projector.residual(x, self.scan).square()
        others = [k for k in range(3) if k != axis]
        return [float(v) for v in np.asarray(squares.mean(dim=others).sqrt())]

    def _above_floor(self, x: Tensor) -> Tensor:
        return x if self.floor is None else torch.clamp(x, min=self.floor)

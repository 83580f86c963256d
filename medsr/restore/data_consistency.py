"""What was measured stays: how strictly a restored scan is held to the scan it came from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.projection import LEAST_RATIO, Projector, wiener_ratio
from medsr.restore.choices import Consistency
from medsr.restore.chunks import Chunk

__all__ = ["NOISE_FREE", "Measured"]

#: What `Consistency.NOISE` promises for a scan free of noise: |A x - y| over the intensity gain.
TOLERANCE = 0.005

#: Rounds of projection and floor that it may take; after that the promise wins over the floor.
ROUNDS = 3

#: A scan with less noise than this, over the intensity gain, is held as if it had none: below it
#: holding costs no PSNR, above it the noise comes back in (docs/development/experiments.md).
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

    def at(self, chunk: Chunk) -> Measured:
        """The same of a chunk of the scan."""
        return replace(self, scan=self.scan[chunk])

    def hold(self, x: Tensor, ratio: float | None = None) -> Tensor:
        """The image nearest to x [X', Y', Z'] that does not contradict the scan.

        The projection and the floor take turns (projection onto convex sets; Youla and Webb 1982,
        IEEE Trans Med Imaging 1:81), for each line along the coarse axis until it meets the
        tolerance; where that takes too many rounds, a few voxels at sharp edges of the body stay
        below the floor. `EXACT` ignores the floor.

        Args:
            x: the image, [X', Y', Z'].
            ratio: from `ratio` for the whole image, where x is a chunk of one.
        """
        left = self.mode is Consistency.NOISE and not self.explained
        if self.mode is Consistency.OFF or left:
            return self._above_floor(x)
        if self.mode is Consistency.EXACT:
            return self.projector.project(x, self.scan)
        if ratio is None:
            ratio = self.ratio(self.residual_square(x))
        if math.isinf(ratio):
            return self._above_floor(x)
        settled = torch.zeros((), dtype=torch.bool)
        for _ in range(ROUNDS):
            below = self.projector.project(x, self.scan, ratio)
            x = torch.where(settled, x, self._above_floor(below))
            settled = self._settled(x)
            if self.floor is None or bool(settled.all()):
                return x
        return x if ratio > LEAST_RATIO else torch.where(settled, x, below)

    @property
    def is_noisy(self) -> bool:
        """Whether the scan's noise is worth weighing against the image."""
        return self.mode is Consistency.NOISE and self.noise >= NOISE_FREE

    def ratio(self, residual_square: float) -> float:
        """How little the scan counts against an image; see `wiener_ratio`.

        Args:
            residual_square: mean square of y - A x of the whole image.
        """
        if not self.is_noisy:
            return LEAST_RATIO
        return wiener_ratio(residual_square, self.noise, self.projector)

    def residual_square(self, x: Tensor) -> float:
        """Mean square of y - A x of an image [X', Y', Z']."""
        return float(self.projector.residual(x, self.scan).double().square().mean())

    def _settled(self, x: Tensor) -> Tensor:
        """Which lines along the coarse axis meet the tolerance; all or none of a volume whose
        lines are not independent, because another axis was changed too."""
        axes, coarse = self.projector.acquisition.axes, self.projector.acquisition.coarse_axis
        within = self.projector.residual(x, self.scan).abs() < TOLERANCE
        if all(axis.is_identity for k, axis in enumerate(axes) if k != coarse):
            return within.all(dim=coarse, keepdim=True)
        return within.all()

    def square_by_slice(self, x: Tensor, axis: int) -> Tensor:
        """Mean square of A x - y in each measured slice, over the squared intensity gain."""
        squares = self.projector.residual(x, self.scan).square()
        return squares.mean(dim=[k for k in range(3) if k != axis])

    def _above_floor(self, x: Tensor) -> Tensor:
        return x if self.floor is None else torch.clamp(x, min=self.floor)

"""Data consistency of a restored scan with its measured scan."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.bounded import nearest_within
from medsr.acquisition.projection import LEAST_RATIO, Projector, wiener_ratio
from medsr.acquisition.resample import axis_matrices
from medsr.remarks import Meaning, Remark
from medsr.restore.choices import Consistency
from medsr.restore.chunks import Chunk

__all__ = ["NOISE_FREE", "DataConsistency", "Residual", "remark_on_residual"]

#: What `Consistency.NOISE` promises for a scan free of noise: |A x - y| over the intensity gain.
TOLERANCE = 0.005

#: The same of `Consistency.EXACT`: rounding of single precision.
ROUNDING = 2e-6

#: Rounding of a finished image, over the intensity gain.
SLACK = 1e-5

#: Rounds of projection and floor before what is left of the lines is solved, and where the lines
#: of the scan depend on each other, so that nothing can be solved line by line.
ROUNDS, ROUNDS_OF_VOLUMES = 3, 20

#: Largest value of a line that is solved for, over the brightest measured voxel.
CEILING = 1.25

#: A scan with less noise than this, over the intensity gain, counts as free of noise: below it
#: data consistency costs no PSNR, above it the noise comes back in
#: (docs/development/experiments.md).
NOISE_FREE = 0.02


@dataclass(frozen=True)
class Residual:
    """How far A x is from the measured scan y, over the intensity gain.

    Attributes:
        largest: |A x - y| at the worst measured voxel.
        rms: root mean square.
        share_beyond: share of measured voxels that miss what the mode promises.
    """

    largest: float
    rms: float
    share_beyond: float


@dataclass(frozen=True, eq=False)
class DataConsistency:
    """A measured scan and what a restored image may not contradict, in the network's range.

    Attributes:
        scan: y, [X, Y, Z].
        noise: estimated standard deviation of its noise.
        floor: the least value that an image may have (air); None where there is no such value.
        projector: of its acquisition.
        mode: how strictly the image must agree with the scan.
        ceiling: the largest value that a line may have that is solved for.
    """

    scan: Tensor
    noise: float
    floor: float | None
    projector: Projector
    mode: Consistency
    ceiling: float = math.inf

    @classmethod
    def of(
        cls,
        scan: Tensor,
        acquisition: Acquisition,
        *,
        noise: float,
        floor: float | None,
        mode: Consistency,
    ) -> DataConsistency:
        """Prepare the projection for a scan."""
        ceiling = CEILING * float(scan.max())
        return cls(scan, noise, floor, Projector.of(acquisition), mode, ceiling)

    def at(self, chunk: Chunk) -> DataConsistency:
        """The same of a chunk of the scan."""
        return replace(self, scan=self.scan[chunk])

    @property
    def is_off(self) -> bool:
        """Whether the image is left as it is, but for the floor."""
        return self.mode is Consistency.OFF

    @property
    def is_noisy(self) -> bool:
        """Whether the scan's noise is worth weighing against the image."""
        return self.mode is Consistency.NOISE and self.noise >= NOISE_FREE

    @property
    def tolerance(self) -> float:
        """Largest |A x - y| that the mode promises for a scan free of noise."""
        return ROUNDING if self.mode is Consistency.EXACT else TOLERANCE

    def apply(self, x: Tensor, ratio: float | None = None) -> Tensor:
        """An image near x [X', Y', Z'] that agrees with the scan and is nowhere below the floor.

        The projection and the floor take turns (projection onto convex sets; Youla and Webb 1982,
        IEEE Trans Med Imaging 1:81), for each line along the coarse axis until it meets the
        tolerance. Lines that do not within a few rounds are solved by `nearest_within`.
        Where no image above the floor agrees with the scan, the floor is kept and `residual`
        says how much is missing.

        Args:
            x: the image, [X', Y', Z'].
            ratio: from `ratio` for the whole image, where x is a chunk of one.
        """
        if self.is_off:
            return self.above_floor(x)
        if self.mode is Consistency.EXACT:
            return self._alternate(x, 0.0, rounds=1)
        if ratio is None:
            ratio = self.ratio(self.residual_square(x))
        if math.isinf(ratio):
            return self.above_floor(x)
        return self._alternate(x, ratio, rounds=ROUNDS)

    def _alternate(self, x: Tensor, ratio: float, *, rounds: int) -> Tensor:
        """Projection and floor in turn; then the solution of the lines that are left."""
        if self.floor is None:
            return self.projector.project(x, self.scan, ratio)
        by_line = self._lines_are_independent
        if not by_line and ratio <= LEAST_RATIO:
            rounds = ROUNDS_OF_VOLUMES
        image, done = x, torch.zeros((), dtype=torch.bool)
        for _ in range(rounds):
            projected = self.projector.project(image, self.scan, ratio)
            image = torch.where(done, image, self.above_floor(projected))
            done = self._meets_tolerance(image)
            if bool(done.all()):
                return image
        if ratio > LEAST_RATIO or not by_line:
            return image
        blocked = ~done & (projected < self.floor).any(self._coarse_axis, keepdim=True)
        return self._solved(x, image, blocked)

    def _solved(self, x: Tensor, image: Tensor, chosen: Tensor) -> Tensor:
        """The image with the chosen lines solved from x; [X', Y', Z'], changed in place."""
        axis = self._coarse_axis
        matrix = axis_matrices(self.projector.acquisition)[axis]
        lines = chosen.squeeze(axis)
        if matrix is None or self.floor is None or not bool(lines.any()):
            return image
        image.movedim(axis, -1)[lines] = nearest_within(
            x.movedim(axis, -1)[lines],
            self.scan.movedim(axis, -1)[lines],
            matrix,
            bounds=(self.floor, self.ceiling),
            tolerance=self.tolerance / 2,  # so that rounding does not lead over it
        )
        return image

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

    def residual(self, x: Tensor, chunks: Iterable[Chunk] = ((slice(None),) * 3,)) -> Residual:
        """How far A x is from the scan, for an image x [X', Y', Z'] taken in chunks."""
        promised = self.tolerance + SLACK
        largest = squares = 0.0
        count = beyond = 0
        for chunk in chunks:
            found = self.projector.residual(x[chunk], self.scan[chunk]).abs()
            largest = max(largest, float(found.max()))
            squares += float(found.double().square().sum())
            beyond += int((found > promised).sum())
            count += found.numel()
        return Residual(largest, math.sqrt(squares / count), beyond / count)

    def square_by_slice(self, x: Tensor, axis: int) -> Tensor:
        """Mean square of A x - y in each measured slice, over the squared intensity gain."""
        squares = self.projector.residual(x, self.scan).square()
        return squares.mean(dim=[k for k in range(3) if k != axis])

    @property
    def _coarse_axis(self) -> int:
        return self.projector.acquisition.coarse_axis

    @property
    def _lines_are_independent(self) -> bool:
        """Whether the acquisition changes only the coarse axis."""
        axes = self.projector.acquisition.axes
        return all(axis.is_identity for k, axis in enumerate(axes) if k != self._coarse_axis)

    def _meets_tolerance(self, x: Tensor) -> Tensor:
        """Which lines along the coarse axis meet the tolerance; all or none of a volume whose
        lines are not independent."""
        within = self.projector.residual(x, self.scan).abs() < self.tolerance
        if self._lines_are_independent:
            return within.all(dim=self._coarse_axis, keepdim=True)
        return within.all()

    def above_floor(self, x: Tensor) -> Tensor:
        """x with nothing below the floor."""
        return x if self.floor is None else torch.clamp(x, min=self.floor)


#: Fewer measured voxels than this share do not put a result in doubt.
FEW = 0.001


def remark_on_residual(consistency: DataConsistency, residual: Residual) -> Remark | None:
    """Why a result does not agree with its scan everywhere; None where it does as promised."""
    promised = not consistency.is_off and not consistency.is_noisy
    if not promised or residual.share_beyond == 0:
        return None
    exact = consistency.mode is Consistency.EXACT
    wanted = "exactly" if exact else f"within {100 * TOLERANCE:g} % of the intensity range"
    words = (
        f"{100 * residual.share_beyond:.2g} % of the measured voxels are not reproduced "
        f"{wanted}; the largest difference is {100 * residual.largest:.2g} % of the "
        "range. No image without values darker than air reproduces them with the assumed "
        "slice profile, which happens next to voxels that were set to zero."
    )
    few = residual.share_beyond < FEW
    return Remark(Meaning.NOTE if few else Meaning.DOUBT, words)

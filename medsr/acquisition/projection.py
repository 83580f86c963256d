"""Data consistency: projection onto the images that agree with the measured scan.

Of all images that the acquisition A maps to the measured scan y, the one nearest to x is

    x + A^T (A A^T)^-1 (y - A x)

(the range-null space projection; Wang, Yu and Zhang 2023, arXiv:2212.00490, eq. 8). Measured
voxels hold noise, so the inverse is regularised: (A A^T + t)^-1, the Wiener solution when t is the
noise variance over the variance of the error of x. A is separable, so A A^T is diagonal in the
eigenvectors of its three small factors and the solution is exact, without iterations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.profiles import Matrix
from medsr.acquisition.resample import acquire, acquire_adjoint, along_axis, axis_matrices

__all__ = ["Projector", "wiener_ratio"]

#: Least t: with overlapping slices, some directions hardly change any measured voxel.
LEAST_RATIO = 1e-4

#: Eigenvalues of A A^T below this share of the largest are rounding, not measurement.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Projector:
    """Makes images consistent with the scans of one acquisition.

    Attributes:
        acquisition: A.
        bases: eigenvectors of A A^T along each axis, [low, low]; None where A is the identity.
        eigenvalues: of A A^T, broadcastable to the low grid [X, Y, Z].
    """

    acquisition: Acquisition
    bases: tuple[Matrix | None, ...]
    eigenvalues: Tensor

    @classmethod
    def of(cls, acquisition: Acquisition) -> Projector:
        """Prepare the projection for an acquisition."""
        bases: list[Matrix | None] = []
        values = torch.ones(1, 1, 1, dtype=torch.float64)
        for k, matrix in enumerate(axis_matrices(acquisition)):
            if matrix is None:
                bases.append(None)
                continue
            along, basis = _eigen(matrix)
            bases.append(basis)
            shape = [1, 1, 1]
            shape[k] = len(along)
            values = values * torch.from_numpy(along).reshape(shape)
        return cls(acquisition, tuple(bases), values)

    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """y - A x: [X, Y, Z] on the low grid, from x [X', Y', Z'] and y [X, Y, Z]."""
        return y - acquire(x, self.acquisition)

    def project(self, x: Tensor, y: Tensor, ratio: float = 0.0) -> Tensor:
        """The consistent image nearest to x.

        Args:
            x: image on the fine grid [X', Y', Z'].
            y: measured scan [X, Y, Z], in the same unit.
            ratio: t above, noise variance over error variance; 0 is exact to rounding.

        Returns:
            [X', Y', Z'], of x's dtype.
        """
        rotated = self._rotate(self.residual(x, y).double(), inverse=False)
        solved = self._rotate(rotated * self._inverse(ratio), inverse=True)
        return x + acquire_adjoint(solved.to(x.dtype), self.acquisition)

    def measured_energy(self, x: Tensor) -> float:
        """``|A^+ A x|^2``, the energy of the part of x [X', Y', Z'] that the scan determines."""
        rotated = self._rotate(acquire(x, self.acquisition).double(), inverse=False)
        return float((rotated.square() * self._inverse(0.0)).sum())

    def _inverse(self, ratio: float) -> Tensor:
        floor = ROUNDING * float(self.eigenvalues.max())
        return torch.where(self.eigenvalues > floor, 1 / (self.eigenvalues + ratio), 0.0)

    def _rotate(self, low: Tensor, *, inverse: bool) -> Tensor:
        for k, basis in enumerate(self.bases):
            if basis is not None:
                low = along_axis(low, basis if inverse else basis.T, k)
        return low


def wiener_ratio(residual_square: float, noise: float, projector: Projector) -> float:
    """t of a scan with a noise level, from how much of y - A x the noise does not explain.

    Args:
        residual_square: mean square of y - A x over the low grid.
        noise: standard deviation of the noise of y, in the same unit; 0 gives the least t.
        projector: of the acquisition.

    Returns:
        Noise variance over error variance; infinity where noise explains all of the residual.
    """
    unexplained = residual_square - noise**2
    if noise == 0:
        return LEAST_RATIO
    if unexplained <= 0:
        return float("inf")
    error_variance = unexplained / float(projector.eigenvalues.mean())
    return max(LEAST_RATIO, noise**2 / error_variance)


def _eigen(matrix: Matrix) -> tuple[NDArray[np.float64], Matrix]:
    values, basis = np.linalg.eigh(matrix @ matrix.T)
    return np.clip(values, 0.0, None), np.asarray(basis)

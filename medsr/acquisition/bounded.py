"""Data consistency within bounds: no voxel becomes darker than air.

Of all lines z with f <= z <= c that the acquisition A maps to the measured line y, the nearest to
x is

    z = clip(x + A^T l, f, c)        where l solves        A clip(x + A^T l, f, c) = y ,

because l maximises the concave dual, whose gradient is y - A z and whose Hessian is -A D A^T with
D = 1 where z lies between the bounds (the semismooth Newton method for such projections: Qi and
Sun 2006, SIAM J Matrix Anal Appl 28:360). The Newton step is damped, as in the proximal point
method (Rockafellar 1976, SIAM J Control Optim 14:877), so that it leads to a small residual also
where no line within the bounds has this scan: next to hard zeros, for example, because wide slices
cannot change from bright to nothing within one slice.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.profiles import Matrix

__all__ = ["nearest_within"]

#: Newton steps at most. Lines that have a solution need 2 to 8; on the others more steps gain
#: little consistency and move the image far.
STEPS = 10

#: Damping of the Newton step; the eigenvalues of A A^T are of order 0.1. Ten times more leaves
#: lines that have a solution, ten times less moves those that have none far.
DAMPING = 1e-3

#: Halvings of a step that would lower the dual.
HALVINGS = 6

#: Numbers in the Hessians of the lines that are solved together, for memory (64 MB).
HESSIANS = 8_000_000

#: Entries of A A^T below this share of the largest are zero.
NEGLIGIBLE = 1e-9


def nearest_within(
    x: Tensor, y: Tensor, matrix: Matrix, *, bounds: tuple[float, float], tolerance: float
) -> Tensor:
    """The lines within bounds that give the measured lines, near to `x`.

    Each line stops at the first step at which it gives its scan within `tolerance`; a line that
    cannot ends with the least largest residual that was found.

    Args:
        x: lines of the image, [lines, fine].
        y: the measured lines, [lines, low], in the same unit.
        matrix: A, [low, fine].
        bounds: least and largest value of an image.
        tolerance: largest |A z - y| of a line that is done.

    Returns:
        [lines, fine], of x's dtype.
    """
    weights = torch.tensor(matrix, dtype=torch.float64)
    products = _band_products(weights)
    together = max(1, HESSIANS // len(weights) ** 2)
    solved = [
        _solve(part.double(), scan.double(), weights, products, bounds, tolerance)
        for part, scan in zip(torch.split(x, together), torch.split(y, together), strict=True)
    ]
    # Rounded to single precision a voxel may lie beyond a bound by its last bit.
    return torch.cat(solved).to(x.dtype).clamp_(*bounds)


def _solve(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    products: list[Tensor],
    bounds: tuple[float, float],
    tolerance: float,
) -> Tensor:
    """`nearest_within` in double precision."""
    floor, ceiling = bounds
    best, least = x.clamp(floor, ceiling), torch.full((len(x),), torch.inf, dtype=x.dtype)
    multiplier = torch.zeros_like(y)
    lines = torch.arange(len(x))  # those not done yet
    for _ in range(STEPS + 1):
        line = (x[lines] + multiplier @ weights).clamp_(floor, ceiling)
        gradient = y[lines] - line @ weights.T
        largest = gradient.abs().amax(dim=1)
        better = largest < least[lines]
        best[lines[better]], least[lines[better]] = line[better], largest[better]
        unsettled = largest > tolerance
        if not bool(unsettled.any()):
            break
        lines, multiplier = lines[unsettled], multiplier[unsettled]
        line, gradient = line[unsettled], gradient[unsettled]
        step = _newton_step((line > floor) & (line < ceiling), gradient, products)
        problem = (x[lines], y[lines], weights, bounds)
        multiplier = _ascend(multiplier, step, gradient, problem)
    return best


def _band_products(weights: Tensor) -> list[Tensor]:
    """A[i] * A[i + d] for d = 0, 1, ... as far as rows overlap: [low - d, fine] each."""
    overlaps = (weights @ weights.T).abs()
    far = np.argwhere((overlaps > NEGLIGIBLE * overlaps.max()).numpy())
    width = int((far[:, 1] - far[:, 0]).max())
    return [weights[: len(weights) - d] * weights[d:] for d in range(width + 1)]


def _newton_step(above: Tensor, gradient: Tensor, products: list[Tensor]) -> Tensor:
    """(A D A^T + damping)^-1 gradient: [lines, low]."""
    count = gradient.shape[1]
    hessian = gradient.new_zeros(len(gradient), count, count)
    for distance, product in enumerate(products):
        below_diagonal = hessian.diagonal(-distance, dim1=1, dim2=2)
        below_diagonal.copy_(above.to(gradient.dtype) @ product.T)
    hessian.diagonal(dim1=1, dim2=2).add_(DAMPING)
    factor = torch.linalg.cholesky(hessian)  # reads the lower half
    return torch.cholesky_solve(gradient[..., None], factor)[..., 0]


def _ascend(
    multiplier: Tensor,
    step: Tensor,
    gradient: Tensor,
    problem: tuple[Tensor, Tensor, Tensor, tuple[float, float]],
) -> Tensor:
    """The multiplier after a step that is halved for each line until its dual rises."""
    before, slope = _dual(multiplier, *problem), (gradient * step).sum(dim=1)
    size = torch.ones_like(before)
    for _ in range(HALVINGS):
        after = _dual(multiplier + size[:, None] * step, *problem)
        too_far = after < before + 1e-4 * size * slope
        if not bool(too_far.any()):
            break
        size = torch.where(too_far, size / 2, size)
    return multiplier + size[:, None] * step


def _dual(
    multiplier: Tensor, x: Tensor, y: Tensor, weights: Tensor, bounds: tuple[float, float]
) -> Tensor:
    """Minimum over z within the bounds of |z - x|^2 / 2 + l (y - A z), less |x|^2 / 2: [lines]."""
    free = x + multiplier @ weights
    line = free.clamp(*bounds)
    return (multiplier * y).sum(dim=1) + (line * (line / 2 - free)).sum(dim=1)

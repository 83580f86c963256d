"""How much stronger the edges of a sample must be than those of the posterior mean.

A posterior mean averages over all images that agree with the scan, so its edges are too flat. Of
all images that are as strong as scans, the nearest to the truth in mean square is not drawn: it is
the posterior mean with its detail made stronger (for Gaussian images exactly: Freirich, Michaeli
and Meir 2021, arXiv:2107.02555). The scan shows how much stronger: its own slices, degraded and
restored (`self_check`), have edges whose true slope was measured.

    s with P97 |d G (c + s (m - c))| = P97 |d G y|

c is cubic interpolation of the degraded slices and m their posterior mean, both consistent with
them, so that s changes nothing that was measured; y are the slices as measured, G a Gaussian of
one voxel within the slice, d the slope along the degraded axis; percentiles are over tissue.
Smoothing takes most of the noise out of y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medsr.metrics.edges import STEEP, smooth_slope
from medsr.restore.upsampled import Upsampled

__all__ = ["Slopes", "edge_strength", "slopes_of", "strengthen"]

#: Bounds of the strength: the slices are a guess of what lies across them.
LEAST, MOST = 0.7, 2.0

#: Share of what a sampler draws about the posterior mean that a sample keeps: half of its energy.
#: All of it blunts edges and costs a decibel (docs/development/clean-targets.md).
DRAWN = 0.7

#: It is found to this.
STEP = 0.01


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes of some slices along their degraded axis at voxels of tissue, [n] each."""

    cubic: NDArray[np.float32]
    detail: NDArray[np.float32]
    reference: NDArray[np.float32]


def slopes_of(
    cubic: Tensor, restored: Tensor, reference: Tensor, tissue: Tensor, axes: tuple[int, int]
) -> Slopes:
    """The slopes of some slices.

    Args:
        cubic, restored, reference: slices [X, Y, n] for slices across Z, in one unit.
        tissue: bool, likewise.
        axes: the degraded axis, and the one across the slices.
    """
    along, across = axes

    def slope(image: Tensor) -> NDArray[np.float32]:
        return np.asarray(smooth_slope(image.numpy(), axis=along, across=across)[tissue.numpy()])

    return Slopes(slope(cubic), slope(restored - cubic), slope(reference))


def edge_strength(found: Sequence[Slopes]) -> float | None:
    """The strength that makes edges as steep as measured; None where there are none.

    Args:
        found: of the slices that were degraded along one axis.
    """
    cubic, detail, reference = (
        np.concatenate(parts)
        for parts in zip(*((s.cubic, s.detail, s.reference) for s in found), strict=True)
    )
    wanted = float(np.percentile(np.abs(reference), STEEP)) if reference.size else 0.0
    if wanted == 0:
        return None
    low, high = LEAST, MOST
    while high - low > STEP:
        middle = (low + high) / 2
        steep = float(np.percentile(np.abs(cubic + np.float32(middle) * detail), STEEP))
        low, high = (middle, high) if steep < wanted else (low, middle)
    return (low + high) / 2


def strengthen(residual: Tensor, first: Tensor, upsampled: Upsampled, strength: float) -> Tensor:
    """A sample whose posterior mean is stronger, and what was drawn weaker by `DRAWN`.

    Args:
        residual: of the sample, [X', Y', Z'], of dtype `STATE`; changed in place.
        first: of the posterior mean, the same.
        upsampled: the scan.
        strength: from `edge_strength`.
    """
    for chunk in upsampled.chunks:
        drawn = residual[chunk].float().mul_(DRAWN)
        residual[chunk] = drawn.add_(first[chunk].float(), alpha=strength - DRAWN)
    return residual

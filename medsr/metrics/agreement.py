"""Bland-Altman agreement of intensities.

Symbols: x the reference, y the estimate, d = y - x and a = (x + y) / 2 over the voxels of M::

    bias               = mean d                               unit of the image
    limits             = bias +- 1.96 SD(d)                   (95 % of differences, if normal)
    proportional bias  = cov(d, a) / var(a)                   slope of d on a, pure number

An estimate y = g x + c without other error has the slope 2 (g - 1) / (g + 1) and so about g - 1.
Any random error of y makes the slope positive, and any loss of contrast (blur) negative.
SD divides by ``|M|``. Source: Bland, Altman, Lancet 327 (1986) 307; Statistical Methods in Medical
Research 8 (1999) 135, section 3.2 for the slope.
"""

from __future__ import annotations

import numpy as np

from medsr.errors import Refused
from medsr.metrics.checks import Array, Mask, check_pair

__all__ = ["bias", "half_limits", "proportional_bias"]


def bias(reference: Array, estimate: Array, *, mask: Mask | None = None) -> float:
    """Mean difference, estimate minus reference, in the unit of the image; 0 is best.

    Args and Raises: see `fidelity.mae`.

    >>> bias(np.zeros((2, 2, 2)), np.full((2, 2, 2), -3.0))
    -3.0
    """
    return float(_differences(reference, estimate, mask)[0].mean())


def half_limits(reference: Array, estimate: Array, *, mask: Mask | None = None) -> float:
    """1.96 standard deviations of the difference: the limits of agreement are bias +- this.

    In the unit of the image; lower is closer. Args and Raises: see `fidelity.mae`.
    """
    return float(1.96 * _differences(reference, estimate, mask)[0].std())


def proportional_bias(reference: Array, estimate: Array, *, mask: Mask | None = None) -> float:
    """Slope of the difference on the mean of the two, a pure number; 0 is best.

    Args and Raises: see `fidelity.mae`.

    Raises:
        Refused: both images are constant over the mask.

    >>> x = np.arange(8.0).reshape(2, 2, 2)
    >>> round(proportional_bias(x, 1.1 * x), 4)
    0.0952
    """
    d, a = _differences(reference, estimate, mask)
    spread = float(a.var())
    if spread == 0:
        raise Refused("Both images are constant over the mask, so their difference has no slope.")
    return float(((d - d.mean()) * (a - a.mean())).mean()) / spread


def _differences(x: Array, y: Array, mask: Mask | None) -> tuple[Array, Array]:
    """Differences y - x and means of the two, float64, over the mask."""
    check_pair(x, y, mask)
    if mask is not None:
        x, y = x[mask], y[mask]
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return y - x, 0.5 * (x + y)

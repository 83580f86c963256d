"""What another scan of the same anatomy says of the detail between slices.

A guide g shows the same anatomy in another contrast, sharper. Seen through the slices of the scan
it is A g, and around each measured voxel the scan y is explained by it::

    y  ~  c + a1 A g + a2 A g^2        (least squares over a window, weakly regularised)

a1 and a2 then say what the detail that the slices lost in g is worth in y: `a1 (g - U A g) + a2
(g^2 - U A g^2)` with the interpolation U. Windows and ridge as in the guided filter (He, Sun and
Tang 2013, IEEE Trans Pattern Anal Mach Intell 35:1397); the square because from T1w to FLAIR the
order of the tissues changes. Where y does not follow g the slopes are near zero, and so is the
share of the variance of y that is explained: the agreement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.resample import acquire, upsample
from medsr.intensity import CLIP_HIGH, CLIP_LOW

__all__ = ["GUIDE_CHANNELS", "MOST_GUIDES", "REACH", "guide_channels"]

#: Numbers of a guide at a voxel: its intensity, whether it is there, the detail that it explains,
#: and how well it agrees with the scan around it, 0 to 1.
GUIDE_CHANNELS = 4

#: Guides of one scan, at most.
MOST_GUIDES = 3

#: Measured voxels of a window across and along the coarse axis, and within a slice that stands
#: alone.
WINDOW, WINDOW_ALONG, WINDOW_ALONE = 5, 3, 9

#: Measured voxels across the coarse axis that a voxel's channels depend on, each way: two windows.
REACH = WINDOW - 1

#: Ridge of the regression, in the squared unit of the network's range.
RIDGE = 1e-4

#: Share of a measured voxel that the guide must cover, so that the voxel counts.
COVERED = 0.99

#: The detail is given in a unit in which it is of order one.
DETAIL_UNIT = 0.1


def guide_channels(
    guide: Tensor,
    valid: Tensor,
    scan: Tensor,
    acquisition: Acquisition,
    *,
    alone: int | None = None,
) -> Tensor:
    """The channels of a guide: intensity, validity, detail, agreement; [4, X', Y', Z'].

    Args:
        guide: on the fine grid, in the network's range, [X', Y', Z'].
        valid: where it is: 1 inside, 0 outside, [X', Y', Z'].
        scan: as measured, in the network's range, [X, Y, Z].
        acquisition: of the scan.
        alone: an axis along which the planes of the scan do not belong together.
    """
    coarse = acquisition.coarse_axis
    wide = WINDOW if alone is None else WINDOW_ALONE
    window = [1 if k == alone else WINDOW_ALONG if k == coarse else wide for k in range(3)]
    guide = guide.clamp(CLIP_LOW, CLIP_HIGH) * valid
    powers = (guide, guide.square())
    seen = [acquire(power, acquisition) for power in powers]
    weight = (acquire(valid, acquisition) > COVERED).to(scan.dtype)
    found = upsample(_regression(seen, weight, scan, window), acquisition, order=1)
    detail = found[0] * (powers[0] - upsample(seen[0], acquisition))
    detail.addcmul_(found[1], powers[1].sub_(upsample(seen[1], acquisition)))
    detail.mul_(valid / DETAIL_UNIT).clamp_(CLIP_LOW / DETAIL_UNIT, CLIP_HIGH / DETAIL_UNIT)
    return torch.stack([guide, valid, detail, found[2] * valid])


def _regression(seen: list[Tensor], weight: Tensor, scan: Tensor, window: list[int]) -> Tensor:
    """a1, a2 and the share of the variance that they explain at each measured voxel: [3, X, Y, Z].

    Each is averaged over the windows that contain the voxel.
    """
    one, two = seen
    products = (
        one,
        two,
        scan,
        one * one,
        two * two,
        scan * scan,
        one * two,
        one * scan,
        two * scan,
    )
    share, *means = _mean(torch.stack([torch.ones_like(scan), *products]) * weight, window)
    m1, m2, my, m11, m22, myy, m12, m1y, m2y = (mean / share.clamp(min=1e-6) for mean in means)
    c11, c22, c12 = m11 - m1 * m1 + RIDGE, m22 - m2 * m2 + RIDGE, m12 - m1 * m2
    r1, r2 = m1y - m1 * my, m2y - m2 * my
    there = (share > 0) / (c11 * c22 - c12 * c12).clamp(min=RIDGE**2)
    first, second = (c22 * r1 - c12 * r2) * there, (c11 * r2 - c12 * r1) * there
    explained = (first * r1 + second * r2) / (myy - my * my + RIDGE)
    return _mean(torch.stack([first, second, explained.clamp(0, 1)]), window)


def _mean(values: Tensor, window: list[int]) -> Tensor:
    """The mean of [N, X, Y, Z] over a window; at the border over what there is of it."""
    for axis, width in enumerate(window, start=1):
        count = values.shape[axis]
        total = values.clone()
        for step in range(1, min(width // 2, count - 1) + 1):
            rest = count - step
            total.narrow(axis, step, rest).add_(values.narrow(axis, 0, rest))
            total.narrow(axis, 0, rest).add_(values.narrow(axis, step, rest))
        at = torch.arange(count)
        low, high = (at - width // 2).clamp(min=0), (at + width // 2).clamp(max=count - 1)
        shape = [1] * values.ndim
        shape[axis] = count
        values = total / (high - low + 1).reshape(shape)
    return values

"""Holds the assumed slice profile against the posterior mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.remarks import Meaning, Remark
from medsr.restore.chunks import chunks_of
from medsr.restore.upsampled import Upsampled

__all__ = ["check_profile", "is_far_better", "refitted", "remarks_on_profile"]

#: One of so many planes is used.
EVERY = 4

#: Widths that are tried, over the assumed one.
RATIOS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)

#: The narrowest width is used whose mean square of A x - y exceeds the least one by at most this
#: share, and by at most this much, over the squared intensity gain (in noisy scans all are alike).
SHARE, MUCH = 0.25, 0.0015**2

#: A width so much narrower than the assumed one is worth a remark.
FAR = 0.7


def check_profile(residual: Tensor, upsampled: Upsampled) -> Acquisition:
    """The acquisition that data consistency may use: `refitted` to a posterior mean.

    Args:
        residual: the posterior mean [X', Y', Z'], before data consistency.
        upsampled: the scan.
    """

    def misfits(tried: Sequence[Acquisition]) -> list[float]:
        """Mean square of A x - y of each, over the squared intensity gain."""
        squares, count = [0.0] * len(tried), 0
        for chunk in chunks_of(upsampled.acquisition, step=EVERY):
            image, scan = upsampled.image(residual, chunk), upsampled.scan[chunk]
            count += scan.numel()
            for k, acquisition in enumerate(tried):
                squares[k] += float((acquire(image, acquisition) - scan).square().sum())
        return [square / count for square in squares]

    return refitted(misfits, upsampled.acquisition)


def refitted(
    misfits: Callable[[Sequence[Acquisition]], Sequence[float]], acquisition: Acquisition
) -> Acquisition:
    """The acquisition with the narrowest slice profile that explains the posterior mean.

    A network that is given too wide a profile restores an image about as sharp as the true one,
    which the assumed profile then blurs too much: A x differs from y, and data consistency would
    sharpen x once more (12 % too wide cost 0.05 to 0.5 dB, 30 % more than 1 dB). A profile that
    is somewhat too narrow costs nothing, because it changes less. So data consistency uses the
    narrowest of the widths that explain x about as well as the best one, and never a wider one
    than assumed.

    Args:
        misfits: mean square of A x - y of acquisitions A, for the posterior mean x (before data
            consistency) and the scan y, over the squared intensity gain.
        acquisition: assumed.
    """
    width_mm = acquisition.axes[acquisition.coarse_axis].width_mm
    tried = [_with_width(acquisition, ratio * width_mm) for ratio in RATIOS]
    left = misfits(tried)
    enough = min(left) + min(SHARE * min(left), MUCH)
    return next(other for other, rest in zip(tried, left, strict=True) if rest <= enough)


def is_far_better(used: AxisSampling, assumed: AxisSampling) -> bool:
    """Whether the width that explains the posterior mean is much less than the assumed one."""
    return used.width_mm < FAR * assumed.width_mm


def _with_width(acquisition: Acquisition, width_mm: float) -> Acquisition:
    axes = list(acquisition.axes)
    axes[acquisition.coarse_axis] = replace(axes[acquisition.coarse_axis], width_mm=width_mm)
    return Acquisition((axes[0], axes[1], axes[2]))


def remarks_on_profile(acquisition: Acquisition, used: Acquisition) -> tuple[Remark, ...]:
    """A remark where a much narrower profile than the assumed one explains the result."""
    axis = acquisition.coarse_axis
    assumed, fitting = acquisition.axes[axis], used.axes[axis]
    if not is_far_better(fitting, assumed):
        return ()
    words = (
        f"The slices are sharper than a {assumed.profile} profile of {assumed.width_mm:.3g} mm "
        f"makes them; the result explains the scan much better with {fitting.width_mm:.3g} mm, "
        "which data consistency used. The network had the wider profile, so the result may be "
        "too sharp across the slices."
    )
    return (Remark(Meaning.DOUBT, words),)

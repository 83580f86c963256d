"""Does the assumed slice profile explain the scan, or does another one do so far better?

A network restores a scan that was sharper than claimed nearly as well as one that was not, but its
result, put through the claimed acquisition, is then blurrier than the scan. Holding it to the scan
would sharpen it twice. So the same result is put through other profiles: one that explains the
scan far better is what the scanner probably used. The other error, a profile claimed too narrow,
does not show here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from medsr.acquisition.acquisition import Acquisition, AxisSampling

__all__ = ["better_profile"]

#: Profiles and widths over the slice spacing that are tried.
CANDIDATES = tuple(
    (profile, width) for profile in ("gaussian", "box") for width in (0.25, 0.5, 0.75, 1.0, 1.25)
)

#: A residual below this (root mean square over the intensity gain) needs no other explanation:
#: 0.003 with the true profile, 0.011 and more with a wrong one, on two heads.
EXPLAINED = 0.005

#: Another profile must leave this share of the assumed one's residual, and no more than `GOOD`:
#: where the model itself restores badly, none explains the scan and the assumed one is kept.
FAR_BETTER, GOOD = 0.7, 0.0066


def better_profile(
    misfit: Callable[[Acquisition], float], acquisition: Acquisition
) -> AxisSampling | None:
    """A coarse axis that explains the scan far better than the assumed one; None where none does.

    Args:
        misfit: root mean square of A x - y of an acquisition A, for the posterior mean x (not yet
            held) and the scan y, over the intensity gain.
        acquisition: assumed.
    """
    assumed = misfit(acquisition)
    if assumed < EXPLAINED:
        return None
    coarse = acquisition.axes[acquisition.coarse_axis]
    tried = {}
    for profile, width in CANDIDATES:
        axis = replace(coarse, profile=profile, width_mm=width * coarse.low_mm)
        axes = list(acquisition.axes)
        axes[acquisition.coarse_axis] = axis
        tried[axis] = misfit(Acquisition((axes[0], axes[1], axes[2])))
    best = min(tried, key=lambda axis: tried[axis])
    return best if tried[best] < min(FAR_BETTER * assumed, GOOD) else None

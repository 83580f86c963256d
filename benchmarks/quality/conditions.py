"""How the scans of the quality table are degraded, and what a method is given.

A condition has two sides: how the thick slices are really made (factor, profile, noise), and what
the method believes (profile, thickness). Where the two differ the scan is the same as without the
mistake, or the same for every method; only the belief is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.simulate import degraded_to
from medsr.intensity import scaling_for
from medsr.volume.volume import Volume

__all__ = ["CONDITIONS", "Condition", "Trial", "trial_of"]


@dataclass(frozen=True)
class Condition:
    """One way to degrade a scan.

    Attributes:
        words: for the table.
        factor: distance between slices, in fine voxels.
        noisy: whether noise is added: half of the most that the model was trained with.
        profile: that made the slices, as wide as their distance.
        said_profile: that the method believes.
        said_thickness: believed width over the true one.
    """

    words: str
    factor: int
    noisy: bool = False
    profile: str = "gaussian"
    said_profile: str = "gaussian"
    said_thickness: float = 1.0


FACTORS = (2, 3, 4, 6, 8)

#: Name on the command line -> condition.
CONDITIONS = {
    **{f"{f}x": Condition(f"{f} x", f) for f in FACTORS},
    **{f"{f}x-noise": Condition(f"{f} x, noise", f, noisy=True) for f in FACTORS},
    "4x-is-box": Condition("4 x, box declared as Gaussian", 4, profile="box"),
    "4x-said-box": Condition("4 x, Gaussian declared as box", 4, said_profile="box"),
    "4x-said-thicker": Condition("4 x, thickness declared 25 % too large", 4, said_thickness=1.25),
    "4x-said-thinner": Condition("4 x, thickness declared 25 % too small", 4, said_thickness=0.75),
}


@dataclass(frozen=True, eq=False)
class Trial:
    """One degraded scan.

    Attributes:
        condition: that made it.
        fine: the reference, cut to whole slices.
        low: the thick scan.
        assumed: how the method believes that it was made.
    """

    condition: Condition
    fine: Volume
    low: Volume
    assumed: Acquisition


def trial_of(fine: Volume, condition: Condition, largest_noise: float) -> Trial:
    """Degrade a scan along its last axis.

    Args:
        fine: the reference.
        condition: what to do to it.
        largest_noise: standard deviation over the intensity gain that was trained up to.
    """
    whole = fine.shape[2] // condition.factor * condition.factor
    fine = replace(fine, voxels=np.ascontiguousarray(fine.voxels[..., :whole]))
    gain = scaling_for(fine.modality, np.asarray(fine.voxels), fine.name).gain
    fine, low, plan = degraded_to(
        fine,
        float(condition.factor),
        profile=condition.profile,
        noise=largest_noise / 2 * gain if condition.noisy else 0.0,
    )
    coarse = replace(
        plan.axes[2],
        profile=condition.said_profile,
        width_mm=plan.axes[2].width_mm * condition.said_thickness,
    )
    assumed = Acquisition((plan.axes[0], plan.axes[1], coarse))
    return Trial(condition, fine, low, assumed)

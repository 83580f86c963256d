"""Scaling between stored intensities and the range of the network.

The network sees a condition near [0, 1] and adds a *residual* to the upsampled scan, so
intensities come back without clipping: result = upsampled + gain * residual. Only the condition
that the network looks at is clipped, never the scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused, UsageError
from medsr.volume.modality import CT_AIR_HU, Modality

__all__ = [
    "AIR",
    "CLIP_HIGH",
    "CLIP_LOW",
    "FOREGROUND",
    "Scaling",
    "ct_scaling",
    "mr_scaling",
    "scaling_for",
]

#: The span from air to dense bone that the network's unit range covers, HU.
CT_GAIN_HU = 2000.0

#: In the network's range: brighter than FOREGROUND is tissue, for statistics of a scan; darker
#: than AIR everywhere in a line of sight is air, which needs no network. Metrics have a mask of
#: their own, of the reference: `metrics.foreground`.
FOREGROUND, AIR = 0.1, 0.05

#: The network's view ends here: metal in CT, arteries and fat in MR.
CLIP_LOW, CLIP_HIGH = -0.5, 2.0


@dataclass(frozen=True)
class Scaling:
    """network value = (stored - offset) / gain, in the stored unit."""

    offset: float
    gain: float

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise UsageError(f"An intensity scaling needs a positive gain, not {self.gain}.")


def mr_scaling(low: NDArray[np.float32], name: str = "the scan") -> Scaling:
    """Zero stays zero; the 99th percentile of the voxels brighter than the mean becomes 1.

    The mean keeps air out of the percentile, however much of it surrounds the head.

    Raises:
        Refused: the scan is empty (all one value).
    """
    step = max(1, low.size // 2_000_000)
    sample = low.ravel()[::step]
    bright = sample[sample > sample.mean()]
    gain = float(np.percentile(bright, 99)) if bright.size else 0.0
    if not gain > 0 or float(np.ptp(sample)) == 0.0:
        raise Refused(
            f"{name}: has no content: every voxel has the same value, or none is positive."
        )
    return Scaling(offset=0.0, gain=gain)


def ct_scaling() -> Scaling:
    """Air (-1024 HU) becomes 0 and +976 HU becomes 1, the same for every scan."""
    return Scaling(offset=CT_AIR_HU, gain=CT_GAIN_HU)


def scaling_for(modality: Modality, low: NDArray[np.float32], name: str = "the scan") -> Scaling:
    """The scaling that a model of this modality was trained with.

    Raises:
        Refused: the scan is empty.
    """
    if float(low.min()) == float(low.max()):
        raise Refused(f"{name}: has no content: every voxel has the same value.")
    return ct_scaling() if modality == "CT" else mr_scaling(low, name)

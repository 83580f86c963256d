"""The description of an acquisition that conditions the network.

A network that works on slices (image axes: one other axis H, then the coarse axis W) gets

- a feature vector [4]: log2 factor of W, log2 profile width of W in fine voxels, log2 factor of H,
  noise over the intensity gain (times 10, to be of order one);
- a phase map: where each fine voxel lies between measured slice centres, as cos and sin.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling

__all__ = ["FEATURES", "feature_vector", "phase_channels"]

#: Length of the feature vector.
FEATURES = 4


def feature_vector(acquisition: Acquisition, h_axis: int, w_axis: int, noise: float) -> Tensor:
    """The numbers of one slice orientation: [FEATURES], float32.

    Args:
        acquisition: of the scan.
        h_axis, w_axis: the volume axes that become image height and width.
        noise: noise level over the intensity gain (dimensionless).
    """
    h, w = acquisition.axes[h_axis], acquisition.axes[w_axis]
    width = max(w.kernel_mm / w.fine_mm, 0.25)
    return torch.tensor([math.log2(w.factor), math.log2(width), math.log2(h.factor), 10 * noise])


def phase_channels(axis: AxisSampling) -> Tensor:
    """cos and sin of 2 pi (position within the measured slice), [2, fine_count].

    The phase is 0 at a slice centre and pi half-way between two.
    """
    centres = (torch.arange(axis.fine_count, dtype=torch.float64) + 0.5) * axis.fine_mm
    turns = 2 * math.pi * (centres / axis.low_mm - 0.5)
    return torch.stack([turns.cos(), turns.sin()]).float()

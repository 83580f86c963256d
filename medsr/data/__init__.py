"""Deprecated alias of `medsr.transforms`, kept for one version."""

import warnings

from medsr.transforms import SimulateThickSlicesd, UpsampleSlicesd, VolumeReader

__all__ = ["Acquired", "Liftd", "VolumeReader"]

Acquired = SimulateThickSlicesd
Liftd = UpsampleSlicesd

warnings.warn(
    "medsr.data is deprecated; import from medsr.transforms, where Acquired is "
    "SimulateThickSlicesd and Liftd is UpsampleSlicesd.",
    DeprecationWarning,
    stacklevel=2,
)

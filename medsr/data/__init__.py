"""Deprecated alias of `medsr.transforms`, kept for one version."""

import warnings

from medsr.transforms import SimulateThickSlicesd, UpsampleSlicesd, VolumeReader

__all__ = ["Acquired", "Liftd", "VolumeReader"]

Acquired = SimulateThickSlicesd
Liftd = UpsampleSlicesd

warnings.warn(
    "medsr.data is deprecated: import from medsr.transforms (Acquired is SimulateThickSlicesd, "
    "Liftd is UpsampleSlicesd there).",
    DeprecationWarning,
    stacklevel=2,
)

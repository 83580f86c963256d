"""Which cases, in which form? MONAI transforms, training pairs, the list of cases."""

from medsr.data.transforms import Acquired, Liftd, VolumeReader

__all__ = ["Acquired", "Liftd", "VolumeReader"]

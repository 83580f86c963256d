"""What would be done with a scan?"""

from __future__ import annotations

from dataclasses import dataclass

from medsr.acquisition.acquisition import Acquisition
from medsr.volume.volume import Volume

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """One enhancement, decided but not done.

    Attributes:
        volume: the scan, its modality known.
        acquisition: how it was made, as seen from the fine grid.
        remarks: what the user should be told.
    """

    volume: Volume
    acquisition: Acquisition
    remarks: tuple[str, ...]

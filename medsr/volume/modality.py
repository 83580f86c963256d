"""The modalities MR and CT: names, units, air values, and a guess from intensities."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CT_AIR_HU", "Modality", "air_value", "guess_modality", "unit_of"]

#: The lower end of the Hounsfield scale as scanners store it (12 bits from -1024).
CT_AIR_HU = -1024.0

#: Voxels darker than this are air or fat-free lung in HU; no magnitude image is so negative.
DARK_HU = -300.0

#: A scan with more than this share of dark voxels is taken as CT.
DARK_SHARE = 0.02


class Modality(enum.StrEnum):
    """What medsr restores (DICOM attribute Modality, PS3.3 C.7.3.1.1.1)."""

    MR = "MR"
    CT = "CT"


def unit_of(modality: Modality | None) -> str:
    """The unit of intensities.

    >>> unit_of(Modality.CT), unit_of(None)
    ('HU', 'scanner units')
    """
    return "HU" if modality == Modality.CT else "scanner units"


def air_value(modality: Modality | None) -> float:
    """The least intensity of an image: air, -1024 HU in CT and 0 in MR."""
    return CT_AIR_HU if modality == Modality.CT else 0.0


def guess_modality(voxels: NDArray[Any]) -> Modality:
    """CT when more than 2 % of the voxels are below -300, as air is in HU; MR otherwise.

    >>> import numpy
    >>> guess_modality(numpy.full((2, 2, 2), -1000.0))
    <Modality.CT: 'CT'>
    """
    dark = float((voxels < DARK_HU).mean())
    return Modality.CT if dark > DARK_SHARE else Modality.MR

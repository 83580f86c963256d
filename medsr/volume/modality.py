"""The modalities MR and CT: names, units and air values; `recognise` says which a scan is."""

from __future__ import annotations

import enum

__all__ = ["CT_AIR_HU", "Modality", "air_value", "unit_of"]

#: The lower end of the Hounsfield scale as scanners store it (12 bits from -1024).
CT_AIR_HU = -1024.0


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

"""Distinguishes anatomical images from maps, masks and other images.

medsr restores magnitude MR images and CT scans. Phase images wrap, maps contain quantities, masks
and label maps contain labels: interpolating between their slices makes no sense. DICOM and NIfTI
are judged here by the same words: `ImageType` (PS3.3 C.7.6.1.1.2, C.8.3.1.1.1, and what makers
write there), BIDS suffixes and entities, the endings that dcm2niix gives to file names, the intent
of a NIfTI header, and, for masks and label maps, the voxels themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import NotAnatomy

__all__ = [
    "Kind",
    "check_is_anatomy",
    "kind_of_image_type",
    "kind_of_settings",
    "kind_of_voxels",
    "texts_of",
    "why_not_anatomy",
]


class Kind(StrEnum):
    """What an image shows when it is not anatomy."""

    PHASE = "phase"
    REAL = "real part"
    IMAGINARY = "imaginary part"
    MAP = "map"
    FIELD_MAP = "field map"
    PERFUSION = "perfusion"
    PROJECTION = "projection"
    LOCALIZER = "localizer"
    MASK = "mask"
    LABELS = "label map"
    SUBTRACTION = "subtraction"
    STATISTIC = "statistic"
    VECTORS = "vectors"


_REASONS = {
    Kind.PHASE: "is a phase image, whose values wrap. Give the magnitude image.",
    Kind.REAL: "is the real part of a complex image. Give the magnitude image.",
    Kind.IMAGINARY: "is the imaginary part of a complex image. Give the magnitude image.",
    Kind.MAP: "is a map of a computed quantity (such as ADC, FA, T1 or T2), not an anatomical "
    "image. Give the scan that it was computed from.",
    Kind.FIELD_MAP: "is a field map, not an anatomical image. Give the anatomical scan.",
    Kind.PERFUSION: "is a perfusion image or map, not an anatomical image. Give the anatomical "
    "scan.",
    Kind.PROJECTION: "is a projection (such as a MIP), not a volume of slices. Give the scan that "
    "it was computed from.",
    Kind.LOCALIZER: "is a localizer (scout), not a volume. Give the diagnostic scan instead.",
    Kind.MASK: "is a mask, not an anatomical image. Give the scan that it was drawn on.",
    Kind.LABELS: "is a label map (segmentation), not an anatomical image. Give the scan that it "
    "was drawn on.",
    Kind.SUBTRACTION: "is a subtraction of two scans, not an anatomical image. Give one of the "
    "scans.",
    Kind.STATISTIC: "is a statistical map, not an anatomical image. Give the scan itself.",
    Kind.VECTORS: "contains vectors or matrices (such as a deformation field), not an anatomical "
    "image. Give the scan itself.",
}


def why_not_anatomy(kind: Kind) -> str:
    """The rest of the sentence "<name> ..." for an image that does not show anatomy."""
    return _REASONS[kind]


def check_is_anatomy(kind: Kind | None, name: str) -> None:
    """Refuse an image that does not show anatomy.

    Args:
        kind: of the image; None for anatomy.
        name: of its file, for the message.

    Raises:
        NotAnatomy: it shows something else.
    """
    if kind is not None:
        raise NotAnatomy(f"{name}: {why_not_anatomy(kind)}")


#: Words of ImageType from its third value on; the first two say original or derived, primary or
#: secondary.
_IMAGE_TYPES: dict[str, Kind] = {
    **dict.fromkeys(("P", "PHASE", "PHASE MAP", "PHASE_MAP", "PHASEMAP"), Kind.PHASE),
    **dict.fromkeys(("VELOCITY", "VELOCITY MAP", "VELOCITY_MAP", "PCA"), Kind.PHASE),
    **dict.fromkeys(("R", "REAL"), Kind.REAL),
    **dict.fromkeys(("I", "IMAGINARY"), Kind.IMAGINARY),
    **dict.fromkeys(("ADC", "EADC", "ADC MAP", "ADC_UNSPECIFIED", "EXP_ADC"), Kind.MAP),
    **dict.fromkeys(("FA", "FRACTIONAL_ANISOTROPY", "TENSOR", "MEAN_DIFFUSIVITY"), Kind.MAP),
    **dict.fromkeys(("DIFFUSION_ANISO", "STD_DEVIATION", "QUANTITY", "DIVISION"), Kind.MAP),
    **dict.fromkeys(("RELATIVE_ANISOTROPY", "VOLUME_RATIO", "STDDEV", "STD_DEV"), Kind.MAP),
    **dict.fromkeys(("T1 MAP", "T2 MAP", "T2* MAP", "T2_STAR MAP", "R1 MAP", "R2 MAP"), Kind.MAP),
    **dict.fromkeys(("R2* MAP", "R2_STAR MAP", "PD MAP", "MTR", "MT_RATIO", "QSM"), Kind.MAP),
    **dict.fromkeys(
        ("MATERIAL", "MATERIAL_FRACTION", "EFFECTIVE_Z", "ELECTRON_DENSITY"), Kind.MAP
    ),
    **dict.fromkeys(("INTERVAL90", "NULL_SPACE", "FAT_FRACTION", "PDFF"), Kind.MAP),
    **dict.fromkeys(("B0", "B0 MAP", "B1", "B1 MAP", "FIELD_MAP", "FIELD MAP"), Kind.FIELD_MAP),
    **dict.fromkeys(("FIELDMAP", "SHIM"), Kind.FIELD_MAP),
    **dict.fromkeys(
        ("PERFUSION", "ASL", "PERFUSION_ASL", "NEI", "RCBF", "RCBV", "RELCBF", "RELCBV"),
        Kind.PERFUSION,
    ),
    **dict.fromkeys(("CBF", "CBV", "MTT", "TTP", "TMAX", "PBP", "GBP", "REGCBF"), Kind.PERFUSION),
    **dict.fromkeys(("PROJECTION IMAGE", "MIP", "MINIP", "CSAMIP", "CSA MIP"), Kind.PROJECTION),
    **dict.fromkeys(("MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER"), Kind.PROJECTION),
    **dict.fromkeys(("SUB", "SUBTRACTION"), Kind.SUBTRACTION),
    **dict.fromkeys(("LOCALIZER", "SCOUT", "TOPOGRAM"), Kind.LOCALIZER),
    **dict.fromkeys(("MASK", "SEGMENTATION", "BINARY_MASK"), Kind.MASK),
}

#: ComplexImageComponent (PS3.3 C.8.13.3.1.1).
_COMPONENTS = {"PHASE": Kind.PHASE, "REAL": Kind.REAL, "IMAGINARY": Kind.IMAGINARY}


def kind_of_image_type(values: Sequence[str]) -> Kind | None:
    """What the values of ImageType say; None for anatomy.

    Args:
        values: all of them, in any case: ORIGINAL, PRIMARY, then the maker's words.

    >>> kind_of_image_type(["ORIGINAL", "PRIMARY", "P", "ND"])
    <Kind.PHASE: 'phase'>
    >>> kind_of_image_type(["ORIGINAL", "PRIMARY", "M", "ND"]) is None
    True
    """
    words = [value.strip().upper() for value in values]
    named = words[2:] if words[:1] in (["ORIGINAL"], ["DERIVED"]) else words
    for word in named:
        spaced = word.replace("_", " ")
        found = _IMAGE_TYPES.get(word) or _IMAGE_TYPES.get(spaced)
        found = found or _IMAGE_TYPES.get(spaced.replace(" ", "_"))
        if found is None and spaced.endswith("MAP") and spaced != "M MAP":
            found = Kind.MAP
        if found is not None:
            return found
    return None


def kind_of_settings(settings: Mapping[str, Any]) -> Kind | None:
    """What a BIDS sidecar says, as dcm2niix writes it; None for anatomy.

    Args:
        settings: ImageType, ImageTypeText, ComplexImageComponent and Units count.
    """
    component = settings.get("ComplexImageComponent")
    if isinstance(component, str) and component.upper() in _COMPONENTS:
        return _COMPONENTS[component.upper()]
    for key in ("ImageType", "ImageTypeText"):
        found = kind_of_image_type(texts_of(settings.get(key)))
        if found is not None:
            return found
    unit = settings.get("Units")
    if isinstance(unit, str):
        return _UNITS.get(unit.strip().lower())
    return None


#: Units of BIDS that no magnitude image has.
_UNITS = {
    **dict.fromkeys(("rad", "radian", "radians"), Kind.PHASE),
    **dict.fromkeys(("hz", "rad/s", "t", "tesla"), Kind.FIELD_MAP),
    **dict.fromkeys(("s", "ms", "second", "seconds", "1/s", "s^-1"), Kind.MAP),
    **dict.fromkeys(("mm^2/s", "mm2/s", "ppm"), Kind.MAP),
    **dict.fromkeys(("ml/100g/min", "ml/100 g/min"), Kind.PERFUSION),
}


def texts_of(value: object) -> list[str]:
    """The words of a setting that should be a list of texts, or is one text with backslashes."""
    if isinstance(value, str):
        return re.split(r"[\\,]", value)
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


#: A scan has noise, so equal neighbours are rare in it; a label map consists of patches.
MOST_LABELS, EQUAL_NEIGHBOURS = 256, 0.8


def kind_of_voxels(voxels: NDArray[np.float32]) -> Kind | None:
    """A mask or a label map, by its voxels; None for anything else.

    A mask has two values. A label map has few whole numbers, and most voxels that are not
    background have the value of their neighbour.

    Args:
        voxels: [X, Y, Z].
    """
    sample = voxels.ravel(order="K")[:: max(1, voxels.size // 100_000)]
    if np.unique(sample).size > MOST_LABELS:
        return None
    values = np.unique(voxels)
    if values.size == 2:
        return Kind.MASK
    if not 2 < values.size <= MOST_LABELS or not (values == np.rint(values)).all():
        return None
    first, second = voxels[:-1], voxels[1:]
    inside = (first != values[0]) & (second != values[0])
    count = int(inside.sum())
    equal = int(((first == second) & inside).sum())
    return Kind.LABELS if count and equal >= EQUAL_NEIGHBOURS * count else None

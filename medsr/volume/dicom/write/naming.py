"""Image type, number, description and window of a derived series."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from medsr.volume.dicom.read.series import DicomSeries, common_element
from medsr.volume.dicom.values import number, text, texts
from medsr.volume.volume import Volume

__all__ = ["LONGEST_LO", "Kind", "image_type", "series_description", "series_number", "window"]


class Kind(enum.StrEnum):
    """The image itself, or a map that belongs to it. UIDs follow from the values, which stay."""

    ENHANCED = "enhanced"
    STD = "spread"
    INTERVAL = "interval"
    NULL_SPACE = "unseen"


#: Kind -> place in the numbering, words of the description, word of ImageType.
KINDS: dict[Kind, tuple[int, str, str]] = {
    Kind.ENHANCED: (1, "medsr SR", ""),
    Kind.STD: (2, "medsr SD map", "STDDEV"),
    Kind.INTERVAL: (3, "medsr 90% interval", "INTERVAL90"),
    Kind.NULL_SPACE: (4, "medsr null space", "NULL_SPACE"),
}

#: VR LO holds 64 characters, VR IS ten digits and a sign (PS3.5 6.2).
LONGEST_LO, LARGEST_IS = 64, 2**31 - 1


def window(source: DicomSeries, kind: Kind, pixels: NDArray[np.float32]) -> tuple[float, float]:
    """The source's first window where its slices agree, else one that shows all but the rarest."""
    centre, width = (_agreed(source, k) for k in ("WindowCenter", "WindowWidth"))
    if kind == Kind.ENHANCED and centre is not None and width is not None and width >= 1:
        return centre, width
    low, high = np.percentile(pixels[:, ::4, ::4], [1, 99.5])
    return round(float(low + high) / 2, 3), max(round(float(high - low), 3), 1.0)


def _agreed(source: DicomSeries, keyword: str) -> float | None:
    """The first of an attribute's numbers, where all slices have the same."""
    first = texts(source.headers[0], keyword)[:1]
    if not first or common_element(source.files, keyword) is None:
        return None
    try:
        value = float(first[0])
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def series_number(source: DicomSeries, kind: Kind) -> int:
    """A hundred times the source's, plus 1 for the image and more for its maps."""
    declared = number(source.headers[0], "SeriesNumber") or 0
    base = int(declared) if 0 <= declared <= LARGEST_IS // 100 - 1 else 0
    return 100 * base + KINDS[kind][0]


def series_description(source: DicomSeries, volume: Volume, kind: Kind) -> str:
    """The source's, cut, and what this is; at most 64 characters."""
    what = KINDS[kind][1]
    mm = max(volume.spacing_mm)
    tail = f"{what} {mm:.3g} mm, research use only"
    head = text(source.headers[0], "SeriesDescription")[: LONGEST_LO - len(tail) - 1]
    return f"{head} {tail}".strip()


def image_type(source: DicomSeries, kind: Kind) -> list[str]:
    """DERIVED, SECONDARY, and the source's further values (C.7.6.1.1.2)."""
    declared = texts(source.headers[0], "ImageType")[2:]
    if source.modality == "CT":
        kept = ["AXIAL", *declared[1:]]
    else:
        kept = list(declared) if declared and declared[0] else ["OTHER"]
    if kind != "enhanced":
        kept = [kept[0] if source.modality == "CT" else "OTHER", KINDS[kind][2]]
    return ["DERIVED", "SECONDARY", *kept]

"""Values from stored numbers: x = RescaleSlope * v + RescaleIntercept (PS3.3 C.11.1).

In MR both may be absent and are then 1 and 0; in CT both must be there. What is there and cannot
be read is never replaced by a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medsr.errors import Refused
from medsr.volume.dicom.values import numbers

if TYPE_CHECKING:
    from medsr.volume.dicom.read.frames import Frame

__all__ = ["rescale", "rescaling"]

#: Slopes and intercepts beyond these are no scanner's.
SMALLEST_SLOPE, LARGEST_SLOPE, LARGEST_INTERCEPT = 1e-12, 1e6, 1e7


def rescale(pixels: NDArray[Any], frame: Frame, out: NDArray[np.float32]) -> None:
    """Values of one frame, with its own slope and intercept.

    Args:
        pixels: [rows, columns] stored numbers.
        frame: gives slope and intercept.
        out: [rows, columns], filled.
    """
    if frame.slope == 1 and frame.intercept.is_integer() and pixels.dtype.itemsize <= 2:
        np.add(pixels, np.float32(frame.intercept), out=out)  # exact, and half the time
    else:
        out[:] = pixels * np.float64(frame.slope) + frame.intercept


def rescaling(
    sources: Sequence[Dataset], modality: str, name: str
) -> tuple[float | None, float | None]:
    """RescaleSlope and RescaleIntercept; None where they are absent.

    Args:
        sources: of the headers of a frame, the first that has them counts.
        modality: of the series.
        name: of the file.

    Raises:
        Refused: one is there and no number, not plausible, or missing where it is needed.
    """
    slope = _declared(sources, "RescaleSlope", name)
    intercept = _declared(sources, "RescaleIntercept", name)
    for value, keyword in ((slope, "RescaleSlope"), (intercept, "RescaleIntercept")):
        if modality == "CT" and value is None:
            raise Refused(
                f"{name}: {keyword} is missing, so the stored numbers cannot be turned into "
                "Hounsfield units. Export the scan again with full headers."
            )
    if slope == 0:
        raise Refused(f"{name}: RescaleSlope is 0, so every voxel would have one value.")
    if slope is not None and not SMALLEST_SLOPE <= abs(slope) <= LARGEST_SLOPE:
        raise Refused(f"{name}: RescaleSlope {slope:.4g} is not plausible. {_AGAIN}")
    if intercept is not None and abs(intercept) > LARGEST_INTERCEPT:
        raise Refused(f"{name}: RescaleIntercept {intercept:.4g} is not plausible. {_AGAIN}")
    return slope, intercept


_AGAIN = "Export the scan again from the original DICOM."


def _declared(sources: Sequence[Dataset], keyword: str, name: str) -> float | None:
    for source in sources:
        if keyword not in source:
            continue
        found = numbers(source, keyword, 1)
        if found is not None:
            return found[0]
        raise Refused(
            f"{name}: {keyword} is there but is not a number, so the stored numbers cannot be "
            f"turned into values. {_AGAIN}"
        )
    return None

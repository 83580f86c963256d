"""Pictures of a series that are no slices of its volume, and what they say about it.

Scanners put magnitude and phase, or an image and its map, into one series or one multi-frame
file. Such a picture lies where a slice of the volume lies, and is left out. One that lies where no
slice is, with a slice's size and orientation, is a slice that is marked wrongly, and the volume
without it is not the whole one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsr.errors import Refused
from medsr.volume.anatomy import Kind
from medsr.volume.dicom.read.header import IMAGE, FileHeader
from medsr.volume.dicom.read.kinds import MODALITIES
from medsr.volume.dicom.read.slice_checks import (
    PIXEL_TOLERANCE,
    POSITION_TOLERANCE_MM,
    Floats,
    Indices,
    Slices,
)
from medsr.volume.dicom.values import numbers
from medsr.volume.geometry import AXIS_TOLERANCE
from medsr.volume.volume import FARTHEST_MM

__all__ = ["Place", "check_left_out", "check_modalities", "images_and_others", "place_of"]

#: A direction cosine of few digits is no larger.
LARGEST_COSINE = 1.1

#: Position, orientation, pixel spacing, (rows, columns).
Place = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...], tuple[int, int]]


def place_of(file: FileHeader) -> Place | None:
    """Where the picture of a classic file lies; None where its header does not say so credibly."""
    position = numbers(file.dataset, "ImagePositionPatient", 3)
    orientation = numbers(file.dataset, "ImageOrientationPatient", 6)
    spacing = numbers(file.dataset, "PixelSpacing", 2)
    if file.shape is None or not (position and orientation and spacing):
        return None
    if max(map(abs, position)) > FARTHEST_MM or max(map(abs, orientation)) > LARGEST_COSINE:
        return None
    return position, orientation, spacing, file.shape


def check_modalities(files: Sequence[FileHeader], beside: Sequence[FileHeader], name: str) -> None:
    """Refuse a picture of the slices' size that is of another modality, or a mask, at no place.

    A series has one modality (PS3.3 C.7.3.1). Where such a picture does not say its place either,
    nothing tells it from a slice that is marked wrongly.

    Args:
        files: of the volume.
        beside: the other files of the same series.
        name: the series' file or folder, for messages.

    Raises:
        Refused: there is one.
    """
    shapes = {file.shape for file in files}
    for file in beside:
        is_mask = file.kind == Kind.MASK.value
        other = is_mask or file.modality not in MODALITIES
        if other and file.shape in shapes and place_of(file) is None:
            what = "mask" if is_mask else file.modality or "no modality"
            raise Refused(
                f"{name}: {file.path.name} belongs to this {files[0].modality} series, but its "
                f"header says {what} and not where it lies, so that it may be a slice or "
                "something else. Correct that header, or remove the file if it does not belong "
                "to the volume."
            )


def images_and_others(slices: Slices) -> tuple[Indices, Indices]:
    """Which pictures may be slices of a volume, and which are something else."""
    is_image = np.array([kind == IMAGE for kind in slices.kinds], dtype=bool)
    return np.flatnonzero(is_image), np.flatnonzero(~is_image)


def check_left_out(slices: Slices, others: Slices, normal: Floats, name: str) -> None:
    """Refuse when a picture that was left out lies like a slice, where no slice is.

    Args:
        slices: of the volume, all alike.
        others: the pictures of the same series that are something else.
        normal: [3] of the slices, a unit vector.
        name: the series' file or folder, for messages.

    Raises:
        Refused: one does.
    """
    along = np.sort(slices.positions @ normal)
    for k, kind in enumerate(others.kinds):
        if not _is_alike(slices, others, k):
            continue
        if np.abs(along - others.positions[k] @ normal).min() > 2 * POSITION_TOLERANCE_MM:
            raise Refused(
                f"{name}: {others.names[k]} lies like a slice of this series where no other slice "
                f"lies, but its header says that it is something else ({kind}). Correct that "
                "header, or remove the file if it does not belong to the volume."
            )


def _is_alike(slices: Slices, others: Slices, k: int) -> bool:
    turned = np.abs(others.orientations[k] - slices.orientations[0]).max()
    spacing = slices.pixel_spacings[0]
    return bool(
        others.shapes[k] == slices.shapes[0]
        and turned <= AXIS_TOLERANCE
        and np.abs(others.pixel_spacings[k] - spacing).max() <= PIXEL_TOLERANCE * spacing.max()
    )

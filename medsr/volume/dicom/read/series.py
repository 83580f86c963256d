"""DICOM in: a folder, a zip or one file becomes a Volume, or the reason why not.

The road: `dicom_find` lists the DICOM files at a path and sorts them into series, this module
picks the one that is an MR or CT scan, `dicom_frames` says where each frame lies, `series` checks
that the frames are one volume and orders them, `dicom_values` reads them. Geometry comes from
ImagePositionPatient, ImageOrientationPatient and PixelSpacing alone (PS3.3 C.7.6.2.1.1) and
leaves as a RAS+ affine over voxels [X = columns, Y = rows, Z = slices].

CT values are Hounsfield units. Outside the reconstructed circle some makers store a padding value
(GE: -2000 or -3024 HU); nothing is thinner than air, so voxels below -1024 HU become -1024.
MR values are the scanner's own. Messages hold file names and UIDs, never a header's words.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import open_dataset, parse_quietly
from medsr.volume.dicom.read.choose import (
    chosen_group,
    known_group,
)
from medsr.volume.dicom.read.decode import check_size
from medsr.volume.dicom.read.discover import Group
from medsr.volume.dicom.read.frames import Frame, frames_of
from medsr.volume.dicom.read.header import Head
from medsr.volume.dicom.read.rescale import read_values
from medsr.volume.dicom.read.slice_checks import Slices
from medsr.volume.dicom.read.stack import Stack, stack_slices
from medsr.volume.geometry import Affine
from medsr.volume.modality import CT_AIR_HU, Modality
from medsr.volume.volume import Volume

__all__ = [
    "AIR_HU",
    "SourceSeries",
    "common_element",
    "read_files",
    "read_series",
    "read_source",
    "read_source_files",
    "stacked_frames",
]

AIR_HU = CT_AIR_HU


#: RescaleType of CT values that are Hounsfield units; "US" means unspecified (PS3.3 C.11.1.1.2).
HU_TYPES = {"", "HU", "HU_MOD", "US"}


def read_series(path: Path, *, series_uid: str | None = None) -> Volume:
    """Read one MR or CT series as a volume.

    Args:
        path: a folder (searched to the bottom), a .zip, or one file: of a classic series it
            stands for all files of that series beside it, of a multi-frame series for itself.
        series_uid: SeriesInstanceUID to pick where there are several.

    Returns:
        Volume: voxels [columns, rows, slices] float32 in HU or scanner units, RAS+ affine in mm,
        slices along axis 2.

    Raises:
        InputError: missing, empty, no permission, no DICOM inside, damaged, or cut.
        Refused: several series, no MR or CT image, or an image that is not one regular volume;
            the sentence names the fault, the file and what to do.
    """
    with chosen_group(path, series_uid) as group:
        return _volume(group, Path(path).name)


def read_files(paths: Sequence[Path], name: str) -> Volume:
    """Read one MR or CT series whose files are known.

    Args:
        paths: all files of the series, and no others.
        name: what to call the series in messages.

    Returns:
        Volume: as `read_series`.

    Raises:
        InputError: a file is missing, damaged, cut, or no longer DICOM.
        Refused: the files are not one regular volume.
    """
    with parse_quietly():
        return _volume(known_group(paths, name), name)


def stacked_frames(group: Group, name: str) -> tuple[list[Frame], Stack]:
    """The frames of a group in the order of position, and their grid; headers only.

    Raises:
        InputError: a file is damaged.
        Refused: the frames are not one regular volume.
    """
    heads = _without_copies(group.heads)
    for head in heads:
        check_size(head)
    frames = [frame for head in heads for frame in frames_of(head)]
    if group.modality == "CT":
        _check_hounsfield(frames)
    stack = stack_slices(_slices(frames), name)
    return [frames[i] for i in stack.order], stack


def _volume(group: Group, name: str) -> Volume:
    frames, stack = stacked_frames(group, name)
    values = read_values(frames, lowest=AIR_HU if group.modality == "CT" else None)
    return Volume(
        voxels=values.transpose(2, 1, 0),
        affine=stack.affine,
        modality=Modality(group.modality),
        unit="HU" if group.modality == "CT" else "scanner units",
        slice_axis=2,
        slice_thickness_mm=_thickness(frames),
        stored_as_integers=all(
            frame.slope.is_integer() and frame.intercept.is_integer() for frame in frames
        ),
        name=name,
    )


def _thickness(frames: Sequence[Frame]) -> float | None:
    """The slices' common thickness, mm; None when they say none or disagree by over 1 percent."""
    said = [frame.thickness_mm or 0.0 for frame in frames]
    return said[0] if min(said) > 0 and max(said) <= 1.01 * min(said) else None


def _slices(frames: Sequence[Frame]) -> Slices:
    many = len({frame.path for frame in frames}) < len(frames)
    return Slices(
        positions=np.array([frame.position for frame in frames]),
        orientations=np.array([frame.orientation for frame in frames]),
        pixel_spacings=np.array([frame.pixel_spacing for frame in frames]),
        shapes=[frame.shape for frame in frames],
        names=[
            f"frame {frame.index + 1} of {frame.path.name}" if many else frame.path.name
            for frame in frames
        ],
        marks=[frame.marks for frame in frames],
    )


def _without_copies(heads: Sequence[Head]) -> list[Head]:
    """Leave out files that are byte for byte copies of another with the same SOPInstanceUID."""
    times = Counter(head.instance for head in heads)
    kept: dict[tuple[str, bytes | Path], Head] = {}
    for head in heads:
        twice = bool(head.instance) and times[head.instance] > 1
        kept.setdefault((head.instance, _digest(head.path) if twice else head.path), head)
    return list(kept.values())


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        raise InputError(f"{path.name}: can no longer be read.") from None


def _check_hounsfield(frames: Sequence[Frame]) -> None:
    for frame in frames:
        if frame.rescale_type not in HU_TYPES:
            raise Refused(
                f"{frame.path.name}: RescaleType says that its values are not Hounsfield units. "
                "Give the CT scan itself, not a map made from it."
            )


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """Headers in the order of position along the slice normal.

    Attributes:
        modality: MR or CT.
        frames: one a slice: where it lies, how its numbers are scaled.
        headers: one a slice; frames of a multi-frame file share theirs. Pixels are left out.
        affine: [4, 4] voxel (column, row, slice) -> RAS+ mm.
        name: the file's or folder's name, for messages.
    """

    modality: Modality
    frames: tuple[Frame, ...]
    headers: tuple[Dataset, ...]
    affine: Affine
    name: str

    @property
    def files(self) -> list[Dataset]:
        """The headers, one a file."""
        return list({id(header): header for header in self.headers}.values())


def read_source(path: Path, *, series_uid: str | None = None) -> SourceSeries:
    """The headers of one MR or CT series.

    Args:
        path: a folder, zip or file, as for `read_series`.
        series_uid: SeriesInstanceUID to pick where there are several.

    Raises:
        InputError, Refused: as `dicom_read.read_series`, but for faults in the pixels.
    """
    with chosen_group(path, series_uid) as group:
        return _source(group, Path(path).name)


def read_source_files(paths: Sequence[Path], name: str) -> SourceSeries:
    """The headers of one MR or CT series whose files are known.

    Args:
        paths: all files of the series, and no others.
        name: what to call the series in messages.

    Raises:
        InputError, Refused: as `dicom_read.read_files`, but for faults in the pixels.
    """
    with parse_quietly():
        return _source(known_group(paths, name), name)


def _source(group: Group, name: str) -> SourceSeries:
    frames, stack = stacked_frames(group, name)
    headers = {file: open_dataset(file) for file in dict.fromkeys(f.path for f in frames)}
    return SourceSeries(
        modality=Modality(group.modality),
        frames=tuple(frames),
        headers=tuple(headers[frame.path] for frame in frames),
        affine=stack.affine,
        name=name,
    )


def common_element(headers: Sequence[Dataset], keyword: str) -> DataElement | None:
    """The element on which all headers agree; None when it differs, is absent or is unreadable."""
    first = _element(headers[0], keyword)
    if first is None or any(_element(header, keyword) != first for header in headers[1:]):
        return None
    return first


def _element(header: Dataset, keyword: str) -> Any:
    try:
        return header[keyword]
    except Exception:  # absent; or pydicom converts a value only now, and fails in any way
        return None

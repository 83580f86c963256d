"""The series that a derived one comes from: its headers, slice by slice, without pixels.

Read apart from the voxels, so that a template (patient and study context for a NIfTI file) and
the source of a DICOM scan are one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from medsr.volume.dicom_find import Group
from medsr.volume.dicom_frames import Frame
from medsr.volume.dicom_open import open_dataset, parse_quietly
from medsr.volume.dicom_read import chosen_group, known_group, stacked_frames
from medsr.volume.geometry import Affine
from medsr.volume.volume import Modality

__all__ = ["SourceSeries", "common_element", "read_source", "read_source_files"]


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
        modality="CT" if group.modality == "CT" else "MR",
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

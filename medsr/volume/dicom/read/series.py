"""Reads a folder, a zip, one file or a list of files as one series.

The road: `discover` lists the DICOM files at a path and sorts them into series, `choose` picks the
one that is an MR or CT scan, `frames` says where each frame lies, `stack` checks that the frames
are one volume and orders them, `content` reads every file once. Geometry comes from
ImagePositionPatient, ImageOrientationPatient and PixelSpacing alone (PS3.3 C.7.6.2.1.1) and
leaves as a RAS+ affine over voxels [X = columns, Y = rows, Z = slices].

CT values are Hounsfield units, MR values the scanner's own. Padding (PixelPaddingValue) becomes
background, and the volume says where it was; nothing is thinner than air, so voxels of a CT scan
below -1024 HU become -1024. Messages hold file names and UIDs, never a header's words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from medsr.remarks import Remark
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.announced import check_size
from medsr.volume.dicom.read.choose import known_group, name_of, pick_group
from medsr.volume.dicom.read.content import (
    Content,
    fill_decoded,
    full_headers,
    padding_of,
    read_content,
)
from medsr.volume.dicom.read.copies import without_copies
from medsr.volume.dicom.read.discover import headers_at, opened
from medsr.volume.dicom.read.frames import Frame, frame_beside, frames_of
from medsr.volume.dicom.read.groups import Group, group_headers
from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.read.left_out import check_modalities
from medsr.volume.dicom.read.remarks import remarks_on, thickness_of
from medsr.volume.dicom.read.slice_checks import Slices
from medsr.volume.dicom.read.stack import Stack, stack_slices
from medsr.volume.geometry import Affine, spacing_mm
from medsr.volume.modality import CT_AIR_HU, Modality, unit_of
from medsr.volume.origin import Origin, least_original
from medsr.volume.padding import without_padding
from medsr.volume.volume import Volume

__all__ = [
    "DicomSeries",
    "common_element",
    "open_series",
    "read_files",
    "read_series",
    "series_of",
]


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """One MR or CT series, read once: values, headers and digest are of the same bytes.

    Values, headers and digest are read when the first of them is asked for; of a zip that must be
    before `open_series` ends.

    Attributes:
        modality: MR or CT.
        frames: one a slice, in the order of position along the normal: where it lies, how its
            numbers are scaled.
        affine: [4, 4] voxel (column, row, slice) -> RAS+ mm.
        name: the file's or folder's name, for messages.
        remarks: what a reader of the result should know.
        sources: one a file that is read, in the order of the names.
    """

    modality: Modality
    frames: tuple[Frame, ...]
    affine: Affine
    name: str
    remarks: tuple[Remark, ...]
    sources: tuple[FileHeader, ...]

    @cached_property
    def _content(self) -> Content:
        with parse_quietly():
            return read_content(self.sources, self.frames)

    @property
    def origin(self) -> Origin:
        """What its slices are: acquired, reformatted, or a result of medsr."""
        with parse_quietly():
            return least_original(file.origin for file in self.sources)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the SHA-256 of each file that is read, in the order of their names.

        Raises:
            InputError: a file is gone or has changed.
        """
        return self._content.digest

    @cached_property
    def headers(self) -> tuple[Dataset, ...]:
        """One a frame; frames of a multi-frame file share theirs. Pixels are left out.

        Raises:
            InputError: a file is gone, has changed, or is damaged.
        """
        with parse_quietly():
            headers = full_headers(self._content)
        return tuple(headers[frame.path] for frame in self.frames)

    @property
    def files(self) -> list[Dataset]:
        """The headers, one a file."""
        return list({id(header): header for header in self.headers}.values())

    def volume(self) -> Volume:
        """The voxels with their place in the patient.

        Returns:
            Volume: voxels [columns, rows, slices] float32 in HU or scanner units, RAS+ affine in
            mm, slices along axis 2.

        Raises:
            InputError: a file is gone, has changed, is cut, or its pixels are damaged.
            Refused: a transfer syntax without a decoder, or more than fits into memory.
        """
        return self._volume

    @cached_property
    def _volume(self) -> Volume:
        with parse_quietly():
            fill_decoded(self._content, self.frames)
        voxels = self._content.values.transpose(2, 1, 0)
        padding = padding_of(self._content, self.frames)
        if padding is not None:
            without_padding(voxels, padding.mask, self.modality, self.name)
        if self.modality == "CT":
            np.maximum(voxels, CT_AIR_HU, out=voxels)
        return Volume(
            voxels=voxels,
            affine=self.affine,
            modality=self.modality,
            unit=unit_of(self.modality),
            slice_axis=2,
            slice_thickness_mm=thickness_of(self.frames, spacing_mm(self.affine)[2]),
            stored_as_integers=all(
                frame.slope.is_integer() and frame.intercept.is_integer() for frame in self.frames
            ),
            name=self.name,
            padding=padding,
            digest=self.digest,
            origin=self.origin,
            remarks=self.remarks,
        )


@contextmanager
def open_series(
    source: Path | Sequence[Path], *, series: str | None = None, name: str | None = None
) -> Iterator[DicomSeries]:
    """Find, check and stack one MR or CT series.

    Args:
        source: a folder (searched to the bottom), a .zip, one file (of a classic series it stands
            for all files of that series beside it, of a multi-frame series for itself), or all
            files of the series and no others.
        series: which one where there are several: SeriesInstanceUID, SeriesNumber, or a pattern
            of SeriesDescription; see `choose.is_meant`.
        name: what to call the series in messages; by default the name of the file or folder.

    Raises:
        InputError: missing, empty, no permission, no DICOM inside, damaged, or cut.
        Refused: several series, no MR or CT image, or an image that is not one regular volume;
            the sentence names the fault, the file and what to do.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        shown = name or name_of(path)
        with opened(path) as place:
            with parse_quietly():
                groups = group_headers(headers_at(place, shown))
                found = series_of(pick_group(groups, series, shown), shown)
            yield found
        return
    shown = name or "the series"
    with parse_quietly():
        found = series_of(known_group(source, shown, series), shown)
    yield found


def read_series(path: Path, *, series: str | None = None) -> Volume:
    """One MR or CT series as a volume; see `open_series` and `DicomSeries.volume`."""
    with open_series(path, series=series) as found:
        return found.volume()


def read_files(paths: Sequence[Path], name: str) -> Volume:
    """One MR or CT series whose files are known; see `open_series`."""
    with open_series(paths, name=name) as series:
        return series.volume()


def series_of(group: Group, name: str) -> DicomSeries:
    """The series that a group of headers is; raises as `open_series`."""
    files = without_copies(group.headers)
    check_modalities(files, group.beside, name)
    frames, stack = _stacked(files, group.beside, name)
    return DicomSeries(
        modality=Modality(group.modality),
        frames=tuple(frames),
        affine=stack.affine,
        name=name,
        remarks=remarks_on(frames, stack.step_mm),
        sources=tuple(sorted(files, key=lambda file: file.path.parts)),
    )


def _stacked(
    files: Sequence[FileHeader], beside: Sequence[FileHeader], name: str
) -> tuple[list[Frame], Stack]:
    for file in files:
        check_size(file)
    frames = [frame for file in files for frame in frames_of(file)]
    frames += [frame for frame in map(frame_beside, beside) if frame is not None]
    stack = stack_slices(_slices(frames), name)
    return [frames[i] for i in stack.order], stack


def _slices(frames: Sequence[Frame]) -> Slices:
    return Slices(
        positions=np.array([frame.position for frame in frames]),
        orientations=np.array([frame.orientation for frame in frames]),
        pixel_spacings=np.array([frame.pixel_spacing for frame in frames]),
        shapes=[frame.shape for frame in frames],
        names=_names(frames),
        marks=[frame.marks for frame in frames],
        kinds=[frame.kind for frame in frames],
    )


def _names(frames: Sequence[Frame]) -> list[str]:
    """A name for each slice: no folder, which may name a patient, and none twice."""
    paths = list(dict.fromkeys(frame.path for frame in frames))
    times = Counter(path.name for path in paths)
    before: Counter[str] = Counter()
    shown = {}
    for path in paths:
        before[path.name] += 1
        more = f" ({before[path.name]} of {times[path.name]} of that name)"
        shown[path] = path.name + (more if times[path.name] > 1 else "")
    many = len(paths) < len(frames)
    return [
        f"frame {frame.index + 1} of {shown[frame.path]}" if many else shown[frame.path]
        for frame in frames
    ]


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

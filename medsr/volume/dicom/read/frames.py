"""The position of each frame, and how its stored numbers become values.

A classic file is one frame whose facts stand in the header itself. An enhanced multi-frame file
(PS3.3 C.7.6.16) states them in functional groups: what is common in
SharedFunctionalGroupsSequence, what changes in PerFrameFunctionalGroupsSequence; the frame's own
group wins. Stored values v become x = RescaleSlope * v + RescaleIntercept (PS3.3 C.11.1), with
the slope and intercept of that very frame: Philips writes another slope for each slice.

MONOCHROME1 says that a display should invert; the values mean the same and are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset

from medsr.errors import InputError, NotAnatomy, Refused
from medsr.volume.dicom.dataset import open_dataset, parse_header
from medsr.volume.dicom.read.governing import classic_marks, enhanced_marks, governing_marks
from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.read.kinds import IMAGE, kind_of_frame, why_not
from medsr.volume.dicom.read.left_out import LARGEST_COSINE, place_of
from medsr.volume.dicom.read.pixel_cells import check_cells, padding_range
from medsr.volume.dicom.read.raw_pixels import RawPixels, raw_pixels_of
from medsr.volume.dicom.read.rescale import rescaling
from medsr.volume.dicom.values import items, numbers, text
from medsr.volume.volume import FARTHEST_MM

__all__ = ["Frame", "frame_beside", "frames_of"]

#: No distance between pixels is smaller or larger.
FINEST_MM, COARSEST_MM = 1e-3, 100.0

#: RescaleType of CT values that are Hounsfield units; "US" means unspecified (PS3.3 C.11.1.1.2).
HU_TYPES = {"", "HU", "HU_MOD", "US"}


@dataclass(frozen=True)
class Frame:
    """One picture of a file.

    Attributes:
        path: the file; `index` counts the frames in it from 0.
        shape: (rows, columns).
        position: (3,) ImagePositionPatient, LPS+ mm.
        orientation: (6,) ImageOrientationPatient.
        pixel_spacing: (between rows, between columns), mm.
        thickness_mm: SliceThickness, or None.
        slope, intercept: of this frame.
        rescale_type: what the rescaled values are ("HU", "US" for unspecified, ...), or "".
        marks: time, echo and contrast, as far as the header says.
        kind: what it shows, as `kinds` names it; only an "image" becomes a slice.
        raw: where it lies in an uncompressed file, or None.
        packed: whether its file is compressed.
        padding: PixelPaddingValue and PixelPaddingRangeLimit, both stored numbers, or None.
    """

    path: Path
    index: int
    shape: tuple[int, int]
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    thickness_mm: float | None
    slope: float
    intercept: float
    rescale_type: str
    marks: dict[str, object]
    raw: RawPixels | None
    packed: bool
    padding: tuple[float, float | None] | None = None
    kind: str = IMAGE


def frames_of(file: FileHeader) -> list[Frame]:
    """The frames of one file, each with its place; in a multi-frame file each has its own kind.

    Raises:
        InputError: the file is damaged.
        NotAnatomy: every frame shows something else.
        Refused: a field that places or scales the image is missing, or the size is absurd.
    """
    if file.shape is None:
        raise InputError(f"{file.path.name}: contains no image.")
    check_cells(file)
    governing = governing_marks(file.dataset, file.modality)
    if file.frames == 1 and numbers(file.dataset, "ImagePositionPatient", 3) is not None:
        marks = {**classic_marks(file.dataset), **governing}
        return [_frame(file, 0, [file.dataset], marks)]
    header = _full_header(file)
    groups = items(header, _PER_FRAME)
    if len(groups) != file.frames:
        fault = f"describes {len(groups)} of its {file.frames} frames" if groups else "is missing"
        missing = "ImagePositionPatient" if file.frames == 1 else _PER_FRAME
        fault = "is missing" if file.frames == 1 and not groups else fault
        raise Refused(f"{file.path.name}: {missing} {fault}, so {_NO_PLACE}")
    _check_one_stack(groups, file.path.name)
    common = items(header, "SharedFunctionalGroupsSequence")[:1]
    kinds = [kind_of_frame([group, *common]) for group in groups]
    if IMAGE not in kinds:
        raise NotAnatomy(f"{file.path.name}: {why_not(kinds[0], file.modality)}")
    shared = [macro for group in common for macro in _macros(group)]
    frames = []
    for index, (group, kind) in enumerate(zip(groups, kinds, strict=True)):
        marks = {**enhanced_marks(group), **governing}
        frame = _frame(file, index, [*_macros(group), *shared, header], marks)
        frames.append(replace(frame, kind=kind))
    return frames


def frame_beside(file: FileHeader) -> Frame | None:
    """The picture of a file that is left out, as far as its place; None where that is unknown."""
    place = place_of(file)
    if place is None:
        return None
    position, orientation, spacing, shape = place
    return Frame(
        path=file.path,
        index=0,
        shape=shape,
        position=position,
        orientation=orientation,
        pixel_spacing=spacing,
        thickness_mm=None,
        slope=1.0,
        intercept=0.0,
        rescale_type="",
        marks={},
        raw=None,
        packed=False,
        kind=file.kind,
    )


def _full_header(file: FileHeader) -> Dataset:
    content = file.fast.content
    return open_dataset(file.path) if content is None else parse_header(file.path, content)


def _check_one_stack(groups: Sequence[Dataset], name: str) -> None:
    stacks = {enhanced_marks(group).get("stack") for group in groups}
    if len(stacks) > 1:
        raise Refused(
            f"{name}: contains {len(stacks)} stacks of slices; medsr enhances one volume. "
            "Export each stack separately."
        )


_PER_FRAME = "PerFrameFunctionalGroupsSequence"
_NO_PLACE = (
    "the position of the slices in the patient is unknown. Export the scan again with "
    "full headers, as original DICOM."
)


def _macros(group: Dataset) -> list[Dataset]:
    """The first items of the functional group macros that place and scale a frame."""
    return [macro for keyword in _MACROS for macro in items(group, keyword)[:1]]


_MACROS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
)


def _frame(
    file: FileHeader, index: int, sources: list[Dataset], marks: dict[str, object]
) -> Frame:
    name = file.path.name
    if items(file.dataset, "ModalityLUTSequence"):
        raise Refused(
            f"{name}: uses a Modality LUT, which medsr does not support. Export the scan "
            "with RescaleSlope and RescaleIntercept instead."
        )
    slope, intercept = rescaling(sources, file.modality, name)
    types = [text(source, "RescaleType") for source in sources]
    unit = next((word.upper() for word in types if word), "")
    if file.modality == "CT" and unit not in HU_TYPES:
        raise Refused(
            f"{name}: RescaleType says that its values are not Hounsfield units. "
            "Give the CT scan itself, not a map made from it."
        )
    position = _needed(sources, "ImagePositionPatient", 3, name)
    if max(map(abs, position)) > FARTHEST_MM:
        raise Refused(
            f"{name}: ImagePositionPatient lies more than {FARTHEST_MM / 1000:g} m away, "
            "which is not plausible. Export the scan again from the original DICOM."
        )
    return Frame(
        path=file.path,
        index=index,
        shape=file.shape or (0, 0),
        position=position,
        orientation=_cosines(_needed(sources, "ImageOrientationPatient", 6, name), name),
        pixel_spacing=_believable(_needed(sources, "PixelSpacing", 2, name), name),
        thickness_mm=_thickness(sources, name),
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        rescale_type=unit,
        marks={
            **marks,
            "unit of the values": unit or None,
            "rescaling": (slope is not None, intercept is not None),
        },
        raw=raw_pixels_of(file, index),
        packed=file.is_packed,
        padding=padding_range(file.dataset),
    )


def _first(sources: list[Dataset], keyword: str, count: int) -> tuple[float, ...] | None:
    for source in sources:
        values = numbers(source, keyword, count)
        if values is not None:
            return values
    return None


def _needed(sources: list[Dataset], keyword: str, count: int, name: str) -> tuple[float, ...]:
    values = _first(sources, keyword, count)
    if values is None:
        raise Refused(f"{name}: {keyword} is missing or not {count} numbers, so {_NO_PLACE}")
    return values


def _cosines(orientation: tuple[float, ...], name: str) -> tuple[float, ...]:
    if max(map(abs, orientation)) > LARGEST_COSINE:
        raise Refused(
            f"{name}: ImageOrientationPatient has numbers beyond 1, which no direction cosine is. "
            "Export the scan again from the original DICOM."
        )
    return orientation


def _believable(spacing: tuple[float, ...], name: str) -> tuple[float, ...]:
    if min(spacing) <= 0:
        raise Refused(f"{name}: PixelSpacing {spacing} mm must be positive. Correct the header.")
    if min(spacing) < FINEST_MM or max(spacing) > COARSEST_MM:
        raise Refused(
            f"{name}: PixelSpacing {spacing[0]:.4g} x {spacing[1]:.4g} mm is not "
            "plausible. Correct the header (spacing in millimetres) and try again."
        )
    return spacing


def _thickness(sources: list[Dataset], name: str) -> float | None:
    """SliceThickness, mm; None when it is absent or 0."""
    found = _first(sources, "SliceThickness", 1)
    if found is not None and not 0 <= found[0] <= COARSEST_MM:
        raise Refused(
            f"{name}: SliceThickness {found[0]:.4g} mm is not plausible. Correct the "
            "header (thickness in millimetres) and try again."
        )
    return found[0] or None if found else None

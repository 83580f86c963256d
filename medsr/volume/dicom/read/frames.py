"""Frames: where each picture lies and how its stored numbers become values.

A classic file is one frame whose facts stand in the header itself. An enhanced multi-frame file
(PS3.3 C.7.6.16) states them in functional groups: what is common in
SharedFunctionalGroupsSequence, what changes in PerFrameFunctionalGroupsSequence; the frame's own
group wins. Stored values v become x = RescaleSlope * v + RescaleIntercept (PS3.3 C.11.1), with
the slope and intercept of that very frame: Philips writes another slope for each slice.

MONOCHROME1 says that a display should invert; the values mean the same and are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import (
    items,
    number,
    numbers,
    open_dataset,
    parse_header,
    text,
    texts,
)
from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.read.raw_pixels import RawPixels, raw_pixels_of

__all__ = ["Frame", "frames_of"]


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
        raw: where it lies in an uncompressed file, or None.
        packed: whether its file is compressed.
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


def frames_of(file: FileHeader) -> list[Frame]:
    """The frames of one file, each with its place.

    Raises:
        InputError: the file is damaged.
        Refused: a field that places or scales the image is missing, or the size is absurd.
    """
    if file.shape is None:
        raise InputError(f"{file.path.name}: holds no image.")
    if file.frames == 1 and numbers(file.dataset, "ImagePositionPatient", 3) is not None:
        return [_frame(file, 0, [file.dataset], _classic_marks(file.dataset))]
    header = _full_header(file)
    groups = items(header, _PER_FRAME)
    if len(groups) != file.frames:
        fault = f"describes {len(groups)} of its {file.frames} frames" if groups else "is missing"
        missing = "ImagePositionPatient" if file.frames == 1 else _PER_FRAME
        fault = "is missing" if file.frames == 1 and not groups else fault
        raise Refused(f"{file.path.name}: {missing} {fault}, so {_NO_PLACE}")
    _check_one_stack(groups, file.path.name)
    shared = [
        macro
        for group in items(header, "SharedFunctionalGroupsSequence")[:1]
        for macro in _macros(group)
    ]
    return [
        _frame(file, index, [*_macros(group), *shared, header], _enhanced_marks(group))
        for index, group in enumerate(groups)
    ]


def _full_header(file: FileHeader) -> Dataset:
    content = file.fast.content
    return open_dataset(file.path) if content is None else parse_header(file.path, content)


def _check_one_stack(groups: Sequence[Dataset], name: str) -> None:
    stacks = {_enhanced_marks(group).get("stack") for group in groups}
    if len(stacks) > 1:
        raise Refused(
            f"{name}: holds {len(stacks)} stacks of slices; medsr takes one volume. Export each "
            "stack on its own."
        )


_PER_FRAME = "PerFrameFunctionalGroupsSequence"
_NO_PLACE = (
    "the slices have no place in the patient. Export the scan again with full headers, as "
    "original DICOM."
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
    name, header = file.path.name, file.dataset
    if items(header, "ModalityLUTSequence"):
        raise Refused(
            f"{name}: its values pass through a Modality LUT (a table), which medsr does not "
            "apply. Export the scan with RescaleSlope and RescaleIntercept instead."
        )
    slope, intercept = _first(sources, "RescaleSlope", 1), _first(sources, "RescaleIntercept", 1)
    if file.modality == "CT" and intercept is None:
        raise Refused(
            f"{name}: RescaleIntercept is missing, so the stored numbers cannot be turned into "
            "Hounsfield units. Export the scan again with full headers."
        )
    if slope is not None and slope[0] == 0:
        raise Refused(f"{name}: RescaleSlope is 0, so every voxel would have one value.")
    thickness = _first(sources, "SliceThickness", 1)
    types = [text(source, "RescaleType") for source in sources]
    return Frame(
        path=file.path,
        index=index,
        shape=file.shape or (0, 0),
        position=_needed(sources, "ImagePositionPatient", 3, name),
        orientation=_needed(sources, "ImageOrientationPatient", 6, name),
        pixel_spacing=_positive(_needed(sources, "PixelSpacing", 2, name), name),
        thickness_mm=thickness[0] if thickness and thickness[0] > 0 else None,
        slope=slope[0] if slope else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        rescale_type=next((word.upper() for word in types if word), ""),
        marks=marks,
        raw=raw_pixels_of(file, index),
        packed=file.is_packed,
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


def _positive(spacing: tuple[float, ...], name: str) -> tuple[float, ...]:
    if min(spacing) <= 0:
        raise Refused(f"{name}: PixelSpacing {spacing} mm must be positive. Correct the header.")
    return spacing


def _classic_marks(header: Dataset) -> dict[str, object]:
    found: dict[str, object] = {
        words: number(header, keyword) for keyword, words in _CLASSIC_MARKS.items()
    }
    return {**found, "image type": texts(header, "ImageType")}


_CLASSIC_MARKS = {
    "TemporalPositionIdentifier": "temporal position",
    "EchoTime": "echo time",
    "InversionTime": "inversion time",
    "DiffusionBValue": "b-value",
    "TriggerTime": "trigger time",
    "AcquisitionNumber": "acquisition number",
}


def _enhanced_marks(group: Dataset) -> dict[str, object]:
    found: dict[str, object] = {}
    for words, sequence_keyword, keyword in _ENHANCED_MARKS:
        for macro in items(group, sequence_keyword)[:1]:
            found[words] = texts(macro, keyword)
    return found


_ENHANCED_MARKS = (
    ("temporal position", "FrameContentSequence", "TemporalPositionIndex"),
    ("echo time", "MREchoSequence", "EffectiveEchoTime"),
    ("b-value", "MRDiffusionSequence", "DiffusionBValue"),
    ("cardiac phase", "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("image type", "MRImageFrameTypeSequence", "FrameType"),
    ("image type", "CTImageFrameTypeSequence", "FrameType"),
    ("component", "MRImageFrameTypeSequence", "ComplexImageComponent"),
    ("stack", "FrameContentSequence", "StackID"),
)

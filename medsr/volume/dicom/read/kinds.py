"""Classifies a DICOM object from its header.

The kind of an object decides what becomes of it: an `IMAGE` may be part of a volume; everything
else is passed over beside a scan and refused alone. What shows no anatomy (a phase image, a map,
a mask) is judged by `volume.anatomy`, as for NIfTI. A Siemens `MOSAIC` is kept apart: all slices
of one volume tiled into one picture, whose position is not that of its first pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from medsr.volume.anatomy import Kind, kind_of_settings, why_not_anatomy
from medsr.volume.anatomy_names import kind_of_description
from medsr.volume.dicom.values import items, number, numbers, raw_bytes, text, texts

__all__ = [
    "CAPTURE",
    "COLOUR",
    "GE_CREATOR",
    "GE_RAW_DATA_TYPE",
    "IMAGE",
    "LOCALIZER",
    "MODALITIES",
    "MOSAIC",
    "NOT_IMAGE",
    "OTHER_MODALITY",
    "SCAN_CLASSES",
    "kind_of",
    "kind_of_frame",
    "why_not",
]

IMAGE, LOCALIZER, COLOUR, MOSAIC = "image", Kind.LOCALIZER.value, "colour", "mosaic"
CAPTURE, OTHER_MODALITY, NOT_IMAGE = "screen capture", "other modality", "not an image"

#: What medsr's models are trained on.
MODALITIES = ("MR", "CT")

#: Storage classes (PS3.4 B.5) whose objects are MR or CT scans.
SCAN_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",  # enhanced
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",  # legacy converted enhanced
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",  # enhanced
    "1.2.840.10008.5.1.4.1.1.4.3": "MR",  # enhanced colour
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",  # legacy converted enhanced
}

#: Secondary Capture and its multi-frame relatives share this beginning.
CAPTURE_CLASS = "1.2.840.10008.5.1.4.1.1.7"

#: The standard's own classes begin so; a maker's private one, or an emptied one, does not.
STANDARD_CLASSES = "1.2.840.10008."

#: Modality codes of objects that have rows and columns but are not pictures of a patient.
OBJECTS = ("SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "RTIMAGE", "SR", "PR", "KO", "REG", "DOC")

#: Words of ImageType for a picture of a screen or of a report.
CAPTURE_WORDS = {
    *("SCREEN SAVE", "SCREEN CAPTURE", "SCREENSHOT", "SCREEN SHOT", "CSA RESULTS", "CSA REPORT"),
    *("DOSE", "DOSE INFO", "DOSE REPORT", "PROTOCOL"),
}

#: Words of ImageType for a scout, besides those of `volume.anatomy`.
SCOUT_WORDS = {"SURVEY", "SCANOGRAM", "SCOUT VIEW"}

#: VolumeBasedCalculationTechnique of pictures that are no slices (PS3.3 C.8.16.2.1.3).
PROJECTIONS = {"MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER"}

#: GE says magnitude, phase, real or imaginary part here and nowhere else.
GE_CREATOR, GE_RAW_DATA_TYPE = 0x00430010, 0x0043102F
GE_TYPES = {1: Kind.PHASE, 2: Kind.REAL, 3: Kind.IMAGINARY}


def kind_of(dataset: Dataset, sop_class: str, modality: str) -> str:
    """The kind of an object that has rows and columns.

    Args:
        dataset: its header.
        sop_class: its SOPClassUID, or "".
        modality: its modality's code, or "".
    """
    capture = sop_class.startswith(CAPTURE_CLASS)
    known = not sop_class.startswith(STANDARD_CLASSES) or sop_class in SCAN_CLASSES or capture
    if not known and modality in (*MODALITIES, *OBJECTS):
        return NOT_IMAGE
    if modality not in MODALITIES:
        return OTHER_MODALITY
    if _is_colour(dataset):
        return COLOUR
    image_type = texts(dataset, "ImageType")
    words = {word.upper().replace("_", " ") for word in image_type}
    if words & SCOUT_WORDS:
        return LOCALIZER
    shown = _kind_by_type(dataset, image_type) or _kind_by_ge(dataset)
    shown = shown or _kind_by_description(dataset, modality, image_type)
    if shown is not None:
        return shown.value
    if number(dataset, "BitsAllocated") == 1:
        return Kind.MASK.value
    if "MOSAIC" in words:
        return MOSAIC
    if words & CAPTURE_WORDS:
        return CAPTURE
    if capture and numbers(dataset, "ImagePositionPatient", 3) is None:
        return CAPTURE
    return IMAGE


def kind_of_frame(groups: Sequence[Dataset]) -> str:
    """The kind of one frame of a multi-frame file, which is of kind "image" as a whole.

    Args:
        groups: the frame's own functional groups, then the shared ones.
    """
    for group in groups:
        for keyword in _FRAME_TYPES:
            for macro in items(group, keyword)[:1]:
                shown = _kind_by_type(macro, texts(macro, "FrameType"))
                if shown is not None:
                    return shown.value
    return IMAGE


_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence")


def _kind_by_type(dataset: Dataset, image_type: Sequence[str]) -> Kind | None:
    """What the standard's attributes for it say of a picture."""
    component = text(dataset, "ComplexImageComponent")
    shown = kind_of_settings({"ComplexImageComponent": component, "ImageType": list(image_type)})
    technique = text(dataset, "VolumeBasedCalculationTechnique").upper()
    return shown or (Kind.PROJECTION if technique in PROJECTIONS else None)


def _kind_by_description(
    dataset: Dataset, modality: str, image_type: Sequence[str]
) -> Kind | None:
    """What SeriesDescription says, by the words of file names, where nothing says magnitude.

    Some makers say in no other place that a series is a map.
    """
    shown = kind_of_description(text(dataset, "SeriesDescription"))
    if shown is Kind.LOCALIZER:
        return shown
    is_magnitude = "M" in image_type or text(dataset, "ComplexImageComponent") == "MAGNITUDE"
    return None if is_magnitude or modality == "CT" else shown


def _kind_by_ge(dataset: Dataset) -> Kind | None:
    if not raw_bytes(dataset, GE_CREATOR).startswith(b"GEMS_PARM_01"):
        return None
    value = raw_bytes(dataset, GE_RAW_DATA_TYPE)
    return GE_TYPES.get(int.from_bytes(value, "little")) if len(value) == 2 else None


def _is_colour(dataset: Dataset) -> bool:
    return (
        (number(dataset, "SamplesPerPixel") or 1) != 1
        or "PALETTE" in text(dataset, "PhotometricInterpretation").upper()
        or text(dataset, "PixelPresentation").upper() in {"COLOR", "MIXED", "TRUE_COLOR"}
    )


def why_not(kind: str, modality: str) -> str:
    """The rest of the sentence "<name> ..." for an object that is not an image to process."""
    if kind == OTHER_MODALITY:
        return f"has modality {modality or 'unknown'}; medsr supports MR and CT."
    return _REASONS[kind] if kind in _REASONS else why_not_anatomy(Kind(kind))


_REASONS = {
    COLOUR: "is a colour image; medsr needs one value per voxel.",
    MOSAIC: (
        "is a Siemens mosaic: the slices of a functional or diffusion volume, tiled in "
        "one image. Convert it to NIfTI first, for example with dcm2niix."
    ),
    CAPTURE: (
        "is a screen capture or a report, without a position in the patient. Give the "
        "original scan."
    ),
    NOT_IMAGE: "is a DICOM object, but not an MR or CT image. Give the scan itself.",
}

"""What is this DICOM object? One header, read without pixels, and named in plain words.

The kind of an object decides what becomes of it: an `IMAGE` may be part of a volume; a
`LOCALIZER`, a `CAPTURE` (screenshot), a `COLOUR` image, another modality and anything without
pixels (SR, PR, SEG, RTSTRUCT, DICOMDIR) are passed over beside a scan and refused alone. A Siemens
`MOSAIC` is kept apart: all slices of one volume tiled into one picture, whose position is not
that of its first pixel.

Some anonymisers empty the SOPClassUID and the SeriesInstanceUID. Modality then decides the first,
and the empty UID counts as one series.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import UID

from medsr.errors import InputError
from medsr.volume.dicom.dataset import (
    check_regular,
    guard,
    is_dicom,
    number,
    numbers,
    open_dataset,
    text,
    texts,
)
from medsr.volume.dicom.read.fast_header import (
    FastHeader,
    FileScan,
    Stamp,
    scan_file,
)

__all__ = [
    "CAPTURE",
    "COLOUR",
    "IMAGE",
    "LOCALIZER",
    "MODALITIES",
    "MOSAIC",
    "NOT_IMAGE",
    "OTHER_MODALITY",
    "FileHeader",
    "read_header",
    "why_not",
]

IMAGE, LOCALIZER, COLOUR, MOSAIC = "image", "localizer", "colour", "mosaic"
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

#: The largest integer string that DICOM allows (PS3.5 6.2, VR IS).
MAX_FRAMES = 2**31 - 1

LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM"}

#: All that is read of a header in the search; sequences are left alone.
TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "ImageType",
    "PixelPresentation",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "EchoTime",
    "InversionTime",
    "DiffusionBValue",
    "TriggerTime",
]

#: The same as numbers, with SpecificCharacterSet, which says how texts are written.
TAG_NUMBERS = frozenset({0x00080005, *map(tag_for_keyword, TAGS)})


@dataclass(frozen=True, eq=False)
class FileHeader:
    """One DICOM file without its pixels.

    Attributes:
        path: the file.
        fast: the attributes in TAGS that are there, and where the header ends.
        stamp: to notice that the file has changed since.
        uid: SeriesInstanceUID, or "" when it was emptied.
        instance: SOPInstanceUID, or "".
        modality: "MR", "CT", another modality's code, or "".
        kind: one of this module's kinds.
        frames: number of frames; 1 in a classic file, 0 in an object without pixels.
        shape: (rows, columns), or None without pixels.
        syntax: transfer syntax UID, or "" when the file has no meta group.
    """

    path: Path
    fast: FastHeader
    stamp: Stamp
    uid: str
    instance: str
    modality: str
    kind: str
    frames: int
    shape: tuple[int, int] | None
    syntax: str

    @property
    def dataset(self) -> Dataset:
        """The attributes in TAGS that are there."""
        return self.fast.dataset

    @property
    def is_packed(self) -> bool:
        """Whether the pixels are compressed, or the whole file deflated."""
        uid = UID(self.syntax)
        return bool(uid.is_transfer_syntax and (uid.is_encapsulated or uid.is_deflated))


def read_header(path: Path) -> FileHeader | None:
    """Read one file's header; None when the file is not DICOM.

    Raises:
        InputError: no permission, damaged, or cut before the header ends.
    """
    scan = guard(path, lambda: _scan(path))
    if not is_dicom(path, scan.start):
        return None
    fast = scan.header or FastHeader(open_dataset(path, TAGS), None)
    header = fast.dataset
    meta = header.file_meta
    sop_class = text(header, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    modality = text(header, "Modality").upper() or SCAN_CLASSES.get(sop_class, "")
    if not re.fullmatch("[A-Z]{2,10}", modality):
        modality = ""  # free text, which may name a person
    if not (sop_class or modality) and header.preamble is None:
        return None
    rows, columns = number(header, "Rows") or 0, number(header, "Columns") or 0
    shape = (int(rows), int(columns)) if min(rows, columns) >= 1 else None
    if shape is None and (
        sop_class in SCAN_CLASSES or (not sop_class and modality in ("", *MODALITIES))
    ):
        raise InputError(
            f"{path.name}: the header ends before the image size (Rows, Columns); the file is cut."
            " Copy or export it again."
        )
    return FileHeader(
        path=path,
        fast=fast,
        stamp=scan.stamp,
        uid=text(header, "SeriesInstanceUID"),
        instance=text(header, "SOPInstanceUID"),
        modality=modality,
        kind=_kind(header, sop_class, modality) if shape else NOT_IMAGE,
        frames=int(min(max(number(header, "NumberOfFrames") or 1, 1), MAX_FRAMES)) if shape else 0,
        shape=shape,
        syntax=text(meta, "TransferSyntaxUID"),
    )


def _scan(path: Path) -> FileScan:
    check_regular(path)
    return scan_file(path, TAG_NUMBERS)


def _kind(header: Dataset, sop_class: str, modality: str) -> str:
    image_type = {word.upper() for word in texts(header, "ImageType")}
    capture = sop_class.startswith(CAPTURE_CLASS)
    known = not sop_class.startswith(STANDARD_CLASSES) or sop_class in SCAN_CLASSES or capture
    if not known and modality in (*MODALITIES, *OBJECTS):
        return NOT_IMAGE
    if modality not in MODALITIES:
        return OTHER_MODALITY
    if _is_colour(header):
        return COLOUR
    if image_type & LOCALIZER_WORDS:
        return LOCALIZER
    if "MOSAIC" in image_type:
        return MOSAIC
    if capture and numbers(header, "ImagePositionPatient", 3) is None:
        return CAPTURE
    return IMAGE


def _is_colour(header: Dataset) -> bool:
    return (
        (number(header, "SamplesPerPixel") or 1) != 1
        or "PALETTE" in text(header, "PhotometricInterpretation").upper()
        or text(header, "PixelPresentation").upper() in {"COLOR", "MIXED"}
    )


def why_not(kind: str, modality: str) -> str:
    """The rest of the sentence "<name> ..." for an object that is not an image to process."""
    if kind == OTHER_MODALITY:
        return f"has modality {modality or 'unknown'}; medsr is trained on MR and CT."
    return _REASONS[kind]


_REASONS = {
    LOCALIZER: "is a localizer (scout), not a volume. Give the scan that was planned on it.",
    COLOUR: "is a colour image; medsr takes scans with one value a voxel.",
    MOSAIC: (
        "is a Siemens mosaic: the slices of a functional or diffusion volume, tiled in one "
        "picture. Convert it to a volume (NIfTI) first, for example with dcm2niix."
    ),
    CAPTURE: (
        "is a screen capture without a place in the patient (no ImagePositionPatient). Give the "
        "original scan."
    ),
    NOT_IMAGE: "is a DICOM object, but not an MR or CT image. Give the scan itself.",
}

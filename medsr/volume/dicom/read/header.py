"""Reads one header without pixels.

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
from medsr.volume.dicom.dataset import check_regular, guard, is_dicom, open_dataset
from medsr.volume.dicom.read.fast_header import (
    FastHeader,
    FileScan,
    Stamp,
    scan_file,
)
from medsr.volume.dicom.read.kinds import (
    GE_CREATOR,
    GE_RAW_DATA_TYPE,
    IMAGE,
    MODALITIES,
    NOT_IMAGE,
    SCAN_CLASSES,
    kind_of,
    why_not,
)
from medsr.volume.dicom.values import number, text, texts
from medsr.volume.origin import Origin, origin_of
from medsr.words import printable

__all__ = ["IMAGE", "TAGS", "TAG_NUMBERS", "FileHeader", "read_header", "why_not"]

#: The largest integer string that DICOM allows (PS3.5 6.2, VR IS).
MAX_FRAMES = 2**31 - 1

#: The largest Rows and Columns (VR US).
MAX_SIDE = 2**16 - 1

#: All that is read of a header in the search; sequences are left alone.
TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
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
    "SpacingBetweenSlices",
    "KVP",
    "InversionTime",
    "DiffusionBValue",
    "TriggerTime",
    "FrameOfReferenceUID",
    "StudyInstanceUID",
    "PatientID",
    "PatientPosition",
    "EchoNumbers",
    "ScanOptions",
    "ConvolutionKernel",
    "ComplexImageComponent",
    "VolumeBasedCalculationTechnique",
    "Manufacturer",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ImagesInAcquisition",
    "NumberOfSlices",
    "ConcatenationUID",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
]

#: What makers say in elements of their own.
PRIVATE = [GE_CREATOR, GE_RAW_DATA_TYPE]

#: The same as numbers, with SpecificCharacterSet, which says how texts are written.
TAG_NUMBERS = frozenset({0x00080005, *PRIVATE, *map(tag_for_keyword, TAGS)})


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
    def number(self) -> int | None:
        """SeriesNumber, where it is a whole number."""
        value = number(self.dataset, "SeriesNumber")
        return int(value) if value is not None and value.is_integer() else None

    @property
    def description(self) -> str:
        """SeriesDescription in one printable line, for the terminal and for choosing.

        Free text, which may name a person: it belongs into no log, record, error or file name.
        """
        return printable(" ".join(text(self.dataset, "SeriesDescription").split()))

    @property
    def origin(self) -> Origin:
        """What its slices are; a result of medsr names medsr as its manufacturer."""
        return origin_of(
            texts(self.dataset, "ImageType"),
            by_medsr=text(self.dataset, "Manufacturer") == "medsr",
        )

    @property
    def is_packed(self) -> bool:
        """Whether the pixels are compressed, or the whole file deflated."""
        uid = UID(self.syntax)
        return bool(uid.is_transfer_syntax and (uid.is_encapsulated or uid.is_deflated))


def read_header(path: Path) -> FileHeader | None:
    """Read one file's header; None when the file is not DICOM.

    Raises:
        InputError: no permission, damaged, or truncated within the header.
    """
    scan = guard(path, lambda: _scan(path))
    if not is_dicom(path, scan.start):
        return None
    fast = scan.header or FastHeader(open_dataset(path, [*TAGS, *PRIVATE]), None)
    header = fast.dataset
    meta = header.file_meta
    sop_class = text(header, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    modality = text(header, "Modality").upper() or SCAN_CLASSES.get(sop_class, "")
    if not re.fullmatch("[A-Z]{2,10}", modality):
        modality = ""  # free text, which may name a person
    if not (sop_class or modality) and header.preamble is None:
        return None
    rows, columns = number(header, "Rows") or 0, number(header, "Columns") or 0
    if max(rows, columns) > MAX_SIDE:
        raise InputError(
            f"{path.name}: the header gives an image of more than {MAX_SIDE} rows or columns, "
            "which no DICOM image has; it is damaged. Copy or export it again."
        )
    shape = (int(rows), int(columns)) if min(rows, columns) >= 1 else None
    if shape is None and (
        sop_class in SCAN_CLASSES or (not sop_class and modality in ("", *MODALITIES))
    ):
        raise InputError(
            f"{path.name}: the header ends before the image size (Rows, Columns); the "
            "file is truncated. Copy or export it again."
        )
    return FileHeader(
        path=path,
        fast=fast,
        stamp=scan.stamp,
        uid=text(header, "SeriesInstanceUID"),
        instance=text(header, "SOPInstanceUID"),
        modality=modality,
        kind=kind_of(header, sop_class, modality) if shape else NOT_IMAGE,
        frames=int(min(max(number(header, "NumberOfFrames") or 1, 1), MAX_FRAMES)) if shape else 0,
        shape=shape,
        syntax=text(meta, "TransferSyntaxUID"),
    )


def _scan(path: Path) -> FileScan:
    check_regular(path)
    return scan_file(path, TAG_NUMBERS)

"""Writes a derived series into a folder atomically, one file per slice.

Files are named by position: `slice_0001.dcm` lies first along the slice normal. Explicit VR
Little Endian, uncompressed: what every viewer and archive reads.
"""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medsr.volume.atomic import atomic_folder
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.series import DicomSeries
from medsr.volume.dicom.write.derive import Derivation, derive_series, uid_of
from medsr.volume.volume import Volume

__all__ = ["FILE_PATTERN", "add_meta_group", "fill_series", "write_series"]

#: The names that medsr gives, and so the only ones that it replaces.
FILE_PATTERN = "slice*.dcm"

IMPLEMENTATION_UID = uid_of("medsr implementation")


def write_series(
    volume: Volume, source: DicomSeries, derivation: Derivation, folder: Path
) -> None:
    """Write a volume as a derived series of its source.

    Args:
        volume: [X, Y, Z] in HU or scanner units.
        source: the series it came from, or the template of its patient and study.
        derivation: what was done; see `dicom_derive`.
        folder: appears whole; an older version that medsr wrote there is replaced.

    Raises:
        Refused: volume and source do not belong together.
        OutputError: the folder cannot be written; nothing is left of it.
    """
    with atomic_folder(folder) as partial:
        fill_series(volume, source, derivation, partial)


def fill_series(volume: Volume, source: DicomSeries, derivation: Derivation, folder: Path) -> None:
    """The files of a derived series into an empty folder, in place; see `write_series`.

    Raises:
        Refused: volume and source do not belong together.
        OSError: a file cannot be written.
    """
    with parse_quietly():
        for k, dataset in enumerate(derive_series(volume, source, derivation)):
            save(dataset, folder / f"slice_{k + 1:04d}.dcm")


def save(dataset: Dataset, path: Path) -> None:
    """One file (PS3.10 section 7); values that the source wrote oddly pass as they were."""
    add_meta_group(dataset)
    dataset.save_as(path, enforce_file_format=True)


def add_meta_group(dataset: Dataset) -> None:
    """File Meta Information of an uncompressed data set (PS3.10 section 7.1)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "MEDSR"
    dataset.file_meta = meta

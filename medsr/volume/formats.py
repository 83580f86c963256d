"""The table of input formats: from a path to a scan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medsr.errors import InputError, UsageError
from medsr.volume.file_bytes import faults_in_words
from medsr.volume.image_file import ImageHeader, RawImage, header_of, volume_of
from medsr.volume.itk import open_itk
from medsr.volume.itk_header import read_text_header
from medsr.volume.mgh import open_mgh
from medsr.volume.nifti import read_nifti, read_nifti_header
from medsr.volume.sidecar import IMAGE_SUFFIXES, SUFFIXES, sidecar_files
from medsr.volume.volume import Volume

if TYPE_CHECKING:
    from medsr.volume.dicom.read.series import DicomSeries

__all__ = [
    "Scan",
    "content_digest",
    "input_files",
    "is_image_file",
    "is_nifti",
    "open_scan",
    "read",
    "read_image_header",
]

#: The readers of the formats besides NIfTI and DICOM.
READERS: dict[str, Callable[[Path], RawImage]] = {
    **dict.fromkeys((".mgz", ".mgh"), open_mgh),
    **dict.fromkeys((".mha", ".mhd", ".nrrd", ".nhdr"), open_itk),
}


@dataclass(frozen=True, eq=False)
class Scan:
    """One scan, read once.

    Attributes:
        volume: its voxels and their place; `volume.digest` is of the files that were read.
        series: the DICOM series that it is; None for an image file.
    """

    volume: Volume
    series: DicomSeries | None = None


def is_nifti(path: Path) -> bool:
    """Whether a path is named like a NIfTI file."""
    return path.name.lower().endswith(SUFFIXES)


def is_image_file(path: Path) -> bool:
    """Whether a path is named like an image file of one volume: NIfTI, MGH, MetaImage or NRRD."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


@contextmanager
def open_scan(
    source: str | Path | Sequence[Path],
    *,
    series: str | None = None,
    name: str | None = None,
) -> Iterator[Scan]:
    """Read a scan: an image file, or a DICOM series (folder, zip, one file of it, or its files).

    Voxels, headers and digest come from one state of the files. A zip stays unpacked until the
    context ends.

    Args:
        source: what the user gave, or all files of one scan.
        series: which DICOM series, where a folder or zip holds several: SeriesInstanceUID,
            SeriesNumber, or a pattern of SeriesDescription such as "*T2*".
        name: what to call the scan in messages; the file's or folder's name by default.

    Raises:
        InputError: missing, unreadable, or no image.
        Refused: an image, but not one volume that medsr can place in the patient.
    """
    paths = [Path(source)] if isinstance(source, str | Path) else list(source)
    path = paths[0]
    if len(paths) == 1 and not path.exists() and not is_image_file(path):
        raise InputError(f"{path.name or path}: there is no such file or folder.")
    if is_image_file(path):
        if series is not None:
            raise UsageError(f"{path.name}: an image file has no DICOM series to choose from.")
        volume = read_nifti(path) if is_nifti(path) else volume_of(_opened(path))
        yield Scan(replace(volume, digest=content_digest(input_files(path))))
        return
    from medsr.volume.dicom.read.series import open_series  # a fifth of a second NIfTI spares

    found = path if isinstance(source, str | Path) else paths
    with open_series(found, series=series, name=name) as opened:
        yield Scan(opened.volume(), opened)


def read(path: str | Path, *, series: str | None = None) -> Volume:
    """Read a scan as a volume: an image file, or a DICOM series (folder, zip, or one file of it).

    Args:
        path: what the user gave.
        series: which DICOM series, where a folder or zip holds several: SeriesInstanceUID,
            SeriesNumber, or a pattern of SeriesDescription such as "*T2*".

    Returns:
        Volume: voxels [X, Y, Z] float32 (HU or scanner units) with their RAS+ affine in mm.

    Raises:
        InputError: missing, unreadable, or no image.
        Refused: an image, but not one volume that medsr can place in the patient.

    Example:
        >>> read("scan.nii.gz").spacing_mm  # doctest: +SKIP
        (0.9, 0.9, 4.0)
    """
    with open_scan(path, series=series) as scan:
        return scan.volume


def read_image_header(path: Path) -> ImageHeader:
    """Read an image file without its voxels, and check the grid.

    Raises:
        InputError, SeveralVolumes, Refused, UsageError: as `open_scan`, but for faults of voxels.
    """
    return read_nifti_header(path) if is_nifti(path) else header_of(_opened(path))


def _opened(path: Path) -> RawImage:
    return READERS[path.suffix.lower()](path)


def input_files(path: Path) -> list[Path]:
    """The files that a scan in an image file depends on: also sidecars, or a file of voxels."""
    if is_nifti(path):
        return [path, *sidecar_files(path)]
    if READERS[path.suffix.lower()] is open_itk:
        with faults_in_words(path, "MetaImage or NRRD"):
            return list(read_text_header(path).files)
    return [path]


def content_digest(files: Iterable[Path]) -> str:
    """SHA-256 (hex) over the SHA-256 of each file, in their order.

    Raises:
        InputError: a file is gone or cannot be read.
    """
    total = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as fault:
            raise InputError(f"{file.name}: cannot be read ({fault.strerror}).") from None
    return total.hexdigest()

"""One explicit table of formats: a path goes in, a Volume comes out."""

from __future__ import annotations

import hashlib
from pathlib import Path

from medsr.errors import InputError, UsageError
from medsr.volume.nifti import read_nifti
from medsr.volume.sidecar import SUFFIXES
from medsr.volume.volume import Volume

__all__ = ["digest", "is_nifti", "read"]


def is_nifti(path: Path) -> bool:
    """Whether a path is named like a NIfTI file."""
    return path.name.lower().endswith(SUFFIXES)


def read(path: str | Path, *, series_uid: str | None = None) -> Volume:
    """Read a scan: a NIfTI file, or a DICOM series (folder, zip, or one file of it).

    Args:
        path: what the user gave.
        series_uid: SeriesInstanceUID, needed where a folder or zip holds several image series.

    Raises:
        InputError: missing, unreadable, or no image.
        Refused: an image, but not one volume that medsr can place in the patient.
    """
    path = Path(path)
    if not path.exists() and not is_nifti(path):
        raise InputError(f"{path.name}: there is no such file or folder.")
    if is_nifti(path):
        if series_uid is not None:
            raise UsageError(f"{path.name}: a NIfTI file has no DICOM series to choose from.")
        return read_nifti(path)
    from medsr.volume.dicom.read.series import read_series  # a fifth of a second that NIfTI spares

    return read_series(path, series_uid=series_uid)


def digest(path: str | Path) -> str:
    """SHA-256 (hex) of a file, or of all files of a folder by sorted relative name."""
    path = Path(path)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()

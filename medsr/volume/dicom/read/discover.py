"""Finds the DICOM files of a path and reads their headers.

A path is a folder (searched to the bottom), a zip, or one file, which stands for the series in
its folder that it belongs to. Files that are not DICOM are passed over; `groups` sorts the rest
into series. Pixels are not read here.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.dicom.dataset import DICOM_SUFFIXES, START_BYTES, begins_like_dicom
from medsr.volume.dicom.read.header import IMAGE, FileHeader, read_header
from medsr.volume.missing import (
    is_blank,
    is_pointer,
    name_without_number,
    why_blank,
    why_not_here,
)
from medsr.volume.walk import is_hidden

__all__ = ["headers_at", "opened"]

#: More files than this are an archive, not a scan; a whole study has a few thousand.
MAX_FILES = 50_000

#: A zip may unpack to this much; the largest scans are a few GiB.
MAX_ZIP_BYTES = 8 * 1024**3


#: Header and image of Analyze and of NIfTI in two files.
PAIR_SUFFIXES = (".hdr", ".img")


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The path itself, or for a zip a temporary folder with its contents, removed afterwards.

    Raises:
        InputError: missing, no permission, or a zip that is damaged, locked or unsafe.
        Refused: a zip of implausible size.
    """
    try:
        there = path.exists()
    except PermissionError:
        raise InputError(f"{path.name}: no permission to read its folder.") from None
    if not there:
        if path.is_symlink():
            raise InputError(why_not_here(path))
        raise InputError(f"{path.name or path}: there is no such file or folder.")
    if path.is_dir() or path.suffix.lower() != ".zip":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="medsr-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, Path(folder), path.name)
        except PermissionError:
            raise InputError(f"{path.name}: no permission to read this file.") from None
        except (RuntimeError, NotImplementedError):
            raise InputError(
                f"{path.name}: is encrypted, or uses a compression that medsr does not "
                "support. Unpack it yourself and give the folder."
            ) from None
        except MedsrError:
            raise
        except Exception as fault:  # zipfile and four codecs raise whatever they meet
            if isinstance(fault, OSError) and fault.strerror:
                raise InputError(f"{path.name}: cannot be unpacked ({fault.strerror}).") from None
            raise InputError(f"{path.name}: is not a complete zip file. Copy it again.") from None
        yield Path(folder)


def _unpack(archive: zipfile.ZipFile, folder: Path, name: str) -> None:
    """Write the members that look like DICOM into numbered folders, under harmless names.

    The numbers follow the members' own names, so that a zip and a folder have one order.
    """
    members = [member for member in archive.infolist() if not member.is_dir()]
    members.sort(key=lambda member: PurePosixPath(member.filename.replace("\\", "/")).parts)
    if len(members) > MAX_FILES:
        raise Refused(f"{name}: contains {len(members)} files; the limit is {MAX_FILES}.")
    allowance, unpacked = MAX_ZIP_BYTES, 0
    for number, member in enumerate(members):
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise InputError(
                f"{name}: contains a path that points outside the archive, so it was not "
                "unpacked. Get the zip again from a source you trust."
            )
        if any(map(is_hidden, parts.parts)) or not _is_wanted(archive, member):
            continue
        target = folder / f"{number:06d}" / (re.sub(r"[^\w.\-]", "_", parts.name)[-80:] or "file")
        target.parent.mkdir()
        unpacked += 1
        allowance -= _unpack_one(archive, member, target, allowance)
        if allowance < 0:
            raise Refused(
                f"{name}: unpacks to more than {MAX_ZIP_BYTES / 1024**3:.3g} GiB, the limit. "
                "Unpack it yourself and give the folder of one series."
            )
    if not unpacked:
        raise InputError(
            f"{name}: contains no DICOM files ({len(members)} other files). Give the zip "
            "of one scan."
        )


def _is_wanted(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether a member begins like DICOM or is named like it; the rest stays packed."""
    with archive.open(member) as source:
        start = source.read(START_BYTES)
    return begins_like_dicom(start) or Path(member.filename).suffix.lower() in DICOM_SUFFIXES


def _unpack_one(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, allowance: int
) -> int:
    """Bytes written; stops just past the allowance, whatever the zip's own table says."""
    written = 0
    with archive.open(member) as source, target.open("wb") as sink:
        while (block := source.read(1 << 20)) and written <= allowance:
            written += sink.write(block)
    return written


def headers_at(path: Path, name: str) -> list[FileHeader]:
    """The DICOM headers at a folder (searched to the bottom) or of one file's series.

    Args:
        path: a folder or a file; not a zip.
        name: what the user called it, for messages.

    Raises:
        InputError: empty, no DICOM inside, no permission, or a damaged file.
        Refused: too many files.
    """
    if path.is_dir():
        found = _walk(path, name)
        if not (found.files or found.dangling):
            what = "is an empty folder" if not any(path.iterdir()) else "holds no files to read"
            raise InputError(f"{name}: {what}; expected a DICOM series.")
        headers = [header for header in map(read_header, found.files) if header is not None]
        _check_all_here(found, headers, name)
        if not headers:
            raise InputError(
                f"{name}: contains no DICOM files ({len(found.files)} other files). Give "
                "the folder of one scan."
            )
        return headers
    header = read_header(path)
    if header is None:
        if is_pointer(path):
            raise InputError(why_not_here(path))
        if path.name.lower().removesuffix(".gz").endswith(PAIR_SUFFIXES):
            raise InputError(
                f"{name}: is one half of an image in two files (.hdr and .img: Analyze, or the "
                "old form of NIfTI), which medsr does not read. Convert the pair to one NIfTI "
                "file (.nii or .nii.gz) first."
            )
        raise InputError(
            f"{name}: is not an image file that medsr supports. Give a DICOM file, folder "
            "or zip, or a NIfTI file (.nii, .nii.gz)."
        )
    if header.frames > 1:
        return [header]
    return sorted([header, *_siblings(header)], key=lambda one: one.path)


def _siblings(header: FileHeader) -> list[FileHeader]:
    """Other files of the series in the same folder: of the same kind, beside an image of any."""
    folder = header.path.parent
    found = _list_files(folder, folder.name)
    beside = [path for path in found.files if path.name != header.path.name]
    headers = [other for other in map(read_header, beside) if other is not None]
    _check_all_here(found, [header, *headers], folder.name)
    return [
        other
        for other in headers
        if other.uid == header.uid
        and (other.kind == header.kind or header.kind == IMAGE)
        and (other.modality == header.modality or other.kind != header.kind)
    ]


@dataclass(frozen=True)
class _Found:
    """What a folder holds: files, and links to missing files."""

    files: list[Path]
    dangling: list[Path]


def _check_all_here(found: _Found, headers: Sequence[FileHeader], name: str) -> None:
    """Refuse blank files, and links and pointers to missing content, that may be slices."""
    endings = {"", *DICOM_SUFFIXES, *(header.path.suffix.lower() for header in headers)}
    read = {header.path for header in headers}
    alike = {(path.parent, name_without_number(path.name)) for path in read}
    for path in found.files:
        like = (path.parent, name_without_number(path.name)) in alike
        if like and path not in read and is_blank(path):
            raise InputError(why_blank(path.name))
    absent = [path for path in found.dangling if not headers or path.suffix.lower() in endings]
    absent += [
        path
        for path in found.files
        if path not in read and path.suffix.lower() in endings and is_pointer(path)
    ]
    if absent:
        files = "1 file is" if len(absent) == 1 else f"{len(absent)} files are"
        raise InputError(
            f"{name}: {files} missing: links or pointers to content that was not fetched "
            f"(the first is {absent[0].name}). Fetch it first (datalad get, or git lfs "
            "pull)."
        )


def _walk(folder: Path, name: str) -> _Found:
    """Everything below a folder; links to folders are followed, but for loops."""

    def fail(fault: OSError) -> None:
        where = Path(str(fault.filename or folder)).name
        raise InputError(f"{name}: no permission to read the folder {where}.") from None

    paths: list[Path] = []
    entered = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = sorted(f for f in folders if _enter(os.path.join(place, f), entered))
        paths += [Path(place, n) for n in sorted(names) if not is_hidden(n)]
        if len(paths) > MAX_FILES:
            raise Refused(
                f"{name}: contains more than {MAX_FILES} files. Give the folder of one scan."
            )
    return _sorted_out(paths)


def _enter(folder: str, entered: set[str]) -> bool:
    """Whether to go into a folder: once, and into none that is hidden."""
    place = os.path.realpath(folder)
    if is_hidden(os.path.basename(folder)) or place in entered:
        return False
    entered.add(place)
    return True


def _sorted_out(paths: Sequence[Path]) -> _Found:
    """Pipes, sockets and devices are no files: opening one may wait for ever."""
    files = [path for path in paths if path.is_file()]
    dangling = [path for path in paths if path.is_symlink() and not path.exists()]
    return _Found(files, dangling)


def _list_files(folder: Path, name: str) -> _Found:
    try:
        entries = sorted(folder.iterdir())
    except PermissionError:
        raise InputError(f"{name}: no permission to read this folder.") from None
    if len(entries) > MAX_FILES:
        raise Refused(f"{name}: contains more than {MAX_FILES} files.")
    return _sorted_out([e for e in entries if not is_hidden(e.name)])

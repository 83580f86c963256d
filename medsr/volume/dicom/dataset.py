"""Opens one DICOM file safely; every fault becomes a sentence.

A file is DICOM when "DICM" stands at byte 128 (PS3.10 section 7.1). Some archives drop that
preamble; such a file is taken when it begins like a data set (group 0002 or 0008) and then says
that it is an image. Nothing else is parsed, so photographs, texts and programs cost one read.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, BinaryIO, TypeVar

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

from medsr.errors import InputError, MedsrError, Refused

__all__ = [
    "DICOM_SUFFIXES",
    "START_BYTES",
    "begins_like_dicom",
    "check_regular",
    "guard",
    "is_dicom",
    "looks_like_dicom",
    "open_dataset",
    "parse_header",
    "parse_quietly",
]

#: The preamble and its four letters.
START_BYTES = 132


#: Endings under which a file is surely meant to be DICOM.
DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}


#: A deflated data set that unpacks to more than this is refused (2048 slices of 512 x 512).
MAX_INFLATED_BYTES = 1024**3


#: So is one that unpacks to more than the first of these and the second times its own size.
INFLATED_BYTES, MAX_INFLATION = 1 << 26, 200


#: Elements of a header, those within sequences apart; the largest have about a thousand.
MAX_ELEMENTS = 20_000


#: Elements of the meta group and of a command set, which belongs into messages; a file has ten.
MAX_OPENING = 256


#: Value representations with a length of four bytes (PS3.5 7.1.2).
LONG_KINDS = (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"OV", b"UC", b"UR")


#: Pixels as whole numbers, and as numbers of single and double precision.
PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)


DEFLATED = b"1.2.840.10008.1.2.1.99"


T = TypeVar("T")


@contextmanager
def parse_quietly() -> Iterator[None]:
    """Keep pydicom's remarks on odd headers, and the header values in them, off the screen.

    Enter it in the main thread, around a pool: the warning filters belong to the process.
    """
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def begins_like_dicom(start: bytes) -> bool:
    """Whether the first START_BYTES of a file are a preamble, or a data set without one."""
    return start[128:132] == b"DICM" or _starts_like_dataset(start)


def looks_like_dicom(path: Path) -> bool:
    """Whether a file starts like DICOM, with or without the preamble.

    Raises:
        InputError: no permission, unreadable, or a file with a DICOM name but other contents.
    """
    return is_dicom(path, guard(path, lambda: _read_start(path)))


def is_dicom(path: Path, start: bytes) -> bool:
    """Whether a file that starts so is DICOM.

    Raises:
        InputError: it has a DICOM name but other contents.
    """
    if begins_like_dicom(start):
        return True
    if path.suffix.lower() in DICOM_SUFFIXES:
        fault = "has a DICOM file name but other contents" if start else "is empty"
        raise InputError(f"{path.name}: {fault}; it is damaged or truncated. Copy it again.")
    return False


def open_dataset(path: Path, tags: list[Any] | None = None, *, pixels: bool = False) -> Dataset:
    """Parse one file.

    Args:
        path: a file that looks like DICOM.
        tags: keywords or tags of the attributes wanted; None for all.
        pixels: whether to read the pixel data too.

    Raises:
        InputError: missing, no permission, or damaged.
    """
    return guard(path, lambda: _parse(path, tags, pixels))


def parse_header(path: Path, content: bytes) -> Dataset:
    """Parse the bytes of a file up to its pixels.

    Raises:
        InputError: damaged.
    """
    return guard(
        path, lambda: pydicom.dcmread(BytesIO(content), stop_before_pixels=True, force=True)
    )


def _parse(path: Path, tags: list[Any] | None, pixels: bool) -> Dataset:
    check_regular(path)
    _check_inflated(path)
    wanted = [Tag(tag) for tag in tags] if tags else None
    with path.open("rb") as stream:
        _check_opening(stream, path.name)
        return read_partial(stream, _counted(path, pixels), force=True, specific_tags=wanted)


def _check_opening(stream: BinaryIO, name: str) -> None:
    """Refuse an endless meta group or command set, which the parser reads before all else."""
    start = 132 if stream.read(132)[128:] == b"DICM" else 0
    for _ in range(MAX_OPENING):
        stream.seek(start)
        head = stream.read(12)
        group = int.from_bytes(head[:2], "little")
        if len(head) < 12 or group not in (0, 2):
            break
        short = group == 2 and head[4:6] not in LONG_KINDS
        at = 8 if group == 2 and not short else 6 if short else 4
        end = 8 if short else at + 4
        start += end + int.from_bytes(head[at:end], "little")
    else:
        raise InputError(
            f"{name}: begins with more than {MAX_OPENING} elements of file meta information, more "
            "than any real file; it is damaged. Copy or export it again."
        )
    stream.seek(0)


def _counted(path: Path, pixels: bool) -> Callable[[BaseTag, str | None, int], bool]:
    """When the parser stops: before the pixels, unless they are wanted.

    Raises, once called more often than a header has elements: a file of zeros is a header of
    millions of empty elements, which the parser would take minutes for.
    """
    count = 0

    def stop(tag: BaseTag, _: str | None, __: int) -> bool:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS:
            raise InputError(
                f"{path.name}: its header has more than {MAX_ELEMENTS} elements, more "
                "than any real file; the file is damaged. Copy or export it again."
            )
        return not pixels and tag in PIXEL_TAGS

    return stop


def check_regular(path: Path) -> None:
    """Refuse a pipe, socket or device, on which opening or reading would wait for ever."""
    mode = path.stat().st_mode
    if not S_ISREG(mode) and not S_ISDIR(mode):
        raise InputError(f"{path.name}: is a pipe, socket or device, not a file.")


def _read_start(path: Path) -> bytes:
    check_regular(path)
    with path.open("rb") as stream:
        return stream.read(START_BYTES)


def _starts_like_dataset(start: bytes) -> bool:
    """Group 0002 or 0008 and a small element number, in either byte order."""
    if len(start) < START_BYTES:
        return False
    little, big = struct.unpack("<HH", start[:4]), struct.unpack(">HH", start[:4])
    return any(group in (0x0002, 0x0008) and element <= 0x60 for group, element in (little, big))


def _check_inflated(path: Path) -> None:
    """Stop a deflated data set that would unpack without bound."""
    with path.open("rb") as stream:
        if DEFLATED not in stream.read(2048):
            return
        limit = max(INFLATED_BYTES, MAX_INFLATION * path.stat().st_size)
        limit = min(limit, MAX_INFLATED_BYTES)
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        stream.seek(132)
        length_element = stream.read(12)
        if length_element[:4] != b"\x02\x00\x00\x00":
            return
        stream.seek(144 + struct.unpack("<I", length_element[8:])[0])
        while (block := stream.read(1 << 20)) and total <= limit:
            while block and total <= limit:
                total += len(inflater.decompress(block, 1 << 24))
                block = inflater.unconsumed_tail
    if total > limit:
        raise Refused(
            f"{path.name}: unpacks to more than {limit >> 20} MiB, which is not plausible "
            "for one file. Export it again without compression."
        )


def guard(path: Path, work: Callable[[], T]) -> T:
    """Do something with a file; whatever fails becomes a sentence that names the file.

    Raises:
        InputError: missing, no permission, or damaged.
    """
    try:
        return work()
    except MedsrError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path.name}: there is no such file.") from None
    except PermissionError:
        raise InputError(f"{path.name}: no permission to read this file.") from None
    except Exception:  # on damaged bytes pydicom raises whatever it met first
        raise InputError(
            f"{path.name}: cannot be read as DICOM; it is damaged or truncated. Copy or "
            "export it again."
        ) from None

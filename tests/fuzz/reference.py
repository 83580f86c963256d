"""Second opinions: a NIfTI file by its own few lines, DICOM files by pydicom."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from medsr.errors import MedsrError
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.fast_header import read_fast_header
from medsr.volume.dicom.read.header import TAG_NUMBERS, read_header
from medsr.volume.dicom.read.raw_pixels import raw_pixels_of, stored_values
from medsr.volume.volume import Volume
from tests.fuzz.oracle import Wrong

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
         1024: "i8", 1280: "u8"}  # fmt: skip

#: Values that medsr may put in the place of padding, or raise air to.
AIR_HU = -1024.0


def check_nifti(path: Path, volume: Volume) -> None:
    """The voxels that a file holds, by nifti1.h and nifti2.h, are those that were read.

    Raises:
        Wrong: they are not.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as fault:
            raise Wrong("damaged gzip taken", repr(fault)) from None
    two = content[:4] in (b"\x1c\2\0\0", b"\0\0\2\x1c")
    sides_at = 16 if two else 40
    little = 1 <= int.from_bytes(content[sides_at : sides_at + 2], "little") <= 7
    order = "<" if little else ">"
    if two:
        (datatype,) = struct.unpack_from(order + "h", content, 12)
        shape = struct.unpack_from(order + "8q", content, 16)
        (offset,) = struct.unpack_from(order + "q", content, 168)
        slope, inter = struct.unpack_from(order + "2d", content, 176)
    else:
        (datatype,) = struct.unpack_from(order + "h", content, 70)
        shape = struct.unpack_from(order + "8h", content, 40)
        offset = int(struct.unpack_from(order + "f", content, 108)[0])
        slope, inter = struct.unpack_from(order + "2f", content, 112)
    if datatype not in TYPES:
        return  # 128 bits, which only some machines know
    sides = shape[1 : shape[0] + 1]
    if any(n != 1 for n in sides[3:]) or tuple(sides[:3]) != volume.shape:
        raise Wrong("another shape", f"{shape} read as {volume.shape}")
    stored = np.frombuffer(content, order + TYPES[datatype], int(np.prod(sides)), offset)
    if not np.isfinite(slope) or slope == 0:
        slope, inter = 1.0, 0.0
    expected = stored.astype(np.float64) * slope + (inter if np.isfinite(inter) else 0.0)
    expected = expected.reshape(volume.shape, order="F")
    _same_values(expected, volume)


def _same_values(expected: np.ndarray, volume: Volume) -> None:
    found = volume.voxels.astype(np.float64)
    room = 1e-5 * max(float(np.abs(expected).max()), 1e-30)
    odd = np.abs(found - expected) > room
    if volume.unit == "HU":
        odd &= found != AIR_HU  # air and padding
    if found.max() > expected.max() + room or (
        found.min() < expected.min() - room and volume.unit != "HU"
    ):
        raise Wrong("outside the stored range", f"{found.min()} {found.max()}")
    if odd.mean() > 0.5:  # padding apart
        raise Wrong("other voxels", f"{odd.sum()} of {odd.size}")


Opinions = dict[Path, "pydicom.FileDataset | None"]


def opinions(path: Path) -> Opinions:
    """Every file of a series that is not hidden, as pydicom reads it; None where it does not."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    seen = (file for file in files if file.is_file() and not file.name.startswith("."))
    return {file: _opinion(file) for file in seen}


def _opinion(file: Path) -> pydicom.FileDataset | None:
    try:
        return pydicom.dcmread(file, force=True)
    except Exception:  # pydicom raises whatever it meets
        return None


def check_series(found: Opinions, volume: Volume) -> None:
    """A series that was read agrees with what pydicom reads of its files.

    Raises:
        Wrong: its slices should not be together, or its values are not those of the files.
    """
    datasets = [dataset for dataset in found.values() if dataset is not None]
    if len(found) < 2 or len(datasets) < len(found) or any("PixelData" not in d for d in datasets):
        return  # an enhanced file, or no second opinion
    if any("PerFrameFunctionalGroupsSequence" in dataset for dataset in datasets):
        return  # enhanced files, one of them twice: their frames say how they are scaled
    if len({_words(dataset, "SeriesInstanceUID") for dataset in datasets}) > 1:
        return  # files of other series lie beside
    if len({_words(dataset, "FrameOfReferenceUID") for dataset in datasets} - {""}) > 1:
        raise Wrong("two frames of reference", "")
    for dataset in datasets:
        for keyword in ("RescaleSlope", "RescaleIntercept"):
            if not _is_binary(dataset, keyword) and not _is_number(_words(dataset, keyword)):
                raise Wrong("unreadable scale taken", f"{keyword} {_words(dataset, keyword)!r}")
        if {"P", "PHASE", "PHASE MAP"} & set(_words(dataset, "ImageType").upper().split("\\")):
            raise Wrong("a phase image taken", _words(dataset, "ImageType"))
    _check_range(datasets, volume)


def _words(dataset: Dataset, keyword: str) -> str:
    """The text of an element as it is written."""
    element = dataset.get_item(keyword)
    if element is None or element.value is None or element.VR == "SQ":
        return ""
    value = element.value
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(" \0")
    return "\\".join(map(str, value)) if isinstance(value, list | MultiValue) else str(value)


def _is_binary(dataset: Dataset, keyword: str) -> bool:
    """Whether an element says that its bytes are a number, not its digits."""
    element = dataset.get_item(keyword)
    return element is not None and element.VR in ("SS", "US", "SL", "UL", "FL", "FD", "SV", "UV")


def _is_number(words: str) -> bool:
    try:
        return not words or bool(np.isfinite(float(words)))
    except ValueError:
        return False


def _check_range(datasets: list[pydicom.FileDataset], volume: Volume) -> None:
    low, high = [], []
    for dataset in datasets:
        try:
            if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
                return
            pixels = dataset.pixel_array
            if dataset.HighBit != dataset.BitsStored - 1:
                return  # pydicom takes the lowest bits, whatever HighBit says
            slope = float(dataset.get("RescaleSlope", 1) or 1)
            inter = float(dataset.get("RescaleIntercept", 0) or 0)
        except Exception:  # pydicom does not load it: no second opinion
            return
        ends = float(pixels.min()) * slope + inter, float(pixels.max()) * slope + inter
        low.append(min(ends))
        high.append(max(ends))
    room = 1e-4 * max(abs(min(low)), abs(max(high)), 1)
    if volume.unit == "HU":  # what is thinner than air, and padding, is air
        low, high = [*low, AIR_HU], [*high, AIR_HU]
    if volume.voxels.min() < min(low) - room or volume.voxels.max() > max(high) + room:
        raise Wrong(
            "outside the stored range",
            f"{volume.voxels.min()} to {volume.voxels.max()}, stored {min(low)} to {max(high)}",
        )


def check_fast_road(found: Opinions) -> None:
    """Where the fast header or the raw pixels answer, pydicom says the same.

    Raises:
        Wrong: it says something else.
    """
    with parse_quietly():
        for file, full in found.items():
            if full is not None:
                _check_raw_pixels(file, full)  # first: the header's check converts elements
                _check_fast_header(file, full)


def _check_fast_header(path: Path, full: pydicom.FileDataset) -> None:
    fast = read_fast_header(path, TAG_NUMBERS)
    if fast is None or not _differing(fast.dataset, full):
        return
    before_pixels = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    again = read_fast_header(path, TAG_NUMBERS)  # the comparison has converted its elements
    words = again and _differing(again.dataset, before_pixels)  # what stands behind is not sought
    if words:
        raise Wrong("fast header", words)


def _differing(fast: Dataset, full: Dataset) -> str:
    for tag in TAG_NUMBERS:
        slow, quick = full.get_item(tag), _like(fast, tag, full)
        if (slow is None) != (quick is None):
            return f"{tag:08x}: pydicom {slow!r:.90}, fast {quick!r:.90}"
        if slow is not None and _plain(slow) != _plain(quick):
            return f"{tag:08x}: {slow.value!r:.90}, fast {quick.value!r:.90}"
    return ""


def _like(header: Dataset, tag: int, full: Dataset) -> object:
    """An element, converted where the full parser has converted its own."""
    if tag in header and isinstance(full.get_item(tag), DataElement):
        return header[tag]
    return header.get_item(tag)


def _plain(element: object) -> object:
    """The bytes of an element as it stands in the file, or what it was converted to."""
    if isinstance(element, RawDataElement):
        return element.value or b""
    return str(element.value)


def _check_raw_pixels(path: Path, full: pydicom.FileDataset) -> None:
    try:
        head = read_header(path)
    except MedsrError:
        return
    raw = None if head is None else raw_pixels_of(head, 0)
    if head is None or raw is None or head.shape is None:
        return
    if raw.above != 16 - raw.bits:
        return  # pydicom takes the lowest bits, whatever HighBit says
    found = stored_values(path.read_bytes(), raw, head.shape)
    if found is None:
        return
    try:
        expected = full.pixel_array
    except Exception:  # pydicom does not load it: no second opinion
        return
    if expected.ndim == 3:
        expected = expected[0]
    expected = (expected.astype(found.dtype) << raw.above) >> (16 - raw.bits)
    if found.shape != expected.shape or not np.array_equal(found, expected):
        raise Wrong("raw pixels", f"differ from pydicom's: {found.shape} {expected.shape}")

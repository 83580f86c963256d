"""Checks how stored numbers are laid out, and the size of the pixel data.

PS3.5 8.1.1: a pixel cell of BitsAllocated bits holds a number of BitsStored bits whose highest
lies at HighBit; the others may hold an overlay or nothing.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import open_dataset
from medsr.volume.dicom.read.header import FileHeader
from medsr.volume.dicom.read.raw_pixels import raw_pixels_of
from medsr.volume.dicom.values import number, raw_bytes, text

__all__ = ["REAL_PIXELS", "check_cells", "check_whole_numbers", "padding_range"]

#: Pixels that are real numbers, as a Parametric Map holds them (PS3.3 C.7.6.24, C.7.6.25).
REAL_PIXELS = ["FloatPixelData", "DoubleFloatPixelData"]

#: How PhotometricInterpretation begins where a pixel has three values or four.
SEVERAL_SAMPLES = ("RGB", "YBR", "HSV", "ARGB", "CMYK")

PADDING_VALUE, PADDING_LIMIT = 0x00280120, 0x00280121


def check_cells(file: FileHeader) -> None:
    """Refuse cells that contradict themselves, and pixel data of another size than declared.

    Raises:
        InputError: more bytes of pixels than announced, bytes that belong to nothing, or colours
            of one value.
        Refused: BitsAllocated, BitsStored, HighBit and PixelRepresentation contradict each other,
            or place values where medsr does not read them; the pixels are real numbers.
    """
    name, dataset = file.path.name, file.dataset
    if file.fast.length is None:  # else the quick header has seen that there are none
        check_whole_numbers(open_dataset(file.path, [*REAL_PIXELS], pixels=True), name)
    allocated, stored = number(dataset, "BitsAllocated"), number(dataset, "BitsStored")
    high, sign = number(dataset, "HighBit"), number(dataset, "PixelRepresentation")
    if allocated is not None and stored is not None:
        if not 1 <= stored <= allocated or (
            high is not None and not stored <= high + 1 <= allocated
        ):
            raise Refused(
                f"{name}: BitsAllocated, BitsStored and HighBit contradict each other, so its "
                "stored numbers cannot be read. Export the scan again."
            )
        if high is not None and high + 1 != stored and raw_pixels_of(file, 0) is None:
            raise Refused(
                f"{name}: keeps its values in the upper bits (HighBit {high:.0f} of "
                f"{allocated:.0f}), which medsr supports only for uncompressed 16-bit "
                "pixels. Export the scan again without compression."
            )
    if sign not in (None, 0, 1):
        raise Refused(f"{name}: PixelRepresentation is neither 0 nor 1. Export the scan again.")
    _check_samples(dataset, name)
    _check_length(file, allocated)


def check_whole_numbers(dataset: Dataset, name: str) -> None:
    """Refuse pixels that are real numbers.

    Args:
        dataset: read to its end.
        name: of the file.

    Raises:
        Refused: they are.
    """
    if any(keyword in dataset for keyword in REAL_PIXELS):
        raise Refused(
            f"{name}: holds its pixels as real numbers (FloatPixelData), as a parametric map "
            "does; medsr reads whole numbers only. Give the original MR or CT scan."
        )


def _check_samples(dataset: Dataset, name: str) -> None:
    shown = text(dataset, "PhotometricInterpretation").upper()
    if shown.startswith(SEVERAL_SAMPLES) and number(dataset, "SamplesPerPixel") == 1:
        raise InputError(
            f"{name}: says that its pixels are colours (PhotometricInterpretation) and that each "
            "has one value, so its header is damaged. Copy or export it again."
        )


def _check_length(file: FileHeader, allocated: float | None) -> None:
    position, shape = file.fast.pixels, file.shape
    if position is None or shape is None or allocated is None or allocated % 8:
        return
    samples = number(file.dataset, "SamplesPerPixel") or 1
    announced = int(shape[0] * shape[1] * file.frames * samples * allocated) // 8
    if position.length > announced + announced % 2:
        raise InputError(
            f"{file.path.name}: contains {position.length} bytes of pixels where its "
            f"header declares {announced}, so the file or its header is damaged. Copy or "
            "export it again."
        )
    if file.fast.stray:
        raise InputError(
            f"{file.path.name}: {file.fast.stray} bytes follow the pixels, which the "
            "header does not account for. Copy or export it again."
        )


def padding_range(dataset: Dataset) -> tuple[float, float | None] | None:
    """PixelPaddingValue and PixelPaddingRangeLimit as stored numbers; None without the first."""
    value = _stored(dataset, PADDING_VALUE, "PixelPaddingValue")
    if value is None:
        return None
    return value, _stored(dataset, PADDING_LIMIT, "PixelPaddingRangeLimit")


def _stored(dataset: Dataset, tag: int, keyword: str) -> float | None:
    """A stored number, whose sign PixelRepresentation tells, whatever its VR says.

    Makers write 63536 (US) for -2000 of signed pixels.
    """
    written = raw_bytes(dataset, tag)
    little = getattr(dataset.get_item(tag), "is_little_endian", True)
    if len(written) == 2:
        value: float | None = int.from_bytes(written, "little" if little else "big")
    else:
        value = number(dataset, keyword)
    if value is None or not float(value).is_integer():
        return value
    cells = 1 << int(number(dataset, "BitsAllocated") or 16)
    signed = number(dataset, "PixelRepresentation") == 1
    value = value % cells
    return value - cells if signed and value >= cells // 2 else value

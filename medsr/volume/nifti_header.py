"""Parses and checks a NIfTI header. No file is opened here.

Field by field after nifti1.h and nifti2.h; the classes of nibabel hold the fields. What a header
gets wrong in a way that changes no voxel and no place is repaired and remarked, as nibabel does;
all else is refused.
"""

from __future__ import annotations

import io
import math
from typing import Any

import nibabel
import numpy as np

from medsr.errors import InputError, Refused, SeveralVolumes
from medsr.volume.anatomy import Kind
from medsr.volume.missing import points_elsewhere

__all__ = [
    "check_content",
    "kind_of_intent",
    "parse_header",
    "shape_of",
    "slope_and_intercept",
    "voxel_bytes",
]

#: Field values of nifti1.h: complex, colour, 128-bit and single-bit data types.
_COMPLEX, _COLOUR, _LONG_FLOAT, _BITS = {32, 1792, 2048}, {128, 2304}, {1536}, {1}

#: Real numbers of 8 to 64 bits, which medsr reads.
_REAL = {2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280}

#: Extension code of CIFTI-2, and the intents of its files.
_CIFTI_CODE, _CIFTI_INTENTS = 32, range(3000, 3100)

#: A slope or an intercept beyond these is no scanner's.
_LARGEST, _SMALLEST = 1e12, 1e-15

#: Where the voxels start when the header says 0.
_FIRST_VOXEL = {348: 352, 540: 544}


def parse_header(first: bytes, name: str) -> Any:
    """The header of a single NIfTI file.

    Args:
        first: the beginning of the file, unpacked; longer than the header where the file is.
        name: of the file, for messages.

    Returns:
        A header of nibabel with a known data type, sound counts and a valid place of the voxels.

    Raises:
        InputError: another format, truncated, or fields that contradict each other.
    """
    size = next(
        (n for n in (348, 540) for order in ("little", "big") if first[:4] == _int(n, order)), 0
    )
    if len(first) < size:
        raise InputError(
            f"{name}: the file ends within its header; it is truncated. Copy it again."
        )
    magic = first[344:348] if size == 348 else first[4:8]
    if size == 0 or magic not in (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0"):
        raise InputError(f"{name}: {_other_format(first, size)}")
    if magic.startswith(b"ni"):
        raise InputError(
            f"{name}: is the header of a pair of files (.hdr and .img). Convert the pair to one "
            ".nii file, for example with nibabel or FSL's fslchfiletype."
        )
    family: Any = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    header = family.from_fileobj(io.BytesIO(first[:size]), check=False)
    _check_counts(header, name)
    _check_offset(header, size, name)
    _check_extensions(header, first, size, name)
    header["pixdim"][0] = -1 if header["pixdim"][0] == -1 else 1
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    return header


def _int(number: int, order: Any) -> bytes:
    return number.to_bytes(4, order)


def _other_format(first: bytes, size: int) -> str:
    """What a file without a NIfTI header is, as far as its beginning tells."""
    if not first:
        return "is empty (0 bytes). Copy or convert it again."
    if points_elsewhere(first):
        return (
            "is a pointer to a file that is not here (git-annex or Git LFS). Fetch its content "
            "first (datalad get, or git lfs pull)."
        )
    if first[128:132] == b"DICM":
        return (
            "is a DICOM file with the name of a NIfTI file. Rename it, or give the series' folder."
        )
    if size == 348:
        return (
            "is an Analyze 7.5 header, not NIfTI (it has no magic number). Convert it to "
            ".nii, and check that left and right are correct."
        )
    return (
        "cannot be read as NIfTI: it does not begin with a NIfTI header; it is damaged or "
        "another format. Copy or convert it again."
    )


def _check_counts(header: Any, name: str) -> None:
    count = int(header["dim"][0])
    dims = [int(n) for n in header["dim"][1 : 1 + max(count, 0)]]
    if not 1 <= count <= 7 or min(dims) < 1:
        raise InputError(
            f"{name}: the header declares {count} axes of {dims} voxels, which is not "
            "possible; it is damaged. Copy or convert the file again."
        )
    code, bits = int(header["datatype"]), int(header["bitpix"])
    known = _REAL | _COMPLEX | _COLOUR | _LONG_FLOAT | _BITS
    width = {1: 1, 128: 24, 2304: 32, 1536: 128}.get(code) if code in known else None
    if width is None and code in known:
        width = header.get_data_dtype().itemsize * 8
    if width is None:
        raise InputError(f"{name}: its data type ({code}) is not one of NIfTI's; it is damaged.")
    if bits != width:
        raise InputError(
            f"{name}: the header says {bits} bits per voxel, but its data type has "
            f"{width}; it is damaged. Copy or convert the file again."
        )


def _check_offset(header: Any, size: int, name: str) -> None:
    offset = float(header["vox_offset"])
    if offset == 0:
        header["vox_offset"] = _FIRST_VOXEL[size]
        return
    if not offset.is_integer() or offset < _FIRST_VOXEL[size]:
        raise InputError(
            f"{name}: the header says that the voxels start at byte {offset:g}, which is no place "
            "behind the header; it is damaged. Copy or convert the file again."
        )


def _check_extensions(header: Any, first: bytes, size: int, name: str) -> None:
    """Walk through the extensions: their sizes must end where the voxels start, or before."""
    place, end = size + 4, int(header["vox_offset"])
    if len(first) < place or first[size] == 0:
        return
    order: Any = "little" if header.endianness == "<" else "big"
    while place + 8 <= min(end, len(first)):
        length = int.from_bytes(first[place : place + 4], order, signed=True)
        code = int.from_bytes(first[place + 4 : place + 8], order)
        if length == 0 and not any(first[place:end]):
            return  # zeros up to the voxels
        if length < 8 or place + length > end:
            raise InputError(
                f"{name}: a header extension of {length} bytes does not fit before the voxels; "
                "the header is damaged. Copy or convert the file again."
            )
        if code == _CIFTI_CODE:
            raise Refused(_cifti_words(name))
        place += length


def _cifti_words(name: str) -> str:
    return (
        f"{name}: is a CIFTI file (values on a surface and in grey matter, not a volume). Give "
        "the anatomical scan."
    )


def check_content(header: Any, name: str) -> None:
    """Refuse what is not one real number a voxel in one volume.

    Raises:
        SeveralVolumes: it is 4-D.
        Refused: complex, colour, vectors, CIFTI.
        InputError: a slope or an intercept that cannot be.
    """
    if int(header["intent_code"]) in _CIFTI_INTENTS:
        raise Refused(_cifti_words(name))
    code = int(header["datatype"])
    if code in _COLOUR:
        raise Refused(f"{name}: is a colour image; medsr needs one value per voxel.")
    if code in _COMPLEX:
        raise Refused(f"{name}: contains complex numbers. Give the magnitude image.")
    if code not in _REAL:
        raise Refused(
            f"{name}: contains {'128-bit' if code in _LONG_FLOAT else 'single-bit'} "
            "numbers, which medsr does not support. Convert it to 32-bit floating point."
        )
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) > 3 and math.prod(shape[3:]) > 1:
        raise SeveralVolumes(
            f"{name}: has {len(shape)} axes (shape {shape}); medsr enhances one 3-D "
            "volume. Split a 4-D series into single volumes first."
        )
    slope_and_intercept(header, name)


def slope_and_intercept(header: Any, name: str) -> tuple[float, float]:
    """scl_slope and scl_inter; a slope of 0 or NaN means that there is none.

    Raises:
        InputError: they are infinite, or beyond all that a scanner writes.
    """
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (_SMALLEST <= abs(slope) <= _LARGEST and abs(intercept) <= _LARGEST):
        raise InputError(
            f"{name}: the header scales the voxels by {slope:g} and adds {intercept:g}, "
            "which is not plausible; it is damaged. Convert the scan again."
        )
    return slope, intercept


def shape_of(header: Any) -> tuple[int, ...]:
    """The axes of a volume; those of one voxel after the third are left out."""
    shape = [int(n) for n in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    return tuple(shape)


def voxel_bytes(header: Any) -> int:
    """The number of bytes of voxels that a header declares."""
    dims = [int(n) for n in header["dim"][1 : 1 + int(header["dim"][0])]]
    return math.prod(dims) * int(header["bitpix"]) // 8


def kind_of_intent(header: Any) -> Kind | None:
    """What intent_code says (nifti1.h); None for anatomy, and for codes that say nothing."""
    code = int(header["intent_code"])
    if code in (1002, 1003):  # labels, and names of structures
        return Kind.LABELS
    if code in (*range(1004, 1011), *range(2006, 2010), *range(2016, 2019)):
        return Kind.VECTORS
    return Kind.STATISTIC if 2 <= code <= 24 else None

"""NIfTI files (and sidecars) that lie, one field, one byte or one container at a time."""

import bz2
import gzip
import lzma
import os
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from random import Random

import nibabel
import numpy as np

from tests.fuzz.case import SECRET, Case, cut, put
from tests.fuzz.mutate_text import sidecar

#: Field -> offset, struct code, how many; NIfTI-1 and NIfTI-2 (nifti1.h, nifti2.h).
FIELDS_1 = {
    "sizeof_hdr": (0, "i", 1), "extents": (32, "i", 1), "regular": (38, "b", 1),
    "dim_info": (39, "B", 1), "dim": (40, "h", 8), "intent_p": (56, "f", 3),
    "intent_code": (68, "h", 1), "datatype": (70, "h", 1), "bitpix": (72, "h", 1),
    "slice_start": (74, "h", 1), "pixdim": (76, "f", 8), "vox_offset": (108, "f", 1),
    "scl_slope": (112, "f", 1), "scl_inter": (116, "f", 1), "slice_end": (120, "h", 1),
    "slice_code": (122, "b", 1), "xyzt_units": (123, "B", 1), "cal_max": (124, "f", 2),
    "slice_duration": (132, "f", 1), "toffset": (136, "f", 1), "qform_code": (252, "h", 1),
    "sform_code": (254, "h", 1), "quatern": (256, "f", 3), "qoffset": (268, "f", 3),
    "srow": (280, "f", 12), "magic": (344, "B", 4), "extension": (348, "B", 4),
}  # fmt: skip
FIELDS_2 = {
    "sizeof_hdr": (0, "i", 1), "magic": (4, "B", 8), "datatype": (12, "h", 1),
    "bitpix": (14, "h", 1), "dim": (16, "q", 8), "intent_p": (80, "d", 3),
    "pixdim": (104, "d", 8), "vox_offset": (168, "q", 1), "scl_slope": (176, "d", 1),
    "scl_inter": (184, "d", 1), "cal_max": (192, "d", 2), "slice_duration": (208, "d", 1),
    "toffset": (216, "d", 1), "slice_start": (224, "q", 2), "qform_code": (344, "i", 1),
    "sform_code": (348, "i", 1), "quatern": (352, "d", 3), "qoffset": (376, "d", 3),
    "srow": (400, "d", 12), "slice_code": (496, "i", 1), "xyzt_units": (500, "i", 1),
    "intent_code": (504, "i", 1), "dim_info": (524, "B", 1), "extension": (540, "B", 4),
}  # fmt: skip

#: Every datatype code of nifti1.h, and some that are none.
DATATYPES = (
    0,
    1,
    2,
    4,
    8,
    16,
    32,
    64,
    128,
    256,
    512,
    768,
    1024,
    1280,
    1536,
    1792,
    2048,
    2304,
    3,
    -1,
)

#: Intents: none, statistics, label, vector, symmetric matrix, CIFTI, GIFTI, time series, RGB.
INTENTS = (
    0,
    2,
    3,
    5,
    22,
    1001,
    1002,
    1003,
    1004,
    1005,
    1007,
    1009,
    2001,
    2003,
    3000,
    3001,
    3006,
    -1,
)

FLOATS = (
    0.0, -0.0, 1.0, -1.0, 1e-30, 1e-3, 0.5, 5.0, 1000.0, 1e9, 3e38, -3e38, 1e30, 2.0**31, 352.0,
    float("nan"), float("inf"), float("-inf"), 347.0, 1e-45, 65536.0, 0.001, 25.4,
)  # fmt: skip

VOXELS = np.random.default_rng(0).integers(0, 1000, (8, 8, 4)).astype(np.float64)


@lru_cache
def base(index: int) -> tuple[bytes, bool, bool]:
    """A sound file; whether it is NIfTI-2, whether big endian."""
    two = index == 4
    dtype = [np.int16, np.float32, np.uint8, np.int16, np.int32, np.float64][index]
    header = nibabel.Nifti2Header if two else nibabel.Nifti1Header
    image_class = nibabel.Nifti2Image if two else nibabel.Nifti1Image
    affine = np.diag([-1.5, -1.5, 5, 1.0])
    affine[:3, 3] = 30, 20, -10
    voxels = VOXELS % 256 if index == 2 else VOXELS
    image = image_class(voxels.astype(dtype), affine, header())
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = f"{SECRET}^Erika"
    image.header["intent_name"] = SECRET
    if not two:
        image.header["db_name"], image.header["aux_file"] = SECRET, f"{SECRET}.txt"
    big = index == 3
    if big:
        image = nibabel.Nifti1Image(voxels.astype(">i2"), affine, image.header.as_byteswapped(">"))
    return image.to_bytes(), two, big


def make(rng: Random, folder: Path) -> Case:
    """One NIfTI file with its faults, alone or with a sidecar."""
    case = Case(folder / "scan.nii")
    content, two, big = base(rng.choice((0, 0, 0, 1, 1, 2, 3, 4, 5)))
    new = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3))):
        mutation = rng.choice(MUTATIONS)
        case.done.append(f"{mutation.__name__} {mutation(rng, new, two, big)}")
    packed = bytes(new)
    if rng.random() < 0.15:
        packed = cut(rng, packed)
        case.done.append("cut")
    if rng.random() < 0.25:
        case.path = folder / rng.choice(("scan.nii.gz", "scan.nii.gz", "scan.NII.GZ"))
        packed = _gzipped(rng, packed, case)
    elif rng.random() < 0.04:
        packed = _other_container(rng, packed, case)
    case.path.write_bytes(packed)
    if rng.random() < 0.35:
        words = sidecar(rng)
        (folder / "scan.json").write_bytes(words)
        case.done.append(f"sidecar {words[:60]!r}")
    if rng.random() < 0.01:
        _special_file(rng, case)
    return case


def _set(new: bytearray, two: bool, big: bool, name: str, place: int, value: float) -> None:
    offset, code, _ = (FIELDS_2 if two else FIELDS_1)[name]
    form = (">" if big else "<") + code
    size = struct.calcsize(form)
    if offset + size * (place + 1) > len(new):
        return
    if code in "fd":
        low = code == "f" and abs(value) > 3.4e38
        packed = struct.pack(form, float(np.float32(value)) if low else value)
    else:
        whole = 0 if value != value or abs(value) == float("inf") else int(value)
        packed = (whole & ((1 << 8 * size) - 1)).to_bytes(size, "big" if big else "little")
    new[offset + size * place : offset + size * (place + 1)] = packed


def one_field(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Any field of the header, an edge value."""
    fields = FIELDS_2 if two else FIELDS_1
    name = rng.choice(list(fields))
    _, code, count = fields[name]
    place = rng.randrange(count)
    edges = {"b": 8, "B": 8, "h": 16, "i": 32, "q": 64}
    if code in edges:
        top = 1 << edges[code]
        value = rng.choice(
            (0, 1, 2, 3, 4, 7, 8, top - 1, top // 2, top // 2 - 1, rng.randrange(top))
        )
    else:
        value = rng.choice((*FLOATS, rng.uniform(-10, 10)))
    if name == "datatype":
        value = rng.choice(DATATYPES)
    if name == "intent_code":
        value = rng.choice(INTENTS)
    _set(new, two, big, name, place, value)
    return f"{name}[{place}] {value}"


def dims(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Several dims at once: huge, negative, swapped, more axes, fewer."""
    huge = (2**15 - 1, 2**14) if not two else (2**31, 2**62, 2**20, 2**40)
    values = [rng.choice((0, 1, 2, 3, 4, 5, 7, 8, -1)) if rng.random() < 0.3 else 3]
    values += [rng.choice((8, 8, 8, 4, 1, 2, 0, -1, 16, rng.choice(huge))) for _ in range(7)]
    for place, value in enumerate(values):
        _set(new, two, big, "dim", place, value)
    return str(values)


def type_and_bits(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Datatype and bitpix, agreeing or not."""
    datatype = rng.choice(DATATYPES)
    bits = rng.choice((8, 16, 32, 64, 128, 1, 0, 24, -8, 12))
    _set(new, two, big, "datatype", 0, datatype)
    if rng.random() < 0.7:
        _set(new, two, big, "bitpix", 0, bits)
    return f"{datatype} {bits}"


def transforms(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Both forms at once: codes, rows, quaternions, offsets, handedness."""
    codes = rng.randrange(-1, 7), rng.randrange(-1, 7)
    _set(new, two, big, "qform_code", 0, codes[0])
    _set(new, two, big, "sform_code", 0, codes[1])
    for name, count in (("srow", 12), ("quatern", 3), ("qoffset", 3), ("pixdim", 8)):
        for place in range(count):
            if rng.random() < 0.2:
                _set(new, two, big, name, place, rng.choice((*FLOATS, rng.uniform(-2, 2))))
    return str(codes)


def scaling(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Slope and intercept."""
    values = rng.choice(FLOATS), rng.choice(FLOATS)
    _set(new, two, big, "scl_slope", 0, values[0])
    _set(new, two, big, "scl_inter", 0, values[1])
    return str(values)


def extension(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Header extensions (esize, ecode, content), whole or not."""
    end = 544 if two else 352
    esize = rng.choice((0, 8, 16, 32, 15, -16, -1, 2**31 - 1, 1 << 20, 48))
    ecode = rng.choice((0, 2, 4, 6, 32, 32, 44, -1, 99))
    content = rng.choice(
        (b"", b"<CIFTI Version='2'></CIFTI>", b"<", SECRET.encode(), b"\xff" * 40)
    )
    room = content.ljust(max(min(esize, 4096), 8) - 8, b"\0")
    packed = struct.pack((">" if big else "<") + "ii", esize, ecode) + room
    new[end - 4 : end] = b"\1\0\0\0"
    new[end:end] = packed
    if rng.random() < 0.8:
        _set(new, two, big, "vox_offset", 0, end + len(packed))
    if ecode == 32 and rng.random() < 0.5:
        _set(new, two, big, "intent_code", 0, rng.choice((3000, 3001, 3006)))
    return f"{esize} {ecode}"


def header_bytes(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Random bytes in the header."""
    head = new[:352]
    put(rng, head, rng.randrange(1, 9))
    new[:352] = head
    return ""


def any_bytes(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Random bytes anywhere."""
    put(rng, new, rng.randrange(1, 5))
    return ""


def voxels(rng: Random, new: bytearray, two: bool, big: bool) -> str:
    """Runs of one byte among the voxels: NaN, infinity, extremes."""
    at = rng.randrange(352, max(len(new), 353))
    run = rng.choice((b"\xff", b"\x7f", b"\x80", b"\0")) * rng.choice((4, 64, 10_000))
    new[at : at + len(run)] = run[: max(len(new) - at, 0)]
    return f"{at}"


MUTATIONS = (
    one_field, one_field, one_field, one_field, dims, type_and_bits, transforms, transforms,
    scaling, extension, header_bytes, any_bytes, voxels,
)  # fmt: skip


def _gzipped(rng: Random, content: bytes, case: Case) -> bytes:
    packed = bytearray(gzip.compress(content, 1, mtime=0))
    kind = rng.choice(
        ("sound", "sound", "bytes", "cut", "checksum", "size", "twice", "tail", "flags", "bomb")
    )
    case.done.append(f"gzip {kind}")
    if kind == "bytes":
        put(rng, packed, rng.randrange(1, 4))
    elif kind == "cut":
        return cut(rng, bytes(packed))
    elif kind == "checksum":
        packed[-8] ^= 1
    elif kind == "size":
        packed[-4:] = struct.pack("<I", rng.choice((0, 1, 2**32 - 1)))
    elif kind == "twice":
        return bytes(packed) * 2
    elif kind == "tail":
        packed += rng.choice((b"\0" * 100, b"\x1f\x8b", SECRET.encode()))
    elif kind == "flags":
        packed[3] = rng.randrange(256)
    elif kind == "bomb" and rng.random() < 0.02:
        return gzip.compress(content + bytes(64 << 20), 1)
    return bytes(packed)


def _other_container(rng: Random, content: bytes, case: Case) -> bytes:
    packers = (bz2.compress, lzma.compress, zlib.compress, gzip.compress, lambda _: b"")
    which = rng.randrange(len(packers) + 2)
    case.done.append(f"container {which}")
    if which < len(packers):
        packed = packers[which](content)
        case.path = case.path.with_name(
            rng.choice(("scan.nii", "scan.nii.gz", "scan.nii.bz2.nii"))
        )
        return packed
    if which == len(packers):
        case.path = case.path.with_name("scan.nii.gz")
        return content
    return b"\x28\xb5\x2f\xfd" + content  # Zstandard's magic number


def _special_file(rng: Random, case: Case) -> None:
    kind = rng.choice(("folder", "self", "dangling", "fifo", "locked"))
    case.done.append(kind)
    if kind == "locked":
        case.path.chmod(0)
        return
    case.path.unlink()
    if kind == "folder":
        case.path.mkdir()
    elif kind == "fifo":
        os.mkfifo(case.path)
    else:
        case.path.symlink_to(case.path.name if kind == "self" else f"{SECRET}.nii")

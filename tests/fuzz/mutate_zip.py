"""Zips that lie: tables against contents, names, flags, bombs, members within members."""

import io
import struct
import warnings
import zipfile
from pathlib import Path
from random import Random

from tests.fuzz.case import SECRET, Case, cut, put
from tests.fuzz.mutate_dicom import write_series

NAMES = (
    "../../evil.dcm", "/abs.dcm", "C:\\evil.dcm", "..\\..\\evil.dcm", "a/../b.dcm",
    "a\x1b[31m.dcm",
    "a\nb.dcm", f"{SECRET}/IMG.dcm", "x" * 300 + ".dcm", "x/" * 500 + "y.dcm", "", "/", ".", "..",
    "\u202egnp.dcm", "\u00e4.dcm", "__MACOSX/._a.dcm", "con.dcm", "a.zip", "DICOMDIR", ".dcm",
)  # fmt: skip

#: Offsets of fields: after the signature of a local header, a central entry, the end record.
LOCAL = {"version": (4, 2), "flags": (6, 2), "method": (8, 2), "date": (12, 2), "crc": (14, 4),
         "packed": (18, 4), "size": (22, 4), "name": (26, 2), "extra": (28, 2)}  # fmt: skip
CENTRAL = {"version": (6, 2), "flags": (8, 2), "method": (10, 2), "date": (14, 2), "crc": (16, 4),
           "packed": (20, 4), "size": (24, 4), "name": (28, 2), "extra": (30, 2),
           "comment": (32, 2), "disk": (34, 2), "attributes": (38, 4),
           "offset": (42, 4)}  # fmt: skip
END = {"disk": (4, 2), "central disk": (6, 2), "entries here": (8, 2), "entries": (10, 2),
       "size": (12, 4), "offset": (16, 4), "comment": (20, 2)}  # fmt: skip
RECORDS = ((b"PK\3\4", LOCAL), (b"PK\1\2", CENTRAL), (b"PK\1\2", CENTRAL), (b"PK\5\6", END))

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
           zipfile.ZIP_LZMA)  # fmt: skip


def make(rng: Random, folder: Path) -> Case:
    """One zip of a series."""
    case = Case(folder / "series")
    case.path.mkdir()
    series = _Sound() if rng.random() < 0.7 else rng
    write_series(series, case)
    content = bytearray(_packed(rng, case))
    for path in case.path.iterdir():
        path.unlink()
    case.path.rmdir()
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        case.done.append(_lie(rng, content))
    whole = bytes(content)
    if rng.random() < 0.15:
        whole = cut(rng, whole)
        case.done.append("cut")
    if rng.random() < 0.1:
        put(rng, content, rng.randrange(1, 5))
        case.done.append("bytes")
        whole = bytes(content)
    if rng.random() < 0.03:
        whole = rng.choice((b"MZ" + bytes(500), SECRET.encode() * 100)) + whole
    case.path = folder / rng.choice(("scan.zip", "scan.zip", "scan.ZIP"))
    case.path.write_bytes(whole)
    return case


#: When every member was written.
MOMENT = (2020, 1, 2, 3, 4, 6)


class _Sound(Random):
    """Random numbers under which a series is left as it is: always the first choice."""

    def random(self) -> float:
        return 0.999

    def choice(self, seq):
        return seq[0]


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """A member with a fixed time, so that a seed gives the same bytes."""
    info = zipfile.ZipInfo(name, MOMENT)
    info.compress_type = archive.compression
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the name stands there twice
        archive.writestr(info, content)


def _packed(rng: Random, case: Case) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", rng.choice(METHODS), compresslevel=1) as archive:
        files = [path for path in sorted(case.path.iterdir()) if path.is_file()]
        for path in files:
            _put(archive, _name(rng, f"{SECRET}/{path.name}", case), path.read_bytes())
        kind = rng.random()
        if kind < 0.08 and files:
            case.done.append("twice")
            _put(archive, f"{SECRET}/IMG0000.dcm", files[-1].read_bytes())
        elif kind < 0.12:
            case.done.append("zip in zip")
            _put(archive, "inner.zip", _zip_of_zeros(1 << 16))
        elif kind < 0.13:
            case.done.append("bomb")
            _put(archive, "bomb.dcm", bytes(128) + b"DICM" + bytes(32 << 20))
        elif kind < 0.16:
            case.done.append("many")
            for k in range(rng.choice((50, 500))):
                _put(archive, f"{k}.txt", b"")
        elif kind < 0.2:
            link = zipfile.ZipInfo("link.dcm", MOMENT)
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
            case.done.append("link")
        elif kind < 0.22:
            archive.comment = rng.choice((SECRET.encode(), b"\xff" * 1000, b"PK\5\6" + bytes(18)))
    return memory.getvalue()


def _name(rng: Random, name: str, case: Case) -> str:
    if rng.random() > 0.04:
        return name.encode("utf-8", "replace").decode()
    new = rng.choice(NAMES)
    case.done.append(f"name {new[:30]!r}")
    return new or "x"


def _zip_of_zeros(size: int) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "zeros.dcm", bytes(size))
    return memory.getvalue()


def _lie(rng: Random, content: bytearray) -> str:
    """One field of one record, or the bytes of a name, or a member's content."""
    signature, fields = rng.choice(RECORDS)
    places = _places(content, signature)
    if not places:
        return "nothing"
    place, name = rng.choice(places), rng.choice(list(fields))
    at, size = fields[name]
    if signature != b"PK\5\6" and rng.random() < 0.15:
        start = place + (30 if signature == b"PK\3\4" else 46)
        new = rng.choice((b"\xff\xfe", b"../", b"\0", b"/", b"\x1b[3", b"\n"))
        content[start : start + len(new)] = new
        return f"{signature!r} name bytes {new!r}"
    top = 1 << 8 * size
    old = int.from_bytes(content[place + at : place + at + size], "little")
    bit = 1 << rng.randrange(8 * size)
    new = (
        rng.choice((0, 1, 8, 9, 12, 14, 93, 99, top - 1, top // 2, old + 1, old - 1, old ^ bit))
        % top
    )
    content[place + at : place + at + size] = struct.pack("<I", new)[:size]
    return f"{signature!r} {name} {new}"


def _places(content: bytearray, signature: bytes) -> list[int]:
    places, at = [], content.find(signature)
    while at >= 0 and at + 50 < len(content) + 30:
        places.append(at)
        at = content.find(signature, at + 4)
    return places

"""DICOM series that lie: elements, encodings, pixels, slices that disagree."""

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from random import Random

from tests.fuzz.case import SECRET, Case, cut, put
from tests.fuzz.dicom_base import classic, compressed, enhanced
from tests.fuzz.dicom_bytes import BIG, DEFLATED, EXPLICIT, IMPLICIT, Element, encode, short, text

DataSet = list[Element]

#: Numbers written in words.
NUMBERS = (
    "", " ", "0", "-0", "1", "-1", "2.5", "2,5", "1e3", "1E+38", "1e300", "-1e300", "1e999", "NaN",
    "inf", "-inf", "1\\2", "1\\2\\3", "\\", "\\\\\\\\", "1.0.0", "0x10", "1_0", " 5 ", "5\0", "+5",
    "99999999999999999999", "9" * 400, "5 mm", "1/2", "abc", "\t5", "5\n", "1e-320", "-5", "1e9",
    "0.0000001", "1,0\\1,0", "2\\2\\2\\2\\2\\2\\2", SECRET, "\x1b[31m5", "1e33", "-1024",
)  # fmt: skip

#: Names, dates and UIDs that are none.
WORDS = (
    "", "\x1b[31mred", "1.2\x003", "1.2\n3.4", f"{SECRET}^Erika", "..", "/etc/passwd", "x" * 70,
    "x" * 5000, "\\", "a\\b\\c", "\xe4\xf6\xfc", "\xff\xfe", "1.2.3", "1..2", "1.02", "CT", "MR",
    "PT", "SEG", "OT", "DERIVED\\SECONDARY", "ORIGINAL\\PRIMARY\\P",
    "ORIGINAL\\PRIMARY\\LOCALIZER",
    "ORIGINAL\\PRIMARY\\MOSAIC", "MONOCHROME1", "RGB", "PALETTE COLOR", "YBR_FULL",
    "\\ISO 2022 IR 87",
    "ISO_IR 192", "GB18030", "ISO_IR 999", "HU", "US", "ADC", "00000000", "99999999", "*", "?",
    "=x",
)  # fmt: skip

VRS = (
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL",
    "OV", "OW", "PN", "SH", "SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US",
    "UT", "UV", "XX", "??", "\0\0", "aa",
)  # fmt: skip

SYNTAXES = (
    IMPLICIT, EXPLICIT, BIG, DEFLATED, "", "1.2.3", "1.2.840.10008.1.2.5", SECRET,
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.201", "\x1b[31m",
)  # fmt: skip

COUNTS = (0, 1, 2, 7, 8, 9, 10, 11, 12, 15, 16, 17, 32, 64, 255, 256, 32767, 32768, 65535)

#: Elements that place, scale or sort an image; spoiled more often than others.
WEIGHTY = (
    0x00080008, 0x00080016, 0x00080018, 0x00080060, 0x00180050, 0x00180088, 0x0020000E, 0x00200012,
    0x00200013, 0x00200032, 0x00200037, 0x00200052, 0x00280002, 0x00280004, 0x00280008, 0x00280010,
    0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00281052, 0x00281053,
    0x00281054, 0x7FE00010,
)  # fmt: skip

#: The share of series whose compressed pixels are damaged: decoding them is slow.
CODEC_SHARE = 0.005


@lru_cache
def _base(which: int) -> tuple[DataSet, ...]:
    return (*classic(("MR", "CT")[which]),) if which < 2 else (enhanced(),)


def make(rng: Random, folder: Path) -> Case:
    """One series with its faults, in a folder."""
    case = Case(folder / "series")
    case.path.mkdir()
    write_series(rng, case)
    if rng.random() < 0.1:
        case.path = rng.choice([*case.path.iterdir(), case.path])
    return case


def write_series(rng: Random, case: Case) -> None:
    """Write the files of one spoiled series into the folder of a case."""
    series = [[e.copy() for e in one] for one in _base(rng.choice((0, 0, 0, 1, 1, 2)))]
    syntax = rng.choice((*[EXPLICIT] * 5, IMPLICIT, IMPLICIT, BIG, DEFLATED))
    if rng.random() < CODEC_SHARE and len(series) > 1:
        syntax = _compress(rng, series, case)
    every = rng.random() < 0.4  # the whole series, or one slice that disagrees
    spoiled = range(len(series)) if every else [rng.randrange(len(series))]
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3))):
        mutation, state = rng.choice(MUTATIONS), rng.getstate()
        for k in spoiled:
            rng.setstate(state)
            words = mutation(rng, series[k])
        case.done.append(f"{mutation.__name__} {words} in {'all' if every else 'one'}")
    said = rng.choice(SYNTAXES) if rng.random() < 0.06 else syntax
    with _deeply():
        files = [_file(one, syntax, said, k) for k, one in enumerate(series)]
    if said != syntax:
        case.done.append(f"says {said!r}, is {syntax}")
    if rng.random() < 0.15:
        k = rng.randrange(len(files))
        case.done.append(f"bytes of {k}")
        files[k] = _damaged(rng, files[k])
    _write(rng, files, case)


@contextmanager
def _deeply() -> Iterator[None]:
    """Allow for sequences 2000 deep while they are written, not while they are read."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _file(elements: DataSet, syntax: str, said: str, k: int) -> bytes:
    implicit, big = syntax == IMPLICIT, syntax == BIG
    body = encode(elements, implicit, big)
    if syntax == DEFLATED:
        squeeze = zlib.compressobj(1, zlib.DEFLATED, -15)
        body = squeeze.compress(body) + squeeze.flush()
        body += b"\0" * (len(body) % 2)
    meta = encode(
        [
            Element(0x00020001, "OB", b"\0\1"),
            text(0x00020002, "UI", "1.2.840.10008.5.1.4.1.1.4"),
            text(0x00020003, "UI", f"1.2.3.{k}"),
            text(0x00020010, "UI", said),
        ]
    )
    group_length = Element(0x00020000, "UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + encode([group_length]) + meta + body


def _damaged(rng: Random, content: bytes) -> bytes:
    if rng.random() < 0.5:
        return cut(rng, content)
    new = bytearray(content)
    put(rng, new, rng.randrange(1, 6))
    if rng.random() < 0.1:
        del new[:132]  # without the preamble
    return bytes(new)


def _write(rng: Random, files: list[bytes], case: Case) -> None:
    kind, names = rng.random(), [f"IMG{k:04d}.dcm" for k in range(len(files))]
    if kind < 0.05:
        k = rng.randrange(len(files))
        case.done.append(f"twice {k}")
        files.append(_damaged(rng, files[k]) if rng.random() < 0.5 else files[k])
        names.append("copy.dcm")
    elif kind < 0.1 and len(files) > 1:
        k = rng.randrange(len(files))
        case.done.append(f"without {k}")
        del files[k], names[k]
    elif kind < 0.13:
        names[0] = rng.choice(
            ("a\x1b[31m.dcm", "a\nb.dcm", "\udcff.dcm", "no ending", "..dcm", "=1+1.dcm")
        )
        case.done.append(f"name {names[0]!r}")
    elif kind < 0.14:
        names.append(rng.choice(("self.dcm", "fifo.dcm", "gone.dcm")))
        case.done.append(names[-1])
        _special(case.path / names.pop())
    for name, content in zip(names, files, strict=True):
        (case.path / name).write_bytes(content)


def _special(path: Path) -> None:
    if path.stem == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(path.name if path.stem == "self" else SECRET)


def _pick(rng: Random, elements: DataSet) -> Element:
    weighty = [e for e in elements if e.tag in WEIGHTY]
    return rng.choice(weighty if weighty and rng.random() < 0.75 else elements)


def value(rng: Random, elements: DataSet) -> str:
    """Another value, of the element's own kind or not."""
    element = _pick(rng, elements)
    if element.vr in ("DS", "IS") and rng.random() < 0.9:
        new = _number_words(rng, element)
    elif element.vr == "US":
        new = short(element.tag, *rng.choices(COUNTS, k=rng.choice((1, 1, 1, 1, 0, 2)))).value
    elif rng.random() < 0.9:
        new = rng.choice(WORDS).encode("latin-1", "replace")
    else:
        new = rng.randbytes(rng.choice((0, 1, 2, 8, 100)))
    if element.tag == 0x7FE00010:
        new = rng.choice((b"", bytes(2), bytes(159), bytes(161), bytes(1600), b"\xff" * 160))
    element.value, element.fragments = new, []
    return f"{element.tag:08x} {bytes(new)[:40]!r}"


def _number_words(rng: Random, element: Element) -> bytes:
    old = bytes(element.value) if isinstance(element.value, bytes) else b""
    parts = old.decode("latin-1").split("\\")
    if len(parts) > 1 and rng.random() < 0.7:
        parts[rng.randrange(len(parts))] = rng.choice(NUMBERS)
        return "\\".join(parts).encode("latin-1", "replace")
    return rng.choice(NUMBERS).encode("latin-1", "replace")


def kind(rng: Random, elements: DataSet) -> str:
    """Another VR."""
    element = _pick(rng, elements)
    element.vr = rng.choice(VRS)
    return f"{element.tag:08x} {element.vr!r}"


def length(rng: Random, elements: DataSet) -> str:
    """A length that is not the truth."""
    element = _pick(rng, elements)
    element.length = rng.choice(
        (0, 1, 2, 3, 7, 255, 65535, 65534, 2**31, 2**32 - 1, 2**32 - 2, 10_000)
    )
    return f"{element.tag:08x} {element.length}"


def removed(rng: Random, elements: DataSet) -> str:
    """An element is missing."""
    element = _pick(rng, elements)
    elements.remove(element)
    return f"{element.tag:08x}"


def repeated(rng: Random, elements: DataSet) -> str:
    """An element stands twice."""
    place = rng.randrange(len(elements))
    elements.insert(rng.choice((place, 0, len(elements))), elements[place].copy())
    return f"{elements[place].tag:08x}"


def order(rng: Random, elements: DataSet) -> str:
    """Two elements change places."""
    a, b = rng.randrange(len(elements)), rng.randrange(len(elements))
    elements[a], elements[b] = elements[b], elements[a]
    return f"{a} {b}"


def tag(rng: Random, elements: DataSet) -> str:
    """A wrong tag: another element's, private, group length, delimiters."""
    element = _pick(rng, elements)
    odd = (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x00080000, 0x00100010, 0x00090010, 0x7FE00008,
           0x7FE00001,
           0xFFFFFFFF, 0x00020010, 0, 0x00280008, 0x00283000, 0x00281054, 0x00280120)  # fmt: skip
    element.tag = rng.choice((*odd, *WEIGHTY, rng.randrange(2**32)))
    return f"{element.tag:08x}"


def more(rng: Random, elements: DataSet) -> str:
    """Elements that change how others are read: padding, scales, frames, tables."""
    table = [[Element(0x00283002, "US", b"\2\0\0\0\x10\0"), Element(0x00283006, "OW", bytes(4))]]
    extra = rng.choice(
        (
            short(0x00280120, rng.choice(COUNTS)),
            short(0x00280121, rng.choice(COUNTS)),
            text(0x00281053, "DS", rng.choice(NUMBERS)),
            text(0x00281052, "DS", rng.choice(NUMBERS)),
            text(0x00280008, "IS", rng.choice(NUMBERS)),
            text(0x00281054, "LO", rng.choice(WORDS)),
            Element(0x00283000, "SQ", table),
            text(0x00189004, "CS", rng.choice(("MONOCHROME", "COLOR", SECRET))),
            text(0x00089208, "CS", rng.choice(("MAGNITUDE", "PHASE", "REAL", "MIXED"))),
            text(0x00201002, "IS", rng.choice(NUMBERS)),
            text(0x00189073, "FD", "12345678"),
            Element(0x00409096, "SQ", [[text(0x00409225, "FD", "12345678")]]),
            text(0x00209128, "UL", "1234"),
            short(0x00281101, 256, 0, 16),
            Element(0x7FE00008, "OF", bytes(320)),
            text(0x00080005, "CS", rng.choice(WORDS)),
            text(0x00200100, "IS", rng.choice(NUMBERS)),
            text(0x00180022, "CS", rng.choice(WORDS)),
        )
    )
    elements[:] = [e for e in elements if e.tag != extra.tag] + [extra]
    elements.sort(key=lambda element: element.tag)
    return f"{extra.tag:08x} {extra.value!r:.60}"


def nested(rng: Random, elements: DataSet) -> str:
    """A sequence: deep, of undefined length, empty, or where a text is expected."""
    depth = rng.choice((0, 1, 2, 5, 20)) if rng.random() < 0.99 else rng.choice((150, 2000))
    inner: DataSet = [text(0x00100010, "PN", SECRET)]
    open_ended = rng.random() < 0.5
    for _ in range(depth):
        inner = [Element(0x00081140, "SQ", [inner], open_ended=open_ended)]
    element = _pick(rng, elements)
    if rng.random() < 0.5:
        element.vr, element.value, element.open_ended = "SQ", [inner], open_ended
    else:
        element = Element(0x00091010, "SQ", [inner], open_ended=open_ended)
        elements.insert(rng.randrange(len(elements) + 1), element)
        if rng.random() < 0.7:
            elements.sort(key=lambda one: one.tag)
    if rng.random() < 0.1:
        element.length = rng.choice((0, 4, 2**31, 2**32 - 1))
    return f"{element.tag:08x} {depth} deep"


def cells(rng: Random, elements: DataSet) -> str:
    """Bits allocated, bits stored, high bit, sign: any combination."""
    bits = rng.choice((8, 16, 16, 16, 32, 12, 1, 64, 0))
    stored = rng.choice((bits, 12, 16, 8, 1, 0, 17))
    high = rng.choice((stored - 1, 15, 11, 7, 0, 16))
    for number, new in ((0x00280100, bits), (0x00280101, stored), (0x00280102, high)):
        for element in elements:
            if element.tag == number:
                element.value = struct.pack("<H", new & 0xFFFF)
    for element in elements:
        if element.tag == 0x00280103 and rng.random() < 0.4:
            element.value = struct.pack("<H", rng.choice((1, 1, 2, 65535)))
        if element.tag == 0x7FE00010 and bits in (8, 32, 64) and isinstance(element.value, bytes):
            pixels = element.value[::2]
            element.value = pixels * (bits // 8)
    return f"{bits} {stored} {high}"


def group(rng: Random, elements: DataSet) -> str:
    """Within a sequence of an enhanced file, else within the data set: any other mutation."""
    inside = [e.value for e in elements if isinstance(e.value, list) and e.value]
    if not inside:
        return value(rng, elements)
    item = rng.choice(rng.choice(inside))
    while any(isinstance(e.value, list) and e.value for e in item) and rng.random() < 0.8:
        item = rng.choice([e.value for e in item if isinstance(e.value, list) and e.value])[0]
    return rng.choice((value, kind, removed, length))(rng, item) if item else ""


def items(rng: Random, elements: DataSet) -> str:
    """Items of a sequence: one less, one more, none."""
    sequences = [e for e in elements if isinstance(e.value, list) and e.value]
    if not sequences:
        return removed(rng, elements)
    element = rng.choice(sequences)
    which = rng.randrange(3)
    if which == 0:
        element.value = element.value[:-1]
    elif which == 1:
        element.value = [*element.value, element.value[-1]]
    else:
        element.value = [[] for _ in element.value]
    return f"{element.tag:08x} {which}"


def open_ends(rng: Random, elements: DataSet) -> str:
    """Undefined lengths."""
    for element in elements:
        if isinstance(element.value, list) or rng.random() < 0.02:
            element.open_ended = True
    return ""


MUTATIONS = (
    value, value, value, value, value, kind, length, removed, removed, repeated, order, tag, more,
    more, nested, cells, cells, group, items, open_ends,
)  # fmt: skip


def _compress(rng: Random, series: list[DataSet], case: Case) -> str:
    """Compressed pixels, one codestream damaged."""
    which = rng.randrange(4)
    syntax, streams = compressed(which)
    hurt, how = rng.randrange(len(series)), rng.randrange(5)
    case.done.append(f"codec {syntax} {how}")
    for k, elements in enumerate(series):
        stream = bytearray(streams[k % len(streams)])
        if k == hurt and how < 3:
            put(rng, stream, rng.choice((1, 3, 20)))
        if k == hurt and how == 3:
            del stream[rng.randrange(len(stream)) :]
        for element in elements:
            if element.tag == 0x7FE00010:
                element.vr, element.open_ended, element.value = "OB", True, b""
                element.fragments = [b"", bytes(stream) + b"\0" * (len(stream) % 2)]
            if element.tag in (0x00280010, 0x00280011):
                element.value = short(0, 32 if element.tag == 0x00280010 else 40).value
            if which == 3 and element.tag in (0x00280100, 0x00280101, 0x00280102):
                element.value = short(0, 7 if element.tag == 0x00280102 else 8).value
    return syntax

"""Values of a DICOM data set, read so that no fault of a value reaches the caller."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

__all__ = ["items", "number", "numbers", "raw_bytes", "text", "texts"]


def text(dataset: Dataset, keyword: str) -> str:
    """A short header text, or "" when it is absent or unreadable."""
    return " ".join(texts(dataset, keyword)[:1])


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of a header text; empty when it is absent or unreadable."""
    plain = _unconverted(dataset, keyword, ("CS", "UI", "LO"))
    if plain is not None:
        return tuple(word.strip() for word in plain.split("\\")) if plain else ()
    value = _value(dataset, keyword)
    if value is None or isinstance(value, Sequence | Dataset) or value == "":
        return ()
    many = isinstance(value, MultiValue | list | tuple)
    return tuple(str(v).strip() for v in (value if many else [value]))


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly `count` finite numbers, or None when they are absent or not such."""
    plain = _unconverted(dataset, keyword, ("DS", "US"))
    value: Any = plain.split("\\") if plain else _value(dataset, keyword)
    many = isinstance(value, MultiValue | list | tuple)
    try:
        values = tuple(float(v) for v in (value if many else [value]))
    except (TypeError, ValueError):
        return None
    finite = all(abs(v) < float("inf") for v in values)
    return values if len(values) == count and finite else None


def raw_bytes(dataset: Dataset, tag: int) -> bytes:
    """The bytes of an element as they were written; none when it is absent or converted."""
    element = dataset.get_item(tag)
    value = element.value if isinstance(element, RawDataElement) else b""
    return value if isinstance(value, bytes) else b""


def number(dataset: Dataset, keyword: str) -> float | None:
    """One finite number, or None."""
    values = numbers(dataset, keyword, 1)
    return values[0] if values else None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; empty when it is absent or unreadable."""
    value = _value(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        tag, _ = _entry(keyword)
        return dataset[tag].value if tag in dataset else None
    except Exception:  # pydicom converts a value only now, and fails in any way
        return None


def _unconverted(dataset: Dataset, keyword: str, kinds: tuple[str, ...]) -> str | None:
    """A value as it was written, ASCII; None when that is not plain.

    pydicom's own conversion of a value takes longer than all else that is done with it here.
    """
    tag, usual = _entry(keyword)
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement) or (element.VR or usual) not in kinds:
        return None
    written = element.value or b""
    if (element.VR or usual) == "US":
        plain = len(written) == 2 and element.is_little_endian
        return str(written[0] + 256 * written[1]) if plain else None
    plain = written.isascii() and b"\x1b" not in written  # which begins other character sets
    return written.decode("ascii").rstrip(" \0") if plain else None


@lru_cache(maxsize=1024)
def _entry(keyword: str) -> tuple[BaseTag, str]:
    """Tag and VR in the dictionary of DICOM."""
    tag = Tag(keyword)
    return tag, dictionary_VR(tag)

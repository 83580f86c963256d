"""Whether an image holds the acquired slices, a reformat of them, or a result of medsr.

The one rule of `medsr enhance`, `batch` and `listen` for images that were derived from others:
slices that were filtered, corrected or converted are enhanced like any; a reformat and a result of
medsr are not, unless it is forced. ImageType alone (PS3.3 C.7.6.1.1.2) does not tell: DERIVED is
written by filters, by anonymisers and by converters, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from medsr.errors import NotOriginal
from medsr.remarks import Meaning, Remark
from medsr.volume.anatomy import texts_of

__all__ = [
    "Origin",
    "check_origin",
    "least_original",
    "origin_of",
    "origin_of_settings",
    "why_not_original",
]


class Origin(StrEnum):
    """What the slices of an image are, the most original first."""

    ACQUIRED = "acquired"
    REFORMAT = "reformat"
    MEDSR = "result of medsr"


#: Words of ImageType from its third value on, for slices that were interpolated from others.
REFORMATTED = frozenset(
    (
        "MPR",
        "CSA MPR",
        "CURVED MPR",
        "CPR",
        "REFORMATTED",
        "REFORMAT",
        "RESAMPLED",
        "CSA RESAMPLED",
    )
)

_REASONS = {
    Origin.REFORMAT: "is a reformat (its ImageType says DERIVED and MPR, REFORMATTED or "
    "RESAMPLED), so its slice profile is not that of the scanner. Give the original series; "
    "--force enhances the reformat.",
    Origin.MEDSR: "was made by medsr. Give the original scan; --force enhances the result again.",
}


def origin_of(image_type: Sequence[str], *, by_medsr: bool) -> Origin:
    """What ImageType and the maker of an image say of its slices.

    Args:
        image_type: all values of ImageType, in any case.
        by_medsr: whether the header or the sidecar names medsr as the maker.

    >>> origin_of(["DERIVED", "PRIMARY", "MPR"], by_medsr=False)
    <Origin.REFORMAT: 'reformat'>
    >>> origin_of(["DERIVED", "PRIMARY", "M", "NORM"], by_medsr=False)
    <Origin.ACQUIRED: 'acquired'>
    """
    if by_medsr:
        return Origin.MEDSR
    words = [value.strip().upper().replace("_", " ") for value in image_type]
    is_reformat = words[:1] == ["DERIVED"] and not REFORMATTED.isdisjoint(words[2:])
    return Origin.REFORMAT if is_reformat else Origin.ACQUIRED


def least_original(origins: Iterable[Origin]) -> Origin:
    """Of the files of one series: one reformatted slice makes a reformat."""
    order = tuple(Origin)
    return max(origins, key=order.index, default=Origin.ACQUIRED)


def why_not_original(origin: Origin) -> str:
    """The rest of the sentence "<name> ..." for an image that is not enhanced unless forced."""
    return _REASONS[origin]


def check_origin(origin: Origin, name: str, *, force: bool) -> tuple[Remark, ...]:
    """Refuse a reformat and a result of medsr, or doubt what comes of it.

    Args:
        origin: of the scan.
        name: of its file, for the message.
        force: whether it is to be enhanced all the same.

    Raises:
        NotOriginal: it is one of both, and not forced.
    """
    if origin is Origin.ACQUIRED:
        return ()
    if not force:
        raise NotOriginal(f"{name}: {why_not_original(origin)}")
    what = "a result of medsr" if origin is Origin.MEDSR else "a reformat"
    words = (
        f"The scan is {what}, whose slice profile differs from that of the scanner. Use the "
        "original slices if they exist."
    )
    return (Remark(Meaning.DOUBT, words),)


def origin_of_settings(settings: Mapping[str, Any]) -> Origin:
    """What a sidecar says of the slices of an image, as dcm2niix or medsr wrote it."""
    image_type = texts_of(settings.get("ImageType"))
    return origin_of(image_type, by_medsr="ModelSHA256" in settings)

"""Chooses one of the series of a folder: by UID, by number, or by a pattern of its description.

Errors list series by number and UID alone: a description is free text and may name a person.
`medsr info` shows it on the terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.discover import headers_at, opened
from medsr.volume.dicom.read.groups import Group, group_headers
from medsr.volume.dicom.read.header import IMAGE, read_header, why_not
from medsr.volume.dicom.uids import NO_UID, is_uid, shown_uid

__all__ = [
    "SeriesSummary",
    "is_meant",
    "known_group",
    "list_series",
    "name_of",
    "pick_group",
]

#: A folder may hold hundreds of series; a message names this many.
MAX_LISTED = 20


@dataclass(frozen=True)
class SeriesSummary:
    """What `list_series` says of the files of one series, modality and kind.

    Attributes:
        uid: SeriesInstanceUID; "" when the files have none, a number in the list when theirs is
            no UID: it may name a person.
        modality: "MR", "CT", or another code.
        kind: "image", "localizer", "colour", "mosaic", "screen capture", "other modality" or
            "not an image"; only an "image" can be read.
        files: number of files.
        slices: number of images, frames of multi-frame files counted singly.
        shape: (columns, rows, slices), or None when files differ or hold no pixels.
    """

    uid: str
    modality: str
    kind: str
    files: int
    slices: int
    shape: tuple[int, int, int] | None


def list_series(path: Path) -> list[SeriesSummary]:
    """The DICOM series at a path, the largest first, from headers alone.

    Raises:
        InputError: missing, empty, no permission, no DICOM inside, or damaged.
        Refused: too many files, or a zip of implausible size.
    """
    path = Path(path)
    with parse_quietly(), opened(path) as place:
        groups = group_headers(headers_at(place, name_of(path)))
        return [_summary(group, k) for k, group in enumerate(groups, 1)]


def _summary(group: Group, number: int) -> SeriesSummary:
    shapes = {header.shape for header in group.headers}
    shape = shapes.pop() if len(shapes) == 1 else None
    return SeriesSummary(
        uid=_shown_uid(group, number),
        modality=group.modality,
        kind=group.kind,
        files=len(group.headers),
        slices=group.slices,
        shape=(shape[1], shape[0], group.slices) if shape else None,
    )


def name_of(path: Path) -> str:
    """What to call a file or folder; "." has the name of the folder that it stands for."""
    if path.name not in ("", ".."):
        return path.name
    try:
        return path.resolve().name or str(path)
    except OSError:  # the folder was removed
        return str(path)


def known_group(paths: Sequence[Path], name: str, series: str | None = None) -> Group:
    """The one image series that known files are.

    Raises:
        InputError, Refused: as `read_files`, but for faults in the pixels.
    """
    headers = [header for header in map(read_header, paths) if header is not None]
    if len(headers) < len(paths):
        raise InputError(
            f"{name}: {len(paths) - len(headers)} of its {len(paths)} files changed while "
            "medsr was reading. Run the command again."
        )
    return pick_group(group_headers(headers), series, name)


def is_meant(wanted: str, *, uid: str, number: int | None, description: str) -> bool:
    """Whether a series is the one that a user asks for.

    Args:
        wanted: its SeriesInstanceUID; its SeriesNumber; or a pattern of its SeriesDescription, in
            which `*` and `?` stand for other characters. A pattern without them may stand
            anywhere in the description. Upper and lower case count as equal.
        uid, number, description: of the series.

    >>> is_meant("*T2*ax*", uid="1.2", number=5, description="t2_tse axial")
    True
    >>> is_meant("5", uid="1.2", number=5, description=""), is_meant("5", uid="1.2", number=15,
    ...     description="5 mm")
    (True, False)
    """
    if wanted == uid:
        return True
    if wanted.isdecimal():
        return number == int(wanted)
    pattern = wanted if any(sign in wanted for sign in "*?[") else f"*{wanted}*"
    return fnmatchcase(description.casefold(), pattern.casefold())


def pick_group(groups: Sequence[Group], series: str | None, name: str) -> Group:
    """The one image series among groups.

    Args:
        groups: of one folder.
        series: which is meant, as `is_meant` takes it; None where there is only one image series.
        name: of the folder, for messages.

    Raises:
        Refused: there is not exactly one; the sentence says why, and what there is.
    """
    if series is not None:
        chosen = [
            group
            for group in groups
            if is_meant(series, uid=group.uid, number=group.number, description=group.description)
        ]
        if not chosen:
            wanted = series if is_uid(series) else "of that description"
            raise Refused(f"{name}: has no series {wanted}. It contains {_listing(groups)}.")
        groups = chosen
    images = [group for group in groups if group.kind == IMAGE]
    if len(images) == 1:
        return images[0]
    if images:
        which = "image series" if series is None else "image series that match --series"
        raise Refused(
            f"{name}: contains {len(images)} {which}. Choose one with --series and its number, "
            f"its UID or a part of its description, which medsr info shows: {_listing(images)}."
        )
    reasons = {why_not(group.kind, group.modality) for group in groups}
    if len(reasons) == 1:
        raise Refused(f"{name}: {reasons.pop()}")
    raise Refused(f"{name}: contains no MR or CT image series, only {_listing(groups)}.")


def _listing(groups: Sequence[Group]) -> str:
    """Number, UID where the number does not tell them apart, modality, kind and slices."""
    times = Counter(group.number for group in groups)
    listed = [
        f"{_label(group, k, unique=times[group.number] == 1)} "
        f"({group.modality or 'no modality'} {group.kind}, {group.slices} slices)"
        for k, group in enumerate(groups[:MAX_LISTED], 1)
    ]
    more = len(groups) - len(listed)
    return "; ".join(listed) + (f"; and {more} more" if more else "")


def _label(group: Group, place: int, *, unique: bool) -> str:
    uid = _shown_uid(group, place) or NO_UID
    if group.number is None:
        return uid
    return f"number {group.number}" if unique else f"number {group.number}, {uid}"


def _shown_uid(group: Group, number: int) -> str:
    return shown_uid(group.uid, f"number {number} (its UID is not valid)") if group.uid else ""

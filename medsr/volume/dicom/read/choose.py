"""Chooses one of the series of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medsr.errors import InputError, Refused
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.discover import Group, group_headers, headers_at, opened
from medsr.volume.dicom.read.header import IMAGE, read_header, why_not
from medsr.volume.dicom.uids import NO_UID, is_uid, shown_uid

__all__ = ["SeriesSummary", "chosen_group", "known_group", "list_series", "name_of", "pick_group"]

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


@contextmanager
def chosen_group(path: Path, series_uid: str | None) -> Iterator[Group]:
    """The one image series at a path, while it is there (a zip is unpacked for so long).

    Raises:
        InputError, Refused: as `read_series`, but for faults in the frames.
    """
    path = Path(path)
    with parse_quietly(), opened(path) as place:
        name = name_of(path)
        yield pick_group(group_headers(headers_at(place, name)), series_uid, name)


def name_of(path: Path) -> str:
    """What to call a file or folder; "." has the name of the folder that it stands for."""
    if path.name not in ("", ".."):
        return path.name
    try:
        return path.resolve().name or str(path)
    except OSError:  # the folder was removed
        return str(path)


def known_group(paths: Sequence[Path], name: str, series_uid: str | None = None) -> Group:
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
    return pick_group(group_headers(headers), series_uid, name)


def pick_group(groups: Sequence[Group], series_uid: str | None, name: str) -> Group:
    """The one image series among groups.

    Raises:
        Refused: there is not exactly one; the sentence says why.
    """
    images = [group for group in groups if group.kind == IMAGE]
    if series_uid is not None:
        chosen = [group for group in groups if group.uid == series_uid]
        if not chosen:
            wanted = series_uid if is_uid(series_uid) else "with that UID"
            raise Refused(f"{name}: has no series {wanted}. It contains {_listing(groups)}.")
        images = [group for group in chosen if group.kind == IMAGE]
        groups = chosen
    if len(images) == 1:
        return images[0]
    if images:
        raise Refused(
            f"{name}: contains {len(images)} image series. Choose one with --series UID: "
            f"{_listing(images)}."
        )
    reasons = {why_not(group.kind, group.modality) for group in groups}
    if len(reasons) == 1:
        raise Refused(f"{name}: {reasons.pop()}")
    raise Refused(f"{name}: contains no MR or CT image series, only {_listing(groups)}.")


def _listing(groups: Sequence[Group]) -> str:
    listed = [
        f"{_shown_uid(group, k) or NO_UID} ({group.modality or 'no modality'} {group.kind}, "
        f"{group.slices} slices)"
        for k, group in enumerate(groups[:MAX_LISTED], 1)
    ]
    more = len(groups) - len(listed)
    return "; ".join(listed) + (f"; and {more} more" if more else "")


def _shown_uid(group: Group, number: int) -> str:
    return shown_uid(group.uid, f"number {number} (its UID is not valid)") if group.uid else ""

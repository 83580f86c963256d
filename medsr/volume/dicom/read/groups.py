"""Sorts the files of a folder into series.

Files of one group have one SeriesInstanceUID, one modality and one kind, so that a localizer or a
screenshot that shares its UID with a scan is kept apart from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsr.volume.dicom.read.header import IMAGE, FileHeader

__all__ = ["Group", "group_headers"]


@dataclass(frozen=True)
class Group:
    """The files of one series that are of one modality and one kind.

    Attributes:
        uid: SeriesInstanceUID, or "".
        modality, kind: as in `FileHeader`.
        headers: of the files.
        beside: of files that have the same SeriesInstanceUID and are no images.
    """

    uid: str
    modality: str
    kind: str
    headers: tuple[FileHeader, ...]
    beside: tuple[FileHeader, ...] = ()

    @property
    def number(self) -> int | None:
        """SeriesNumber."""
        return self.headers[0].number

    @property
    def description(self) -> str:
        """SeriesDescription; see `FileHeader.description`."""
        return self.headers[0].description

    @property
    def slices(self) -> int:
        """Number of images: frames, summed over files."""
        return sum(header.frames for header in self.headers)


def group_headers(headers: Sequence[FileHeader]) -> list[Group]:
    """Sort headers into series, the largest first."""
    found: dict[tuple[str, str, str], list[FileHeader]] = {}
    for header in headers:
        found.setdefault((header.uid, header.modality, header.kind), []).append(header)
    others: dict[str, list[FileHeader]] = {}
    for header in headers:
        if header.uid and header.kind != IMAGE:
            others.setdefault(header.uid, []).append(header)
    groups = [
        Group(*key, tuple(members), tuple(others.get(key[0], ())) if key[2] == IMAGE else ())
        for key, members in found.items()
    ]
    return sorted(groups, key=lambda group: (-group.slices, group.uid, group.kind))

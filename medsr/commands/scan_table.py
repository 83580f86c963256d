"""The table of `medsr info` for a folder or zip with several scans. No torch here.

SeriesDescription is free text and may name a person, so it is printed here, where a person chooses
a series on the terminal, and nowhere else.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.batch.discover import ImageFile
from medsr.batch.job import Decision, Item
from medsr.batch.series import Series
from medsr.batch.survey import Found, survey
from medsr.restore.output_grid import choose_spacing
from medsr.volume.dicom.read.choose import is_meant
from medsr.volume.dicom.read.discover import opened
from medsr.volume.dicom.read.header import IMAGE
from medsr.volume.dicom.uids import shown_uid
from medsr.words import printable

__all__ = ["Row", "rows_of", "rows_to_json", "table"]

#: A description is cut to so many characters, a reason to its first sentence.
LONGEST = 40

HEADINGS = ("number", "description", "modality", "size", "spacing (mm)", "medsr would")


@dataclass(frozen=True)
class Row:
    """One scan of a folder.

    Attributes:
        found: the scan and the judgement of it.
        number: SeriesNumber, or "".
        description: SeriesDescription, or the path of an image file.
        size: voxels along each axis, or images of rows and columns.
        spacing: mm along each axis.
        outcome: what a batch would do, with the reason.
    """

    found: Found
    number: str
    description: str
    size: str
    spacing: str
    outcome: str

    @property
    def modality(self) -> str:
        """MR, CT, another code, or "?" where the file does not say."""
        return self.found.item.modality or "?"

    @property
    def series(self) -> Series | None:
        """The DICOM image series that it is; None for anything that --series cannot choose."""
        source = self.found.source
        return source if isinstance(source, Series) and source.kind == IMAGE else None


def rows_of(source: Path) -> list[Row]:
    """The scans of a folder or zip, from headers: by study, series number and name.

    Raises:
        InputError: a zip is damaged or cannot be read.
        Refused: a zip of implausible size.
    """
    with opened(source) as place:
        rows = [_row(found) for found in survey(place)]
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[str, bool, int, str]:
    source = row.found.source
    if isinstance(source, ImageFile):
        return "", False, 0, row.description
    number = source.names.number
    return source.names.study, number is None, number or 0, row.description


def _row(found: Found) -> Row:
    item, source = found.item, found.source
    if isinstance(source, ImageFile):
        number, description = "", printable(source.path)
        shape = source.header.shape if source.header else None
        spacing = source.header.spacing_mm if source.header else None
    else:
        number = "" if source.names.number is None else str(source.names.number)
        description = source.names.description
        shape, spacing = item.shape, item.spacing_mm
    return Row(
        found=found,
        number=number,
        description=description,
        size=_by(shape) if shape else _images(source),
        spacing=" x ".join(f"{mm:.3g}" for mm in spacing) if spacing else "",
        outcome=_outcome(item),
    )


def _by(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)


def _images(source: Series | ImageFile) -> str:
    if isinstance(source, ImageFile):
        return ""
    if source.names.size is None:
        return f"{source.files} {'file' if source.files == 1 else 'files'}"
    return (
        f"{_by(source.names.size)}, {source.frames} {'image' if source.frames == 1 else 'images'}"
    )


def _outcome(item: Item) -> str:
    """The decision of a batch with its defaults, which are those of `medsr enhance`."""
    if item.decision != Decision.ENHANCE or item.spacing_mm is None:
        reason, _, _ = item.reason.partition(". ")
        return f"{item.decision}: {reason.removeprefix('is ').rstrip('.')}"
    target = choose_spacing(item.spacing_mm, item.label).spacing_mm
    finer = [
        f"{have:.3g} mm to {want:.3g} mm"
        for have, want in zip(item.spacing_mm, target, strict=True)
        if want < have * (1 - 1e-6)
    ]
    return f"enhance {' and '.join(finer)}"


def _target(item: Item) -> tuple[float, float, float] | None:
    """The spacing, mm, that a batch with its defaults would restore; None if it would not."""
    if item.decision != Decision.ENHANCE or item.spacing_mm is None:
        return None
    return choose_spacing(item.spacing_mm, item.label).spacing_mm


def rows_to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for a program; see `medsr schema info`."""
    return [_row_to_json(row, _choice(row, rows)) for row in rows]


def _row_to_json(row: Row, choice: str) -> dict[str, Any]:
    item, source = row.found.item, row.found.source
    if isinstance(source, ImageFile):
        shape = source.header.shape if source.header else None
        spacing = source.header.spacing_mm if source.header else None
        number = None
    else:
        shape, spacing, number = item.shape, item.spacing_mm, source.names.number
    target = _target(item)
    return {
        "description": row.description,
        "series_number": number,
        "series_uid": None if row.series is None else row.series.uid,
        "series_option": choice or None,
        "modality": item.modality or None,
        "shape": None if shape is None else list(shape),
        "spacing_mm": None if spacing is None else list(spacing),
        "decision": item.decision,
        "reason": item.reason,
        "target_spacing_mm": None if target is None else list(target),
    }


def table(rows: Sequence[Row], name: str) -> list[str]:
    """The rows in columns, and a last line on how to choose one.

    Args:
        rows: several.
        name: of the folder or zip, as the user gave it.
    """
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    choices = [_choice(row, rows) for row in rows]
    if any(choice != row.number for choice, row in zip(choices, rows, strict=True) if choice):
        cells = [
            (*line[:-1], shown, line[-1])
            for line, shown in zip(cells, ["--series", *choices], strict=True)
        ]
    widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]) - 1)]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(line, [*widths, 0], strict=True)).rstrip()
        for line in cells
    ]
    return [*lines, *_how_to_choose(rows, choices, name)]


def _cells(row: Row) -> tuple[str, ...]:
    short = row.description
    if len(short) > LONGEST and isinstance(row.found.source, Series):
        short = short[: LONGEST - 3] + "..."
    return row.number, short, row.modality, row.size, row.spacing, row.outcome


def _choice(row: Row, rows: Sequence[Row]) -> str:
    """The shortest word after --series that means this series alone; "" for no image series."""
    if row.series is None:
        return ""
    names, uid = row.series.names, row.series.uid
    for word in (row.number, names.description):
        if word and sum(_is_meant(word, other) for other in rows) == 1:
            return shlex.quote(word)
    return shown_uid(uid)


def _is_meant(word: str, row: Row) -> bool:
    one = row.series
    return one is not None and is_meant(
        word, uid=one.uid, number=one.names.number, description=one.names.description
    )


def _how_to_choose(rows: Sequence[Row], choices: Sequence[str], name: str) -> list[str]:
    able = [
        choice
        for row, choice in zip(rows, choices, strict=True)
        if choice and row.found.item.decision == Decision.ENHANCE
    ]
    shown = shlex.quote(printable(name))
    lines = []
    if able:
        lines.append(
            f"To enhance one: medsr enhance {shown} -o OUT --series {able[0]} (the number, the "
            "UID, or a pattern of the description such as '*T2*')."
        )
    elif any(row.found.item.decision == Decision.ENHANCE for row in rows):
        lines.append("To enhance one: medsr enhance FILE -o OUT, with the path of the file.")
    if sum(row.found.item.decision == Decision.ENHANCE for row in rows) > 1:
        lines.append(f"To enhance all: medsr batch {shown} -o OUT.")
    return lines

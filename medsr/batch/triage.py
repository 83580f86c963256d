"""Decides from the headers whether a scan is enhanced, skipped or refused, with the reason.

A scan is skipped when it is not meant for medsr (a localizer, a map, a 4-D series) or needs
nothing; it is refused when it is meant for it and has a fault.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from medsr.batch.discover import ImageFile
from medsr.batch.job import Decision, Item, key_of
from medsr.batch.naming import enhanced_name, format_of, why_not_bids
from medsr.batch.series import Series, slices_of
from medsr.errors import MedsrError, NotAnatomy, NothingToDo, NotOriginal, SeveralVolumes
from medsr.restore.choices import Format
from medsr.restore.options import Options
from medsr.restore.output_grid import choose_spacing
from medsr.volume.anatomy import why_not_anatomy
from medsr.volume.dicom.read.header import IMAGE, why_not
from medsr.volume.dicom.read.stack import stack_slices
from medsr.volume.geometry import refined_grid, spacing_mm
from medsr.volume.origin import Origin, check_origin, why_not_original
from medsr.volume.volume import check_affine
from medsr.words import printable

__all__ = ["Wishes", "decide_damaged", "decide_nifti", "decide_series"]


@dataclass(frozen=True)
class Wishes:
    """What the user asked for that a decision depends on.

    Attributes:
        options: the target grid among them.
        modality: only scans of this; NIfTI files that do not say theirs are taken as it.
        models: the modalities that can be enhanced.
        bids: whether file names are BIDS.
    """

    options: Options
    modality: str
    models: Collection[str]
    bids: bool = False


@dataclass(frozen=True)
class _Grid:
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    integers: bool


def decide_damaged(series: Series) -> Item:
    """Files of one folder that cannot be read: refused, so that they are not overlooked."""
    more = f" The same holds for {series.files - 1} more." if series.files > 1 else ""
    key = key_of(series.identity)
    return Item(
        key=key,
        label=f"damaged files {key}",
        form=Format.DICOM,
        decision=Decision.REFUSE,
        reason=series.fault + more,
        packed=bytes(series.packed),
        files=series.files,
    )


def decide_series(series: Series, wishes: Wishes) -> Item:
    """A DICOM series."""
    key = key_of(series.identity)
    label = f"series {key}"
    try:
        decision, reason, grid = _judge_series(series, label, wishes)
    except (NotAnatomy, NotOriginal, NothingToDo, SeveralVolumes) as fault:
        decision, reason, grid = Decision.SKIP, str(fault), None
    except MedsrError as fault:
        decision, reason, grid = Decision.REFUSE, str(fault), None
    place = os.path.commonpath(series.folders) or "."
    form = format_of(Format.DICOM, wishes.options.format, bids=wishes.bids)
    return _item(
        Item(
            key=key,
            label=label,
            form=Format.DICOM,
            decision=decision,
            reason=_without_label(reason, label),
            output=enhanced_name(f"{place}/series-{key}", form, bids=False),
            packed=bytes(series.packed),
            files=series.files,
            modality=series.modality,
            format=form,
        ),
        grid,
        wishes,
    )


def _judge_series(
    series: Series, label: str, wishes: Wishes
) -> tuple[Decision, str, _Grid | None]:
    if series.kind != IMAGE:
        return Decision.SKIP, why_not(series.kind, series.modality), None
    check_origin(series.origin, label, force=wishes.options.force)
    unwanted = _why_not_modality(series.modality, wishes)
    if unwanted:
        return (*unwanted, None)
    if series.fault and series.not_anatomy:
        return Decision.SKIP, series.fault, None
    if series.fault or series.damaged:
        return Decision.REFUSE, series.fault or series.damaged, None
    slices = slices_of(series)
    stack = stack_slices(slices, label)
    check_affine(stack.affine, label)
    rows, columns = slices.shapes[stack.order[0]]
    x, y, z = spacing_mm(stack.affine)
    grid = _Grid(
        shape=(columns, rows, len(stack.order)),
        spacing_mm=(float(x), float(y), float(z)),
        integers=all(sort[3] for sort in series.sorts if sort[5] == IMAGE),
    )
    return Decision.ENHANCE, "", grid


def decide_nifti(file: ImageFile, wishes: Wishes) -> Item:
    """An image file: NIfTI, MGH, MetaImage or NRRD."""
    key = key_of(file.path)
    name = printable(PurePosixPath(file.path).name)
    label = printable(file.path) if wishes.bids else f"{name} ({key})"
    decision, reason, grid = _judge_nifti(file, wishes)
    stated = file.header.modality or file.header.named_modality if file.header else None
    return _item(
        Item(
            key=key,
            label=label,
            form=Format.NIFTI,
            decision=decision,
            reason=_without_label(reason, name),
            output=enhanced_name(file.path, Format.NIFTI, bids=wishes.bids),
            packed=os.fsencode(file.path) + b"\0",
            files=1,
            modality=stated or wishes.modality or ("MR" if wishes.bids else ""),
        ),
        grid,
        wishes,
    )


def _judge_nifti(file: ImageFile, wishes: Wishes) -> tuple[Decision, str, _Grid | None]:
    reason = why_not_bids(file.path) if wishes.bids else ""
    if reason:
        return Decision.SKIP, reason, None
    if file.header is None:
        return (Decision.SKIP if file.four_d else Decision.REFUSE), file.fault, None
    if file.header.origin is not Origin.ACQUIRED and not wishes.options.force:
        return Decision.SKIP, why_not_original(file.header.origin), None
    if file.header.kind is not None:
        return Decision.SKIP, why_not_anatomy(file.header.kind), None
    stated = file.header.modality or file.header.named_modality
    unwanted = _why_not_modality(stated or wishes.modality, wishes)
    if unwanted:
        return (*unwanted, None)
    grid = _Grid(file.header.shape, file.header.spacing_mm, file.header.integers)
    return Decision.ENHANCE, "", grid


def _why_not_modality(modality: str, wishes: Wishes) -> tuple[Decision, str] | None:
    """Decision and reason for a modality that is not wanted or has no model."""
    if modality and wishes.modality and modality != wishes.modality:
        return Decision.SKIP, f"is {modality}; --modality selects {wishes.modality} only."
    if modality and modality not in wishes.models:
        have = " and ".join(sorted(wishes.models))
        return (
            Decision.SKIP,
            f"is {modality}, and the model is for {have}. Choose another with --model.",
        )
    return None


def _item(item: Item, grid: _Grid | None, wishes: Wishes) -> Item:
    """The item with its grids; skipped when its grid is fine enough already."""
    if grid is None:
        return replace(item, output="")
    item = replace(item, shape=grid.shape, spacing_mm=grid.spacing_mm, integers=grid.integers)
    try:
        target = choose_spacing(
            grid.spacing_mm,
            item.label,
            spacing_mm=wishes.options.spacing_mm,
            scale=wishes.options.scale,
        )
    except NothingToDo as fault:
        reason = _without_label(str(fault), item.label)
        return replace(item, decision=Decision.SKIP, reason=reason, output="")
    affine = np.diag([*grid.spacing_mm, 1.0])
    _, fine_shape = refined_grid(affine, grid.shape, target.spacing_mm)
    return replace(item, fine_shape=fine_shape)


def _without_label(reason: str, label: str) -> str:
    return reason.removeprefix(f"{label}: ")

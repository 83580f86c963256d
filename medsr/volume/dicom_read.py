"""DICOM in: a folder, a zip or one file becomes a Volume, or the reason why not.

The road: `dicom_find` lists the DICOM files at a path and sorts them into series, this module
picks the one that is an MR or CT scan, `dicom_frames` says where each frame lies, `series` checks
that the frames are one volume and orders them, `dicom_values` reads them. Geometry comes from
ImagePositionPatient, ImageOrientationPatient and PixelSpacing alone (PS3.3 C.7.6.2.1.1) and
leaves as a RAS+ affine over voxels [X = columns, Y = rows, Z = slices].

CT values are Hounsfield units. Outside the reconstructed circle some makers store a padding value
(GE: -2000 or -3024 HU); nothing is thinner than air, so voxels below -1024 HU become -1024.
MR values are the scanner's own. Messages hold file names and UIDs, never a header's words.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from medsr.errors import InputError, Refused
from medsr.volume.dicom_find import Group, group_heads, heads_of, opened
from medsr.volume.dicom_frames import Frame, frames_of
from medsr.volume.dicom_head import IMAGE, Head, head_of, why_not
from medsr.volume.dicom_open import parse_quietly
from medsr.volume.dicom_pixels import check_size
from medsr.volume.dicom_values import read_values
from medsr.volume.series import Stack, stack_slices
from medsr.volume.slices import Slices
from medsr.volume.volume import Volume

__all__ = [
    "AIR_HU",
    "SeriesSummary",
    "chosen_group",
    "known_group",
    "list_series",
    "pick_group",
    "read_files",
    "read_series",
    "stacked_frames",
]

#: The lower end of the Hounsfield scale as scanners store it (12 bits from -1024).
AIR_HU = -1024.0

#: RescaleType of CT values that are Hounsfield units; "US" means unspecified (PS3.3 C.11.1.1.2).
HU_TYPES = {"", "HU", "HU_MOD", "US"}

#: A folder may hold hundreds of series; a message names this many.
MAX_LISTED = 20


@dataclass(frozen=True)
class SeriesSummary:
    """What `list_series` says of the files of one series, modality and kind.

    Attributes:
        uid: SeriesInstanceUID; "" when the files have none.
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
        Refused: too many files, or a zip of unbelievable size.
    """
    path = Path(path)
    with parse_quietly(), opened(path) as place:
        return [_summary(group) for group in group_heads(heads_of(place, path.name))]


def _summary(group: Group) -> SeriesSummary:
    shapes = {head.shape for head in group.heads}
    shape = shapes.pop() if len(shapes) == 1 else None
    return SeriesSummary(
        uid=group.uid,
        modality=group.modality,
        kind=group.kind,
        files=len(group.heads),
        slices=group.slices,
        shape=(shape[1], shape[0], group.slices) if shape else None,
    )


def read_series(path: Path, *, series_uid: str | None = None) -> Volume:
    """Read one MR or CT series as a volume.

    Args:
        path: a folder (searched to the bottom), a .zip, or one file: of a classic series it
            stands for all files of that series beside it, of a multi-frame series for itself.
        series_uid: SeriesInstanceUID to pick where there are several.

    Returns:
        Volume: voxels [columns, rows, slices] float32 in HU or scanner units, RAS+ affine in mm,
        slices along axis 2.

    Raises:
        InputError: missing, empty, no permission, no DICOM inside, damaged, or cut.
        Refused: several series, no MR or CT image, or an image that is not one regular volume;
            the sentence names the fault, the file and what to do.
    """
    with chosen_group(path, series_uid) as group:
        return _volume(group, Path(path).name)


def read_files(paths: Sequence[Path], name: str) -> Volume:
    """Read one MR or CT series whose files are known.

    Args:
        paths: all files of the series, and no others.
        name: what to call the series in messages.

    Returns:
        Volume: as `read_series`.

    Raises:
        InputError: a file is missing, damaged, cut, or no longer DICOM.
        Refused: the files are not one regular volume.
    """
    with parse_quietly():
        return _volume(known_group(paths, name), name)


@contextmanager
def chosen_group(path: Path, series_uid: str | None) -> Iterator[Group]:
    """The one image series at a path, while it is there (a zip is unpacked for so long).

    Raises:
        InputError, Refused: as `read_series`, but for faults in the frames.
    """
    path = Path(path)
    with parse_quietly(), opened(path) as place:
        yield pick_group(group_heads(heads_of(place, path.name)), series_uid, path.name)


def known_group(paths: Sequence[Path], name: str) -> Group:
    """The one image series that known files are.

    Raises:
        InputError, Refused: as `read_files`, but for faults in the pixels.
    """
    heads = [head for head in map(head_of, paths) if head is not None]
    if len(heads) < len(paths):
        raise InputError(
            f"{name}: {len(paths) - len(heads)} of its {len(paths)} files are no longer DICOM."
        )
    return pick_group(group_heads(heads), None, name)


def pick_group(groups: Sequence[Group], series_uid: str | None, name: str) -> Group:
    """The one image series among groups.

    Raises:
        Refused: there is not exactly one; the sentence says why.
    """
    images = [group for group in groups if group.kind == IMAGE]
    if series_uid is not None:
        chosen = [group for group in groups if group.uid == series_uid]
        if not chosen:
            raise Refused(f"{name}: has no series {series_uid}. It holds {_listing(groups)}.")
        images = [group for group in chosen if group.kind == IMAGE]
        groups = chosen
    if len(images) == 1:
        return images[0]
    if images:
        raise Refused(
            f"{name}: holds {len(images)} image series; pick one with --series UID: "
            f"{_listing(images)}."
        )
    reasons = {why_not(group.kind, group.modality) for group in groups}
    if len(reasons) == 1:
        raise Refused(f"{name}: {reasons.pop()}")
    raise Refused(f"{name}: holds no MR or CT image series, only {_listing(groups)}.")


def _listing(groups: Sequence[Group]) -> str:
    listed = [
        f"{group.uid or '(no UID)'} ({group.modality or 'no modality'} {group.kind}, "
        f"{group.slices} slices)"
        for group in groups[:MAX_LISTED]
    ]
    more = len(groups) - len(listed)
    return "; ".join(listed) + (f"; and {more} more" if more else "")


def stacked_frames(group: Group, name: str) -> tuple[list[Frame], Stack]:
    """The frames of a group in the order of position, and their grid; headers only.

    Raises:
        InputError: a file is damaged.
        Refused: the frames are not one regular volume.
    """
    heads = _without_copies(group.heads)
    for head in heads:
        check_size(head)
    frames = [frame for head in heads for frame in frames_of(head)]
    if group.modality == "CT":
        _check_hounsfield(frames)
    stack = stack_slices(_slices(frames), name)
    return [frames[i] for i in stack.order], stack


def _volume(group: Group, name: str) -> Volume:
    frames, stack = stacked_frames(group, name)
    values = read_values(frames, lowest=AIR_HU if group.modality == "CT" else None)
    return Volume(
        voxels=values.transpose(2, 1, 0),
        affine=stack.affine,
        modality=cast(Literal["MR", "CT"], group.modality),
        unit="HU" if group.modality == "CT" else "scanner units",
        slice_axis=2,
        slice_thickness_mm=_thickness(frames),
        stored_as_integers=all(
            frame.slope.is_integer() and frame.intercept.is_integer() for frame in frames
        ),
        name=name,
    )


def _thickness(frames: Sequence[Frame]) -> float | None:
    """The slices' common thickness, mm; None when they say none or disagree by over 1 percent."""
    said = [frame.thickness_mm or 0.0 for frame in frames]
    return said[0] if min(said) > 0 and max(said) <= 1.01 * min(said) else None


def _slices(frames: Sequence[Frame]) -> Slices:
    many = len({frame.path for frame in frames}) < len(frames)
    return Slices(
        positions=np.array([frame.position for frame in frames]),
        orientations=np.array([frame.orientation for frame in frames]),
        pixel_spacings=np.array([frame.pixel_spacing for frame in frames]),
        shapes=[frame.shape for frame in frames],
        names=[
            f"frame {frame.index + 1} of {frame.path.name}" if many else frame.path.name
            for frame in frames
        ],
        marks=[frame.marks for frame in frames],
    )


def _without_copies(heads: Sequence[Head]) -> list[Head]:
    """Leave out files that are byte for byte copies of another with the same SOPInstanceUID."""
    times = Counter(head.instance for head in heads)
    kept: dict[tuple[str, bytes | Path], Head] = {}
    for head in heads:
        twice = bool(head.instance) and times[head.instance] > 1
        kept.setdefault((head.instance, _digest(head.path) if twice else head.path), head)
    return list(kept.values())


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        raise InputError(f"{path.name}: can no longer be read.") from None


def _check_hounsfield(frames: Sequence[Frame]) -> None:
    for frame in frames:
        if frame.rescale_type not in HU_TYPES:
            raise Refused(
                f"{frame.path.name}: RescaleType says that its values are not Hounsfield units. "
                "Give the CT scan itself, not a map made from it."
            )

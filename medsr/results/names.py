"""File names of a result.

`NAME.nii.gz` gets `NAME.json` and maps such as `NAME_std.nii.gz`, each with a sidecar of its own;
a DICOM folder `NAME` gets `NAME.json` and `NAME_std`. In BIDS derivatives a map has another
`desc`: `sub-01_res-sr_desc-medsr_T1w.nii.gz` gets `sub-01_res-sr_desc-medsrStd_T1w.nii.gz`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medsr.restore.choices import Format
from medsr.volume.dicom.write.naming import Kind
from medsr.volume.formats import is_nifti
from medsr.volume.sidecar import strip_suffix

__all__ = ["BIDS_DESC", "ENDINGS", "MAPS", "MapName", "in_other_format", "map_path"]

#: Format of an output -> its ending; a DICOM series is a folder.
ENDINGS = {Format.NIFTI: ".nii.gz", Format.DICOM: ""}

#: The entity of an enhanced image in BIDS derivatives.
BIDS_DESC = "_desc-medsr_"


@dataclass(frozen=True)
class MapName:
    """How a map is called: its suffix, its `desc` in BIDS, its description."""

    suffix: str
    desc: str
    words: str


MAPS = {
    Kind.STD: MapName("std", "medsrStd", "Standard deviation of the samples restored"),
    Kind.INTERVAL: MapName(
        "interval90",
        "medsrInterval90",
        "Half width of the 90 percent interval of the volume restored",
    ),
    Kind.NULL_SPACE: MapName(
        "null-space",
        "medsrNullSpace",
        "The null-space component (not measured) of the volume restored",
    ),
}


def map_path(image: Path, kind: Kind) -> Path:
    """Where a map of an image goes.

    >>> map_path(Path("a/b.nii.gz"), Kind.STD).as_posix()
    'a/b_std.nii.gz'
    >>> map_path(Path("sub-1_res-sr_desc-medsr_T1w.nii.gz"), Kind.STD).name
    'sub-1_res-sr_desc-medsrStd_T1w.nii.gz'
    >>> map_path(Path("a/series-1"), Kind.INTERVAL).name
    'series-1_interval90'
    """
    if kind == Kind.ENHANCED:
        return image
    if BIDS_DESC in image.name:
        return image.with_name(image.name.replace(BIDS_DESC, f"_desc-{MAPS[kind].desc}_"))
    stem = strip_suffix(image) if is_nifti(image) else image.name
    return image.with_name(f"{stem}_{MAPS[kind].suffix}{image.name[len(stem) :]}")


def in_other_format(image: Path) -> Path:
    """Where an image would stand in the other format; both have the same sidecar.

    >>> in_other_format(Path("a/series-1")).as_posix()
    'a/series-1.nii.gz'
    """
    name = strip_suffix(image) if is_nifti(image) else f"{image.name}{ENDINGS[Format.NIFTI]}"
    return image.with_name(name)

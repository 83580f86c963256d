"""BIDS file names, and the sidecars that apply to an image.

A sidecar may stand higher up in the dataset and hold what all images of one suffix share (the
inheritance principle of the specification): `T2w.json` in the root, `sub-01_T2w.json` in the
subject's folder. It counts for an image when it has the same suffix and no entity that the image
lacks; the nearest one wins.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["BidsName", "bids_name", "dataset_root", "inherited_sidecars"]

#: How far below its root a dataset keeps images: sub-, ses-, anat, and the folders of derivatives.
DEEPEST = 6

DESCRIPTION = "dataset_description.json"


@dataclass(frozen=True)
class BidsName:
    """A BIDS file name: entities such as sub-01, in their order, and the suffix."""

    entities: tuple[tuple[str, str], ...]
    suffix: str

    def applies_to(self, image: BidsName) -> bool:
        """Whether a sidecar of this name counts for an image."""
        return self.suffix == image.suffix and set(self.entities) <= set(image.entities)


def bids_name(stem: str) -> BidsName:
    """Take a name apart.

    Args:
        stem: the name without its endings.

    >>> bids_name("sub-01_ses-2_T1w")
    BidsName(entities=(('sub', '01'), ('ses', '2')), suffix='T1w')
    """
    *entities, suffix = stem.split("_")
    pairs = (entity.partition("-") for entity in entities)
    return BidsName(tuple((key, value) for key, _, value in pairs), suffix)


def dataset_root(folder: Path) -> Path | None:
    """The BIDS dataset that a folder lies in; None outside of one."""
    for place in (folder, *folder.parents)[:DEEPEST]:
        if (place / DESCRIPTION).is_file():
            return place
    return None


def inherited_sidecars(image: Path, stem: str) -> list[Path]:
    """The sidecars that count for an image, from the root of its dataset down to its own folder.

    One a level: of several, the one with the most entities.

    Args:
        image: the file; links are not followed, because content may lie elsewhere.
        stem: its name without .nii or .nii.gz.
    """
    folder = Path(os.path.abspath(image.parent))
    root = dataset_root(folder)
    if root is None:
        return []
    below = len(folder.parts) - len(root.parts)
    levels = [folder, *folder.parents][: below + 1]
    name = bids_name(stem)
    found = (_nearest(level, name) for level in reversed(levels))
    return [path for path in found if path is not None]


def _nearest(folder: Path, image: BidsName) -> Path | None:
    counting = [
        (len(name.entities), file)
        for file in _sidecars_in(folder)
        if (name := bids_name(file.removesuffix(".json"))).applies_to(image)
    ]
    return folder / max(counting)[1] if counting else None


def _sidecars_in(folder: Path) -> tuple[str, ...]:
    try:
        return _listed(str(folder), folder.stat().st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=64)
def _listed(folder: str, changed_ns: int) -> tuple[str, ...]:
    """The .json files of a folder as it was at a time; many images share the upper folders."""
    with os.scandir(folder) as listing:
        return tuple(sorted(e.name for e in listing if e.name.lower().endswith(".json")))

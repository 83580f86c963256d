"""Names and formats of the outputs of a batch.

A DICOM series becomes a DICOM series (a folder) unless the user says otherwise, all else NIfTI:
`format_of` is the one place where that is chosen. A plain tree is mirrored; a BIDS dataset gets
BIDS derivatives: `sub-01_T1w.nii.gz` becomes `sub-01_res-sr_desc-medsr_T1w.nii.gz` in the same
place of the output folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from medsr.restore.choices import Format
from medsr.results.names import BIDS_DESC, ENDINGS
from medsr.version import __version__
from medsr.volume.anatomy import why_not_anatomy
from medsr.volume.anatomy_names import kind_of_name
from medsr.volume.formats import is_image_file
from medsr.volume.sidecar import strip_suffix
from medsr.words import printable

__all__ = [
    "README",
    "as_page",
    "bids_facts",
    "description",
    "enhanced_name",
    "format_of",
    "is_bids",
    "listing_path",
    "page_path",
    "thumbnail_path",
    "why_not_bids",
]

#: BIDS suffixes of single volumes in which brightness is a scanner's own or HU.
BIDS_SCANS = {"T1w", "T2w", "FLAIR", "PDw", "T2starw", "inplaneT1", "inplaneT2", "angio", "ct"}

BIDS_VERSION = "1.10.0"


def is_bids(root: Path) -> bool:
    """Whether a folder is a BIDS dataset: it has a description and subjects."""
    return (root / "dataset_description.json").is_file() and any(root.glob("sub-*/"))


def why_not_bids(path: str) -> str:
    """The rest of the sentence "<name> ..." for a BIDS file that is not a scan; "" for a scan."""
    place, name = PurePosixPath(path).parent.name, strip_suffix(Path(path))
    *entities, suffix = name.split("_")
    pairs = dict(entity.partition("-")[::2] for entity in entities)
    if suffix not in BIDS_SCANS or place not in {"anat", "ct"}:
        words = printable(f"is '{suffix}' of '{place}' in BIDS")
        return f"{words}; medsr enhances anatomical MR and CT scans."
    kind = kind_of_name(name)
    if kind is not None:
        return why_not_anatomy(kind)
    if "desc" in pairs:
        return "is derived (its name has 'desc-')."
    return ""


def format_of(form: Format, wanted: Format | None, *, bids: bool) -> Format:
    """The format of an output: a NIfTI file names no patient, and BIDS holds NIfTI alone.

    >>> format_of(Format.DICOM, None, bids=False), format_of(Format.NIFTI, None, bids=False)
    (<Format.DICOM: 'dicom'>, <Format.NIFTI: 'nifti'>)
    """
    return (wanted or Format.DICOM) if form == Format.DICOM and not bids else Format.NIFTI


def enhanced_name(path: str, form: Format, *, bids: bool) -> str:
    """The output of an input, relative to the output folder.

    Args:
        path: of the input.
        form: of the output.
        bids: whether the name is BIDS.

    >>> enhanced_name("sub-1/anat/sub-1_T1w.nii", Format.NIFTI, bids=True)
    'sub-1/anat/sub-1_res-sr_desc-medsr_T1w.nii.gz'
    >>> enhanced_name("knee/left.nii", Format.NIFTI, bids=False)
    'knee/left.nii.gz'
    """
    place = PurePosixPath(path)
    name = strip_suffix(Path(path)) if is_image_file(Path(path)) else place.name
    if bids:
        entities, _, suffix = name.rpartition("_")
        name = f"{entities}_res-sr{BIDS_DESC}{suffix}"
    return str(place.with_name(name + ENDINGS[form]))


def thumbnail_path(out: Path, key: str) -> Path:
    """The small picture of a scan for the summary page."""
    return out / "summary_files" / f"{key}.png"


def listing_path(out: Path, key: str) -> Path:
    """Names, sizes and times of a scan's files when it was enhanced, as a digest."""
    return out / "summary_files" / f"{key}.input"


def page_path(out: Path, key: str) -> Path:
    """The page of a scan, linked from the summary page."""
    return out / "summary_files" / f"{key}.html"


def bids_facts(source: str, spacing_mm: list[float], *, skull_stripped: bool) -> dict[str, Any]:
    """What BIDS asks of the sidecar of a derived image.

    Args:
        source: the input, relative to its dataset.
        spacing_mm: of the output.
        skull_stripped: whether the source was; BIDS asks for it.
    """
    words = " x ".join(f"{mm:.3g}" for mm in spacing_mm)
    return {
        "Sources": [f"bids:raw:{source}"],
        "SpatialReference": f"bids:raw:{source}",
        "Resolution": f"{words} mm, enhanced by medsr from the spacing of the source",
        "SkullStripped": skull_stripped,
    }


def description(root: Path, out: Path) -> dict[str, Any]:
    """`dataset_description.json` of the derivatives in `out` of the dataset in `root`."""
    link = Path(os.path.relpath(root, out)).as_posix()
    return {
        "Name": "Scans enhanced by medsr; research use only, not for diagnosis",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "medsr", "Version": __version__}],
        "DatasetLinks": {"raw": link},
        "SourceDatasets": [{"URL": link}],
    }


README = (
    "Scans enhanced by medsr, which estimates the resolution lost to thick "
    "slices.\nResearch use only, not for diagnosis. Each image has a sidecar with its "
    "source, the model\nand the settings; summary.html lists what happened to every scan "
    "of the source dataset.\n"
)


def as_page(facts: dict[str, Any]) -> str:
    """JSON as medsr writes it."""
    return json.dumps(facts, indent=2) + "\n"

"""The output of an enhancement: a NIfTI file or a DICOM folder, checked beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medsr.errors import OutputError, UsageError
from medsr.extras import need
from medsr.restore.choices import Format
from medsr.restore.options import Options
from medsr.restore.record import Record
from medsr.results.names import MAPS, in_other_format, map_path
from medsr.volume.atomic import check_target, check_writable
from medsr.volume.dicom.read.series import DicomSeries
from medsr.volume.dicom.write.single_frame import FILE_PATTERN
from medsr.volume.formats import Scan, is_nifti, open_scan
from medsr.volume.sidecar import read_own_record, sidecar_path

__all__ = [
    "Target",
    "check_free",
    "check_not_the_scan",
    "format_of",
    "in_the_other_format",
    "is_own",
    "stale",
    "used_sources",
    "with_context",
]


@dataclass(frozen=True, eq=False)
class Target:
    """Where and how to write.

    Attributes:
        image: the NIfTI file or the DICOM folder.
        format: of the image and its maps.
        source: the series that a DICOM output derives from; None for NIfTI.
        multi_frame: one enhanced multi-frame file.
        page: HTML page to write, if any.
        picture: PNG of before and after to write, if any.
        facts: what the sidecar says besides the record.
        outdated: further files of medsr's own that a new version replaces.
        further: other series that the result was made of as well.
    """

    image: Path
    format: Format
    source: DicomSeries | None = None
    multi_frame: bool = False
    page: Path | None = None
    picture: Path | None = None
    facts: tuple[tuple[str, Any], ...] = ()
    outdated: tuple[Path, ...] = ()
    further: tuple[DicomSeries, ...] = ()


def format_of(output: Path, options: Options) -> Format:
    """The format that a user means: the one given, else by the name of the output.

    Raises:
        UsageError: the name and the format contradict each other, or there is no name.
    """
    if not output.absolute().name:
        raise UsageError(f"{output}: is not a valid output; give a file or a folder.")
    by_name = output.suffix == "" and not output.is_file()
    dicom = by_name if options.format is None else options.format == Format.DICOM
    if dicom and is_nifti(output):
        raise UsageError(f"{output.name}: a DICOM series goes into a folder, not a NIfTI file.")
    if not dicom and not is_nifti(output):
        raise UsageError(
            f"{output.name}: the output must end in .nii or .nii.gz, or be a folder (no ending) "
            "for a DICOM series."
        )
    if dicom and options.multi_frame:
        need("highdicom", "multiframe", "--multi-frame")
    if not dicom and options.multi_frame:
        raise UsageError("--multi-frame needs DICOM output (a folder).")
    return Format.DICOM if dicom else Format.NIFTI


def check_not_the_scan(source: Path, output: Path) -> None:
    """Refuse a result whose image or record would replace the scan or its sidecar.

    Raises:
        UsageError: it would.
    """
    if not (is_nifti(source) and is_nifti(output)):
        return
    if sidecar_path(output.absolute()) == sidecar_path(source.absolute()):
        raise UsageError(
            f"{output.name}: the output would overwrite the input scan or its sidecar. "
            "Choose another name or folder."
        )


def with_context(target: Target, scan: Scan, template: Path | None = None) -> Target:
    """The target with the series whose patient and study a DICOM output takes over.

    Args:
        target: where to write.
        scan: as read.
        template: a DICOM series whose patient and study a NIfTI scan takes over.

    Raises:
        UsageError: the words contradict each other.
        InputError, Refused: the template cannot be used.
    """
    if target.format == Format.NIFTI:
        if template is not None:
            raise UsageError("--template needs DICOM output (a folder).")
        return target
    return replace(target, source=_context(scan, template))


def _context(scan: Scan, template: Path | None) -> DicomSeries:
    """The series whose patient and study a DICOM output takes over."""
    if scan.series is not None:
        if template is not None:
            raise UsageError(
                "--template is for NIfTI input only; DICOM input provides its own patient "
                "and study."
            )
        return scan.series
    if template is None:
        raise UsageError(
            f"{scan.volume.name}: a folder as output means a DICOM series, which needs a patient "
            "and a study, and a NIfTI file names none. For a NIfTI result give a name that ends "
            "in .nii.gz; for DICOM add --template SERIES, the series that the file was made from."
        )
    with open_scan(template) as lent:
        if lent.series is None:
            raise UsageError(
                f"{template.name}: --template must be a DICOM series, not a NIfTI file."
            )
        return lent.series


def used_sources(further: Sequence[Scan], record: Record) -> tuple[DicomSeries, ...]:
    """The DICOM series besides the first that a result was made of.

    Args:
        further: the scans that were joined with the first, or its guides.
        record: of the result.
    """
    used = [part.used for part in record.guides] if record.guides else [True] * len(further)
    pairs = zip(further, used, strict=True)
    return tuple(scan.series for scan, is_used in pairs if is_used and scan.series is not None)


def check_free(target: Target, *, overwrite: bool) -> None:
    """Refuse an output that is in use, before any work is done.

    Raises:
        OutputError: it exists and may not be replaced, or cannot be written.
    """
    check_writable(target.image)
    images = [map_path(target.image, kind) for kind in MAPS]
    if target.format == Format.DICOM:
        for folder in (target.image, *images):
            check_target(folder, FILE_PATTERN, overwrite=overwrite)
    foreign = read_own_record(target.image) is None and sidecar_path(target.image).exists()
    sidecars = [sidecar_path(target.image)] if foreign else []
    files = [*([target.image, *images] if target.format == Format.NIFTI else []), *sidecars]
    for path in (*files, *([target.page] if target.page else [])):
        if path.exists() and not overwrite:
            raise OutputError(f"{path.name}: already exists; use --overwrite to replace it.")
        if path.is_dir():
            raise OutputError(f"{path.name}: is a folder. Choose another name for the result.")


def is_own(image: Path) -> bool:
    """Whether the record beside a place is of the very image that stands there."""
    facts = read_own_record(image)
    wanted = Format.NIFTI if is_nifti(image) else Format.DICOM
    return facts is not None and facts.get("Format", wanted) == wanted


def stale(target: Target) -> list[Path]:
    """What a new version replaces: the old image, its maps and records, what is outdated."""
    maps = [map_path(target.image, kind) for kind in MAPS]
    own = [image for image in maps if image.exists() and is_own(image)]
    return [target.image, *own, *map(sidecar_path, own), *target.outdated]


def in_the_other_format(image: Path) -> tuple[Path, ...]:
    """The image and its maps as an earlier run wrote them in the other format, with records."""
    images = [image, *(map_path(image, kind) for kind in MAPS)]
    other = [place for place in map(in_other_format, images) if place.exists() and is_own(place)]
    return (*other, *(sidecar_path(place) for place in other if place != in_other_format(image)))

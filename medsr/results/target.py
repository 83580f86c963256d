"""Where an enhanced scan goes: a NIfTI file or a DICOM folder, with its sidecar beside it.

`NAME.nii.gz` gets `NAME.json` and maps such as `NAME_std.nii.gz`; a folder `NAME` gets
`NAME.json` and `NAME_std`. The image comes last, so where it is, all is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medsr.errors import OutputError, UsageError
from medsr.extras import need
from medsr.restore.pipeline import Enhanced
from medsr.results.derivation import MAPS, derivation_of, with_thickness
from medsr.volume import formats, nifti
from medsr.volume.atomic import check_target, write_text
from medsr.volume.dicom.read.series import SourceSeries, read_source
from medsr.volume.dicom.write.derive import Kind
from medsr.volume.dicom.write.single_frame import FILE_PATTERN, write_series
from medsr.volume.sidecar import read_sidecar, sidecar_path, strip_suffix
from medsr.volume.volume import Volume

__all__ = ["Format", "Target", "check_free", "target_for", "write"]

Format = Literal["nifti", "dicom"]


@dataclass(frozen=True, eq=False)
class Target:
    """Where and how to write.

    Attributes:
        path: the NIfTI file or the DICOM folder.
        source: the series that a DICOM output derives from; None for NIfTI.
        multi_frame: one enhanced multi-frame file.
    """

    path: Path
    source: SourceSeries | None
    multi_frame: bool = False


def target_for(
    source: Path,
    path: Path,
    said: Format | None,
    *,
    template: Path | None,
    series_uid: str | None,
    multi_frame: bool,
) -> Target:
    """The target that a user means.

    Args:
        source: the scan.
        path: the output: .nii or .nii.gz, or a folder.
        said: the format, where the user says it.
        template: a DICOM series for the patient and study of a NIfTI scan.
        series_uid: of the source.
        multi_frame: one enhanced multi-frame file.

    Raises:
        UsageError: the words contradict each other.
        InputError, Refused: the source series or the template cannot be used.
    """
    dicom = said == "dicom" or (said is None and path.suffix == "" and not path.is_file())
    if not dicom:
        if not formats.is_nifti(path):
            raise UsageError(
                f"{path.name}: the output must end in .nii or .nii.gz, or be a folder (no ending) "
                "for a DICOM series."
            )
        if template is not None or multi_frame:
            raise UsageError("--template and --multi-frame belong to DICOM output (a folder).")
        same = sidecar_path(path.absolute()) == sidecar_path(source.absolute())
        if formats.is_nifti(source) and same:
            raise UsageError(
                f"{path.name}: the result and its record would replace the scan or its sidecar. "
                "Choose another name or folder."
            )
        return Target(path, None)
    if multi_frame:
        need("highdicom", "multiframe", "--multi-frame")
    if formats.is_nifti(path):
        raise UsageError(f"{path.name}: a DICOM series goes into a folder, not a NIfTI file.")
    return Target(path, _context(source, template, series_uid), multi_frame)


def _context(source: Path, template: Path | None, series_uid: str | None) -> SourceSeries:
    """The series whose patient and study a DICOM output takes over."""
    if not formats.is_nifti(source):
        if template is not None:
            raise UsageError("--template is for NIfTI input; a DICOM scan is its own template.")
        return read_source(source, series_uid=series_uid)
    if template is None:
        raise UsageError(
            f"{source.name}: a NIfTI file names no patient and no study, which a DICOM series "
            "needs. Give --template SERIES, the DICOM series that it was made from."
        )
    return read_source(template)


def check_free(target: Target, *, overwrite: bool) -> None:
    """Refuse an output that is in use, before any work is done.

    Raises:
        OutputError: it exists and may not be replaced.
    """
    if target.source is not None:
        maps = [_beside(target, suffix) for suffix, _ in MAPS.values()]
        for folder in (target.path, *maps):
            check_target(folder, FILE_PATTERN, overwrite=overwrite)
        return
    maps = [_beside(target, suffix) for suffix, _ in MAPS.values()]
    check_writable(target.path)
    foreign = "MedsrVersion" not in read_sidecar(target.path)  # not a record of our own
    sidecar = [sidecar_path(target.path)] if foreign else []
    for path in (target.path, *sidecar, *maps):
        if path.exists() and not overwrite:
            raise OutputError(f"{path.name}: exists already; give --overwrite to replace it.")


def check_writable(path: Path) -> None:
    """Refuse a folder that cannot be written, before any work is done.

    Raises:
        OutputError: an existing parent is not a folder, or may not be written.
    """
    there = next(p for p in path.absolute().parents if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path.name}: its folder cannot be written. Choose a folder that exists and is yours."
        )


def _beside(target: Target, suffix: str) -> Path:
    """Where a map of the image goes."""
    if target.source is not None:
        return target.path.with_name(f"{target.path.name}_{suffix}")
    stem = strip_suffix(target.path)
    return target.path.with_name(f"{stem}_{suffix}{target.path.name[len(stem) :]}")


def write(
    target: Target,
    scan: Volume,
    result: Enhanced,
    facts: dict[str, Any],
) -> None:
    """Write an image, the maps that were asked for, and the sidecar.

    Args:
        target: from `target_for`.
        scan: the measured volume.
        result: from the model.
        facts: for the sidecar.

    Raises:
        OutputError: it cannot be written.
        Refused: the scan and the template do not belong together.
    """
    found: dict[Kind, Volume | None] = {
        "spread": result.spread,
        "interval": result.half_width,
        "null_space": result.null_space_map,
        "enhanced": result.volume,  # last
    }
    for kind, volume in found.items():
        if volume is None:
            continue
        path = target.path if kind == "enhanced" else _beside(target, MAPS[kind][0])
        if target.source is None:
            nifti.write_nifti(volume, path, facts if kind == "enhanced" else None)
            continue
        if kind == "enhanced":
            _write_sidecar(path, facts)
        derived = with_thickness(volume, scan, facts)
        derivation = derivation_of(kind, scan, target.source, facts)
        if target.multi_frame:
            from medsr.volume.dicom.write.multi_frame import write_multi_frame

            write_multi_frame(derived, target.source, derivation, path)
        else:
            write_series(derived, target.source, derivation, path)


def _write_sidecar(folder: Path, facts: Mapping[str, Any]) -> None:
    write_text(json.dumps(facts, indent=2) + "\n", folder.with_name(f"{folder.name}.json"))

"""Conformance of the DICOM writer: a Markdown table of every DICOM series of a data folder.

    python -m benchmarks dicom.conformance DATA_FOLDER [--write]

A stand-in for the network repeats each slice (a grid twice as fine along the slices), so that the
voxels are known and only the writer is measured. Needs dciodvfy (dicom3tools) and dcm2niix.
Archives (.tar.xz) are unpacked into a temporary folder. Of long series, source and result, at
most SAMPLED evenly spaced files are validated. With --write the table replaces that of
docs/reference/dicom.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom

from benchmarks.page import DOCS, write_region
from medsr.errors import MedsrError
from medsr.training.cases import unpack_tar
from medsr.volume import geometry
from medsr.volume.dicom.read.choose import list_series
from medsr.volume.dicom.read.header import IMAGE
from medsr.volume.dicom.read.series import open_series
from medsr.volume.dicom.write.derive import Derivation, Kind
from medsr.volume.dicom.write.single_frame import write_series
from medsr.volume.volume import Volume

HEADER = """| series | kind | shape | stored | errors before | new | grid, mm | steps | slope |
|---|---|---|---|---|---|---|---|---|"""
PAGE = DOCS / "reference" / "dicom.md"
SAMPLED = 8
FACTOR = 2


@dataclass(frozen=True)
class Row:
    """What was measured on one series.

    Attributes:
        modality, shape: of the source.
        stored: sign and width of source and result.
        source_errors: distinct error lines of dciodvfy on the source.
        kept_errors, new_errors: lines on the result that are and are not among the source's.
        affine_mm: largest difference between dcm2niix's affine and medsr's, None when dcm2niix
            makes no single volume of the result.
        voxel_steps: largest difference of values, in steps of the stored scale.
        slope: the step.
    """

    modality: str
    shape: tuple[int, int, int]
    stored: str
    source_errors: int
    kept_errors: tuple[str, ...]
    new_errors: tuple[str, ...]
    affine_mm: float | None
    voxel_steps: float | None
    slope: float


def measure(path: Path, series_uid: str | None, work: Path) -> Row:
    """One series through the writer and the two judges."""
    with open_series(path, series=series_uid) as source:
        fine = twice_as_fine(source.volume())
        how = Derivation(Kind.ENHANCED, "conformance", "none", "0" * 64, "0", "Slices repeated.")
        write_series(fine, source, how, work / "out")
    files = list(dict.fromkeys(frame.path for frame in source.frames))
    old = set().union(*(errors_of(file) for file in spread(files)))
    new = set().union(*(errors_of(f) for f in spread(sorted((work / "out").iterdir()))))
    file = pydicom.dcmread(next((work / "out").iterdir()), stop_before_pixels=True)
    affine_mm, values = compare_dcm2niix(fine, work)
    slope = float(file.RescaleSlope)
    return Row(
        modality=str(source.modality),
        shape=source.volume().shape,
        stored=f"{words(source.headers[0])} to {words(file)}",
        source_errors=len(old),
        kept_errors=tuple(sorted(new & old)),
        new_errors=tuple(sorted(new - old)),
        affine_mm=affine_mm,
        voxel_steps=None if values is None else values / slope,
        slope=slope,
    )


def twice_as_fine(scan: Volume) -> Volume:
    """Each slice repeated, on the grid that shares the outer corners."""
    x, y, z = scan.spacing_mm
    affine, _ = geometry.refined_grid(scan.affine, scan.shape, (x, y, z / FACTOR))
    voxels = np.repeat(scan.voxels, FACTOR, axis=2)
    return replace(scan, voxels=voxels, affine=affine, slice_thickness_mm=z / FACTOR)


def spread(files: list[Path]) -> list[Path]:
    """At most SAMPLED of them, the first and the last among them."""
    places = np.unique(np.linspace(0, len(files) - 1, SAMPLED).round().astype(int))
    return [files[k] for k in places]


def errors_of(path: Path) -> set[str]:
    """The lines of dciodvfy that begin with Error."""
    run = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace")
    return {line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")}


def words(header: pydicom.Dataset) -> str:
    """Sign and width of stored numbers, e.g. u12."""
    return f"{'s' if header.PixelRepresentation else 'u'}{header.BitsStored}"


def compare_dcm2niix(fine: Volume, work: Path) -> tuple[float | None, float | None]:
    """(largest affine difference, largest voxel difference) after turning both to RAS+."""
    (work / "nii").mkdir()
    command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "out", "-o", work / "nii", work / "out"]
    subprocess.run(command, capture_output=True)
    made = list((work / "nii").glob("*.nii"))
    if len(made) != 1:
        return None, None
    theirs = nibabel.as_closest_canonical(nibabel.load(made[0]))
    ours = nibabel.as_closest_canonical(nibabel.Nifti1Image(np.array(fine.voxels), fine.affine))
    if theirs.shape != ours.shape:
        return None, None
    values = max(
        float(np.abs(theirs.dataobj[..., k] - ours.dataobj[..., k]).max())
        for k in range(ours.shape[2])
    )
    return float(np.abs(theirs.affine - ours.affine).max()), values


def all_series(data: Path, work: Path) -> Iterator[tuple[str, Path, str | None]]:
    """(name, path, SeriesInstanceUID) of every image series, archives unpacked."""
    for archive in sorted(data.rglob("*.tar.xz")):
        folder = work / archive.name.removesuffix(".tar.xz")
        unpack_tar(archive, folder)
        yield str(archive.relative_to(data)), folder, None
    folders = {p.parent for p in data.rglob("*") if p.is_file() and not p.name.endswith(".xz")}
    for folder in sorted(folders):
        for entry in sorted(p for p in folder.iterdir() if p.is_file()):
            yield from series_of(entry, data)


def series_of(entry: Path, data: Path) -> Iterator[tuple[str, Path, str | None]]:
    """The series that a file stands for, once: by its first file."""
    try:
        (summary,) = list_series(entry)
        if summary.kind != IMAGE or (summary.files > 1 and first_file(entry) != entry):
            return
        with open_series(entry):
            pass
    except (MedsrError, ValueError):
        return
    shown = entry.parent if summary.files > 1 else entry
    yield str(shown.relative_to(data)), entry, None


def first_file(entry: Path) -> Path:
    """The first file of an entry's series."""
    with open_series(entry) as series:
        return min(frame.path for frame in series.frames)


def line(name: str, row: Row) -> str:
    """A row of the table."""
    affine = "-" if row.affine_mm is None else f"{row.affine_mm:.1e}"
    steps = "-" if row.voxel_steps is None else f"{row.voxel_steps:.2f}"
    shape = " x ".join(map(str, row.shape))
    return (
        f"| {name} | {row.modality} | {shape} | {row.stored} | {row.source_errors} | "
        f"{len(row.new_errors)} | {affine} | {steps} | {row.slope:.4g} |"
    )


def table(data: Path) -> Iterator[str]:
    """The lines of the table and of the list below it; new errors go to stderr."""
    yield HEADER
    kept: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path, uid in all_series(data, Path(folder)):
            with tempfile.TemporaryDirectory() as work:
                try:
                    row = measure(path, uid, Path(work))
                except MedsrError as fault:
                    yield f"| {name} | refused: {fault} |" + " |" * 7
                    continue
            yield line(name, row)
            for error in {re.sub("= <.*>", "= <...>", error) for error in row.kept_errors}:
                kept.setdefault(error, []).append(name)
            for error in row.new_errors:
                print(f"{name}: {error}", file=sys.stderr, flush=True)
    yield "\nErrors that a source has and its derived series keeps, with the number of series:\n"
    for error, series in sorted(kept.items()):
        yield f"- {len(series)}: {error.removeprefix('Error - ')}"


def main() -> None:
    """Print the table, and write it into the page if asked."""
    parser = argparse.ArgumentParser(description="Conformance of the DICOM writer.")
    parser.add_argument("data", type=Path, help="folder of DICOM series")
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    lines = []
    for text in table(words.data):
        print(text, flush=True)
        lines.append(text)
    if words.write:
        write_region(PAGE, "dicom.conformance", "\n".join(lines))


if __name__ == "__main__":
    main()

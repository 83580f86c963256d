"""Time to read a DICOM series, beside pydicom decoding the same files: a Markdown table.

    python -m benchmarks speed.dicom_reading SERIES_FOLDER [SLICES [ROUNDS]] [--write]

SERIES_FOLDER holds one uncompressed series. From its first slices a series of SLICES slices (400)
is made in a temporary folder, once for each transfer syntax: slices repeat, UIDs and positions are
new, and the rest of each header stays. "bare pydicom" is `dcmread(path).pixel_array` of every
file, one after another, each array dropped at once; "medsr" is `read_series`, which also sorts,
checks and rescales into one float32 volume. The two take turns, the best of ROUNDS (3)
counts, and all files have been read before, so that they come from memory and not from a disk.
With --write the table replaces that of docs/reference/dicom.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from benchmarks.page import DOCS, write_region
from medsr.volume.dicom.read.series import open_series, read_series
from medsr.volume.geometry import spacing_mm

HEADER = """| syntax | slices | MB | bare pydicom, s | medsr, s | ratio |
|---|---|---|---|---|---|"""
PAGE = DOCS / "reference" / "dicom.md"
SLICES = 400
ROUNDS = 3

#: Compressing is slow, so that no more slices than these are compressed, and then repeated.
DISTINCT = 50

SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)


def make_series(source: Path, syntax: UID, slices: int, folder: Path) -> list[Path]:
    """A series in one transfer syntax: the source's first slices, repeated along its normal."""
    with open_series(source) as series:
        frames = series.frames[: min(DISTINCT, slices)]
        step_mm = float(spacing_mm(series.affine)[2])
    row, column = np.split(np.array(frames[0].orientation), 2)
    step = step_mm * np.cross(row, column)
    datasets = [compressed(pydicom.dcmread(frame.path), syntax) for frame in frames]
    uid = generate_uid()
    files = []
    for k in range(slices):
        dataset = datasets[k % len(datasets)]
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = uid, generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        position = np.array(frames[0].position) + k * step
        dataset.ImagePositionPatient = [f"{mm:.8g}" for mm in position]
        dataset.InstanceNumber = k + 1
        files.append(folder / f"{k:04d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


def compressed(dataset: Dataset, syntax: UID) -> Dataset:
    """The same data set in another transfer syntax."""
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
        return dataset
    plain = Dataset({element.tag: element for element in dataset})  # free of its encoding
    plain.file_meta, plain.preamble = dataset.file_meta, dataset.preamble
    plain.file_meta.TransferSyntaxUID = syntax
    return plain


def decode_bare(files: list[Path]) -> None:
    """What pydicom does alone."""
    for file in files:
        _ = pydicom.dcmread(file).pixel_array


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(source: Path, syntax: UID, slices: int, rounds: int) -> str:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = make_series(source, syntax, slices, folder)
        size = sum(len(file.read_bytes()) for file in files)
        turns = [
            (seconds(lambda: decode_bare(files)), seconds(lambda: read_series(folder)))
            for _ in range(rounds)
        ]
    bare, ours = (min(times) for times in zip(*turns, strict=True))
    return (
        f"| {syntax.name} | {slices} | {size / 1e6:.0f} | {bare:.2f} | {ours:.2f} | "
        f"{ours / bare:.2f} |"
    )


def main() -> None:
    """Print the table, and write it into the page if asked."""
    parser = argparse.ArgumentParser(description="Time to read a DICOM series.")
    parser.add_argument("source", type=Path, help="folder of one uncompressed series")
    parser.add_argument("slices", type=int, nargs="?", default=SLICES)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    lines = [HEADER]
    print(HEADER, flush=True)
    for syntax in SYNTAXES:
        lines.append(line(words.source, syntax, words.slices, words.rounds))
        print(lines[-1], flush=True)
    if words.write:
        write_region(PAGE, "speed.dicom_reading", "\n".join(lines))


if __name__ == "__main__":
    main()

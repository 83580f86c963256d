"""Print a markdown table: reading a DICOM series, against pydicom decoding the same files.

Usage: python -m benchmarks speed.dicom_reading SERIES_FOLDER [SLICES [ROUNDS]]

SERIES_FOLDER holds one uncompressed series. From its first slices a series of SLICES slices (400)
is made in a temporary folder, once for each transfer syntax: slices repeat, UIDs and positions are
new, and the rest of each header stays. "bare pydicom" is `dcmread(path).pixel_array` of every
file, one after another, each array dropped at once; "medsr" is `read_series`, which also sorts,
checks and rescales into one float32 volume. The two take turns, the best of ROUNDS (3)
counts, and all files have been read before, so that they come from memory and not from a disk.
"""

from __future__ import annotations

import sys
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

from medsr.volume.dicom.read.choose import chosen_group
from medsr.volume.dicom.read.series import read_series, stacked_frames

HEADER = """| syntax | slices | MB | bare pydicom, s | medsr, s | ratio |
|---|---|---|---|---|---|"""
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
    with chosen_group(source, None) as group:
        frames, stack = stacked_frames(group, source.name)
    frames = frames[: min(DISTINCT, slices)]
    row, column = np.split(np.array(frames[0].orientation), 2)
    step = stack.step_mm * np.cross(row, column)
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


def main(source: Path, slices: int = SLICES, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(HEADER, flush=True)
    for syntax in SYNTAXES:
        print(line(source, syntax, slices, rounds), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]))

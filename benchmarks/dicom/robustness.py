"""Print a markdown table: every odd DICOM file of a data folder, and what medsr makes of it.

Usage: python -m benchmarks dicom.robustness DATA_FOLDER > docs/robustness.md

Each folder that holds files is read as a folder, and each of its files as a file. Files that give
the same answer as their folder are not listed one by one. Archives (.tar.xz) are unpacked into a
temporary folder.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medsr.errors import MedsrError
from medsr.training.cases import unpack_tar
from medsr.volume.dicom.read.series import read_series

PARTS = ("robustness_dicom", "ct_head_ge_tilt", "ct_totalsegmentator_example")

INTRO = """# What medsr makes of odd DICOM

Every file and folder of a collection of scans that are compressed, cut, tilted, incomplete,
anonymised to the bone or not scans at all, through `read_series`. Each loads with the shape
(columns x rows x slices) and spacing given, or is refused with the sentence
given. Nothing else may happen; a test checks it.

Made by `python -m benchmarks dicom.robustness DATA_FOLDER > docs/robustness.md`. The collections:
[dcm_qa_ts](https://github.com/neurolabusc/dcm_qa_ts),
[dicom2nifti](https://github.com/icometrix/dicom2nifti),
[pydicom-data](https://github.com/pydicom/pydicom-data),
[dcm_qa_ct](https://github.com/neurolabusc/dcm_qa_ct) and the example of
[TotalSegmentator](https://github.com/wasserth/TotalSegmentator). "each of N files" means that
every DICOM file of the folder, given alone, gave the folder's answer.

| path | outcome | shape and spacing in mm, or the sentence |
|---|---|---|"""


def cases(folder: Path) -> Iterator[Path]:
    """Every folder that directly holds files, each followed by its files."""
    for place in sorted([folder, *(p for p in folder.rglob("*") if p.is_dir())]):
        files = sorted(p for p in place.iterdir() if p.is_file())
        if files:
            yield place
            yield from files


def outcome(path: Path) -> tuple[str, str]:
    """("loads" or the error's class, what a person would read)."""
    try:
        volume = read_series(path)
    except MedsrError as fault:
        return {"InputError": "not readable", "Refused": "refused"}[type(fault).__name__], str(
            fault
        )
    shape = " x ".join(str(n) for n in volume.shape)
    spacing = " x ".join(f"{s:.4g}" for s in volume.spacing_mm)
    return "loads", f"{shape}; {spacing}; {volume.modality}, {volume.unit}"


def rows(root: Path, start: Path) -> Iterator[str]:
    """Table rows of one collection; a folder and its files in one row where they agree."""
    for folder in dict.fromkeys(p if p.is_dir() else p.parent for p in cases(start)):
        files = sorted(p for p in folder.iterdir() if p.is_file())
        whole = outcome(folder)
        singly = {file: outcome(file) for file in files}
        plain = {f: got for f, got in singly.items() if _answer(f, got) != _answer(folder, whole)}
        same = len(files) - len(plain)
        also = f" and each of {same} files" if same else ""
        yield _row(f"{folder.relative_to(root)}/{also}", whole)
        for file, got in plain.items():
            yield _row(str(file.relative_to(root)), got)


def _answer(path: Path, got: tuple[str, str]) -> tuple[str, str]:
    """The answer without the name of what was asked for."""
    return got[0], got[1].removeprefix(f"{path.name}: ")


def _row(path: str, got: tuple[str, str]) -> str:
    return f"| {path} | {got[0]} | {got[1].replace('|', chr(92) + '|')} |"


def main(data: Path) -> None:
    print(INTRO)
    for part in PARTS:
        for row in rows(data, data / part):
            print(row)
        for archive in sorted((data / part).glob("*.tar.xz")):
            with tempfile.TemporaryDirectory() as unpacked:
                inside = Path(unpacked) / part / archive.name.removesuffix(".tar.xz")
                unpack_tar(archive, inside)
                for row in rows(Path(unpacked), inside):
                    print(row)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m benchmarks dicom.robustness DATA_FOLDER")
    main(Path(sys.argv[1]))

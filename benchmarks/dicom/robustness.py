"""How medsr reads unusual DICOM files: a Markdown table of a data folder.

    python -m benchmarks dicom.robustness DATA_FOLDER [--write]

Each folder that contains files is read as a folder, and each of its files as a file. Files that
give the same answer as their folder are not listed one by one. Archives (.tar.xz) are unpacked
into a temporary folder. With --write the table replaces that of docs/reference/odd-dicom.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.page import DOCS, write_region
from medsr.errors import InputError, MedsrError
from medsr.training.cases import unpack_tar
from medsr.volume.dicom.read.series import read_series

PARTS = ("robustness_dicom", "ct_head_ge_tilt", "ct_totalsegmentator_example")

HEADER = """| path | outcome | shape and spacing in mm, or the message |
|---|---|---|"""
PAGE = DOCS / "reference" / "odd-dicom.md"


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
        return "not readable" if isinstance(fault, InputError) else "refused", str(fault)
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


def table(data: Path) -> Iterator[str]:
    """The lines of the table."""
    yield HEADER
    for part in PARTS:
        yield from rows(data, data / part)
        for archive in sorted((data / part).glob("*.tar.xz")):
            with tempfile.TemporaryDirectory() as unpacked:
                inside = Path(unpacked) / part / archive.name.removesuffix(".tar.xz")
                unpack_tar(archive, inside)
                yield from rows(Path(unpacked), inside)


def main() -> None:
    """Print the table, and write it into the page if asked."""
    parser = argparse.ArgumentParser(description="How medsr reads unusual DICOM files.")
    parser.add_argument("data", type=Path, help="folder of the collections")
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    if not words.data.is_dir():
        parser.error(f"{words.data.name}: there is no such folder")
    lines = []
    for line in table(words.data):
        print(line, flush=True)
        lines.append(line)
    if words.write:
        write_region(PAGE, "dicom.robustness", "\n".join(lines))


if __name__ == "__main__":
    main()

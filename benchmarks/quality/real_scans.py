"""Every real scan of a data folder, enhanced with the default options: two Markdown tables.

    python -m benchmarks quality.real_scans DATA_FOLDER [--write]

Scans are NIfTI files, archives `*_dicom.tar.xz`, and folders that directly hold DICOM files; the
smallest come first. Each is enhanced with the bundled model of its modality (the posterior mean).
The first table says of each result whether it has a negative voxel that its scan has not, and
whether it agrees with its scan as data consistency promises; the second has the sentence with
which the others were refused. With --write the tables replace those of
docs/development/real-scans.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page import DOCS, write_region
from medsr.errors import MedsrError, MedsrWarning
from medsr.remarks import Meaning
from medsr.restore.data_consistency import NOISE_FREE, SLACK, TOLERANCE
from medsr.restore.enhancer import Enhanced, Models
from medsr.restore.options import Options
from medsr.training.cases import unpack_tar
from medsr.volume.formats import is_nifti, read
from medsr.words import markdown_text

PAGE = DOCS / "development" / "real-scans.md"
ARCHIVE = "_dicom.tar.xz"

RESULTS = """| scan | spacing, mm | result, mm | least value: scan | result | noise | worst voxel \
| root mean square | agrees with the scan | s |
|---|---|---|---|---|---|---|---|---|---|"""
REFUSALS = """| scan | reason |
|---|---|"""


@dataclass(frozen=True)
class Row:
    """What came of one scan.

    Attributes:
        scan: its path below the data folder.
        spacing_mm, fine_mm: of the scan and of the result.
        least, least_of_result: smallest voxels, in the scan's unit.
        noise: estimated standard deviation of the scan's noise, over the intensity gain.
        worst, rms: |A x - y| at the worst measured voxel and root mean square, over the gain.
        doubts: remarks on the result.
        seconds: of the enhancement, without reading.
    """

    scan: str
    spacing_mm: tuple[float, ...]
    fine_mm: tuple[float, ...]
    least: float
    least_of_result: float
    noise: float
    worst: float
    rms: float
    doubts: tuple[str, ...]
    seconds: float

    @property
    def has_new_negatives(self) -> bool:
        """Whether the result has a value below 0 and the scan has none."""
        return self.least >= 0 > self.least_of_result

    @property
    def agreement(self) -> str:
        """Whether data consistency keeps its promise: 0.5 % of the gain, or the scan's noise."""
        if self.worst <= TOLERANCE + SLACK:
            return "yes"
        if self.noise >= NOISE_FREE and self.rms <= self.noise:
            return "within its noise"
        return "no: " + (" ".join(self.doubts) or "no remark says why.")

    def line(self) -> str:
        """A row of the table."""
        least = f"{self.least_of_result:.4g}" + (" (!)" if self.has_new_negatives else "")
        cells = (
            self.scan, _mm(self.spacing_mm), _mm(self.fine_mm), f"{self.least:.4g}", least,
            f"{self.noise:.3f}", f"{self.worst:.4f}", f"{self.rms:.4f}", self.agreement,
            f"{self.seconds:.0f}",
        )  # fmt: skip
        return "| " + " | ".join(markdown_text(cell) for cell in cells) + " |"


def _mm(lengths: Sequence[float]) -> str:
    return " x ".join(f"{length:.3g}" for length in lengths)


@dataclass(frozen=True)
class Refusal:
    """A scan that was refused, with the sentence."""

    scan: str
    sentence: str

    def line(self) -> str:
        """A row of the table."""
        return f"| {markdown_text(self.scan)} | {markdown_text(self.sentence)} |"


def tables(rows: Sequence[Row | Refusal]) -> str:
    """Both tables, and a sentence that counts."""
    results = sorted((r for r in rows if isinstance(r, Row)), key=lambda r: r.scan)
    refusals = sorted((r for r in rows if isinstance(r, Refusal)), key=lambda r: r.scan)
    negative = sum(row.has_new_negatives for row in results)
    apart = sum(row.agreement.startswith("no") for row in results)
    count = (
        f"{len(rows)} scans: {len(results)} enhanced, {len(refusals)} refused. Results with a "
        f"negative voxel where the scan has none: {negative}. Results that do not agree with "
        f"their scan as promised: {apart}."
    )
    lines = [RESULTS, *(r.line() for r in results), "", REFUSALS, *(r.line() for r in refusals)]
    return "\n".join([*lines, "", count])


def scans_in(data: Path) -> list[Path]:
    """Every scan of a data folder, the smallest first."""
    files = sorted(path for path in data.rglob("*") if path.is_file())
    found = [f for f in files if is_nifti(f) or f.name.endswith(ARCHIVE)]
    found += sorted({f.parent for f in files if _is_dicom(f)})
    return sorted(found, key=_bytes_of)


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _bytes_of(scan: Path) -> int:
    files = scan.iterdir() if scan.is_dir() else [scan]
    return sum(file.stat().st_size for file in files)


@contextmanager
def _unpacked(scan: Path) -> Iterator[Path]:
    """The scan itself, or for an archive a temporary folder with its files."""
    if not scan.name.endswith(ARCHIVE):
        yield scan
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack_tar(scan, Path(folder))
        yield Path(folder)


def outcome(scan: Path, name: str, models: Models) -> Row | Refusal:
    """Enhance one scan."""
    try:
        with _unpacked(scan) as path, warnings.catch_warnings():
            warnings.simplefilter("ignore", MedsrWarning)
            volume = read(path)
            start = time.perf_counter()
            enhanced = models.of_scan(volume, Options()).enhance(volume)
            return _row(name, enhanced, time.perf_counter() - start)
    except MedsrError as fault:
        return Refusal(name, _without_name(str(fault)))


def _without_name(sentence: str) -> str:
    """A sentence without the file's name before it, which of an archive is a temporary one."""
    name, _, rest = sentence.partition(": ")
    return rest if rest and " " not in name else sentence


def _row(name: str, enhanced: Enhanced, seconds: float) -> Row:
    record = enhanced.record
    if record.findings is None:
        raise ValueError(f"{name}: a finished result has findings.")
    return Row(
        scan=name,
        spacing_mm=record.input_spacing_mm,
        fine_mm=record.output_spacing_mm,
        least=float(enhanced.measured.voxels.min()),
        least_of_result=float(enhanced.volume.voxels.min()),
        noise=record.findings.noise,
        worst=record.findings.largest_residual,
        rms=record.findings.rms_residual,
        doubts=tuple(
            remark.text
            for remark in enhanced.remarks
            if remark.meaning is Meaning.DOUBT or "are not reproduced" in remark.text
        ),
        seconds=seconds,
    )


def main() -> None:
    """Print the tables, and write them into the page if asked."""
    parser = argparse.ArgumentParser(description="Every real scan, with the default options.")
    parser.add_argument("data", type=Path, help="folder of real scans")
    parser.add_argument("--write", action="store_true", help=f"also write docs/.../{PAGE.name}")
    words = parser.parse_args()
    if not words.data.is_dir():
        parser.error(f"{words.data.name}: there is no such folder")
    models, rows = Models(), list[Row | Refusal]()
    for scan in scans_in(words.data):
        rows.append(outcome(scan, scan.relative_to(words.data).as_posix(), models))
        print(rows[-1].line(), flush=True)
    print(f"\n{tables(rows)}")
    if words.write:
        write_region(PAGE, "quality.real_scans", tables(rows))


if __name__ == "__main__":
    main()

"""Values that the batch passes on: items (one scan), jobs (settings) and outcomes.

What is printed of a scan is its label. A BIDS file is called by its path, which is a pseudonym by
rule; a loose NIfTI file by its file name; a DICOM series by its key alone, because the folders of
a DICOM dump are often named after people. Only `where.csv` says which folder a key stands for.
"""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medsr.remarks import Remark
from medsr.restore.choices import Format
from medsr.restore.options import Options

if TYPE_CHECKING:
    from medsr.restore.enhancer import Enhanced
    from medsr.volume.volume import Volume

__all__ = [
    "Decision",
    "End",
    "Item",
    "Job",
    "Means",
    "Model",
    "Outcome",
    "Restore",
    "key_of",
]

DEFAULTS = Options()


class Decision(enum.StrEnum):
    """What a plan does with a scan."""

    ENHANCE = "enhance"
    SKIP = "skip"
    REFUSE = "refuse"


class End(enum.StrEnum):
    """The outcome of a scan.

    SET_ASIDE lost its worker too often; BUSY is being done by another run.
    """

    DONE = "done"
    DONE_EARLIER = "done earlier"
    SKIPPED = "skipped"
    BUSY = "busy elsewhere"
    FAILED = "failed"
    REFUSED = "refused"
    SET_ASIDE = "set aside"
    NOT_REACHED = "not reached"


Triple = tuple[int, int, int]

#: What the header of one derived slice takes at most, the rest of its last disk block included.
HEADER_BYTES = 16_384

#: What the page of a scan takes at most.
PAGE_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One scan of a study and what is to become of it.

    Attributes:
        key: 12 hex digits, the same in every run.
        label: what the scan is called in messages.
        form: what the scan is.
        decision: what is to be done.
        reason: in words, for a scan that is not enhanced; or why it is done again.
        output: the image to write, relative to the output folder; "" when none.
        packed: the files, relative to the input folder, each ended by a zero byte; relative
            paths are kept so to hold a million of them.
        files: how many there are.
        modality: "MR", "CT", another code, or "" if unknown.
        shape, spacing_mm: of the scan, [X, Y, Z]; None when not one volume.
        fine_shape: of the output.
        integers: whether CT would be written as int16.
        format: of the output: a NIfTI file or a DICOM folder.
        protocol: 12 hex digits, the same for scans that share an adaptation; "" without one.
        guide: key of the scan that guides it; "" without one.
        guide_packed: the files of that, as `packed`.
    """

    key: str
    label: str
    form: Format
    decision: Decision
    reason: str = ""
    output: str = ""
    packed: bytes = b""
    files: int = 0
    modality: str = ""
    shape: Triple | None = None
    spacing_mm: tuple[float, float, float] | None = None
    fine_shape: Triple | None = None
    integers: bool = False
    format: Format = Format.NIFTI
    protocol: str = ""
    guide: str = ""
    guide_packed: bytes = b""

    def paths(self, root: Path) -> list[Path]:
        """The files, in the order of their names."""
        return _unpacked(self.packed, root)

    def guide_paths(self, root: Path) -> list[Path]:
        """The files of the guide, in the order of their names."""
        return _unpacked(self.guide_packed, root)

    @property
    def fine_voxels(self) -> int:
        """Number of voxels of the output."""
        if self.fine_shape is None:
            return 0
        x, y, z = self.fine_shape
        return x * y * z

    @property
    def most_bytes(self) -> int:
        """What the enhanced image can take on the disk at most."""
        if self.format == Format.DICOM:
            slices = self.fine_shape[2] if self.fine_shape else 0
            return self.fine_voxels * 2 + slices * HEADER_BYTES + 4096
        return self.fine_voxels * (2 if self.modality == "CT" and self.integers else 4) + 4096


@dataclass(frozen=True)
class Model:
    """A model that a batch uses.

    Attributes:
        name: or path.
        digest: SHA-256 of its weights.
        settings_digest: of the card's settings that change results.
        guides: whether it takes guides.
    """

    name: str
    digest: str
    settings_digest: str
    guides: bool = False


@dataclass(frozen=True)
class Means:
    """How a batch works; nothing of it changes a result.

    Attributes:
        device: auto, cpu, cuda[:N] or mps, on the workers.
        threads: CPU threads of a worker; 0: what Dask gave it, or all.
        overwrite: do again what is done.
        report: also write a page for each scan, linked from the summary page.
        readers: processes that read headers; more than 1 needs the caller's script to be
            importable, as `multiprocessing` asks.
        claim_age_s: a claim whose holder has not been heard of for so long is void.
    """

    device: str = "auto"
    threads: int = 0
    overwrite: bool = False
    report: bool = False
    readers: int = 1
    claim_age_s: float = 600.0


ORDINARY = Means()


@dataclass(frozen=True)
class Job:
    """How all items of one run are done; travels to every worker.

    Attributes:
        root, out: input and output folder.
        bids: whether the input is a BIDS dataset.
        models: modality -> model.
        options: of every enhancement; `modality` is for scans that do not state theirs.
        means: how the work is done.
        run: names this run in its claims.
        groups: protocol -> the scans that a model is adapted to; empty without `--adapt`.
        item: the scan that is being enhanced; only where `restore` is called.
        guides: the scans that guide it; likewise.
    """

    root: Path
    out: Path
    bids: bool
    models: Mapping[str, Model]
    options: Options = DEFAULTS
    means: Means = ORDINARY
    run: str = ""
    groups: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    item: Item | None = None
    guides: tuple[Volume, ...] = ()

    def most_bytes(self, item: Item) -> int:
        """What all outputs of an item can take on the disk at most."""
        maps = (self.options.samples > 1, self.options.interval, self.options.null_space_map)
        return (1 + sum(maps)) * item.most_bytes + (PAGE_BYTES if self.means.report else 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an item: its end, the reason in words, seconds of work, remarks."""

    key: str
    end: End
    reason: str = ""
    seconds: float = 0.0
    remarks: tuple[Remark, ...] = ()


def _unpacked(packed: bytes, root: Path) -> list[Path]:
    names = sorted(name for name in packed.split(b"\0") if name)
    return [root / os.fsdecode(name) for name in names]


#: What enhances a volume.
Restore = Callable[["Volume", "Job"], "Enhanced"]


def key_of(identity: str) -> str:
    """12 hex digits that stand for a path or a UID.

    >>> key_of("sub-01/anat/sub-01_T1w.nii.gz")
    'c5c9c8c8aca0'
    """
    return hashlib.sha256(os.fsencode(identity)).hexdigest()[:12]

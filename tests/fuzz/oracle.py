"""What is right of any input: a valid scan, or a fault in a sentence that shows nobody's name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from medsr.batch.discover import Damaged, DicomFile, ImageFile, read_headers
from medsr.batch.job import Decision, Item
from medsr.batch.series import gather
from medsr.batch.triage import Wishes, decide_damaged, decide_nifti, decide_series
from medsr.commands import info
from medsr.errors import MedsrError
from medsr.restore.options import Options
from medsr.volume import formats
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.volume import Volume
from medsr.volume.walk import walk
from tests.fuzz.case import DESCRIPTION, SECRET, Case

T = TypeVar("T")

#: Sentences of a message; what the batch adds to a fault of one file comes on top.
MAX_SENTENCES, MAX_CHARACTERS = 3, 900

#: No scan has values, or lies further from its origin, or is thicker, than this.
MAX_VALUE, MAX_ORIGIN_MM, MAX_THICKNESS_MM = 1e12, 1e6, 1e3

#: Control characters, halves of characters, and breaks of lines and paragraphs.
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


class Wrong(Exception):
    """medsr did something that is not right; `kind` sorts the findings."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


@dataclass(frozen=True)
class Verdict:
    """How a case that was right ended: a volume was read, or why not."""

    loaded: bool
    words: str = ""


def judge(kind: str, case: Case, *, thorough: bool = True) -> Verdict:
    """Judge one case; `info`, which reads all once more, only where `thorough`.

    Raises:
        Wrong: something is not right.
        Exception: anything that is not medsr's own.
    """
    if kind == "text":
        return _judge_text(case)
    volume, fault = _outcome(lambda: formats.read(case.path))
    if volume is not None:
        check_volume(volume)
    _second_opinion(kind, case, volume)
    if thorough:
        _judge_info(case, volume, fault)
    if kind != "zip":
        _judge_batch(case, volume, fault)
    return Verdict(volume is not None, "" if fault is None else str(fault))


def _judge_info(case: Case, volume: Volume | None, fault: MedsrError | None) -> None:
    lines, told = _outcome(lambda: info.run(case.path, None).lines)
    for line in lines or ():
        shown = line.replace(str(case.path), "").replace(DESCRIPTION, "")
        check_words(shown, sentence=False)
    if (volume is None) == (told is None) and not (lines and volume is None):
        raise Wrong("info disagrees", f"read: {fault}; info: {lines} {told}")


def _second_opinion(kind: str, case: Case, volume: Volume | None) -> None:
    from tests.fuzz import reference

    if kind == "nifti" and volume is not None:
        reference.check_nifti(case.path, volume)
    if kind == "dicom":
        with parse_quietly():
            found = reference.opinions(case.path)
            if volume is not None:
                reference.check_series(found, volume)
        reference.check_fast_road(found)


def _outcome(work: Callable[[], T]) -> tuple[T | None, MedsrError | None]:
    """What work gives, or medsr's own fault, whose words are right."""
    try:
        return work(), None
    except MedsrError as fault:
        check_words(str(fault))
        return None, fault


def check_words(words: str, *, sentence: bool = True) -> None:
    """A message is printable, short, whole sentences, and names nobody.

    Raises:
        Wrong: it is not.
    """
    if any(name.lower() in words.lower() for name in (SECRET, DESCRIPTION)):
        raise Wrong("names a patient", words)
    if any(unicodedata.category(sign) in UNPRINTABLE for sign in words):
        raise Wrong("unprintable words", repr(words))
    if not sentence:
        return
    if len(words) > MAX_CHARACTERS:
        raise Wrong("long words", words)
    if not words.endswith((".", "?")):
        raise Wrong("no sentence", words)
    if len(re.findall(r"[.?!](?= [A-Z`]|$)", words)) > MAX_SENTENCES:
        raise Wrong("many sentences", words)


def check_volume(volume: Volume) -> None:
    """A volume is finite, on a grid that can be a patient's, with a name for messages.

    Raises:
        Wrong: it is not.
    """
    if not np.isfinite(volume.voxels).all() or not np.isfinite(volume.affine).all():
        raise Wrong("not finite", f"{volume.affine}")
    if np.abs(volume.voxels).max() > MAX_VALUE:
        raise Wrong("implausible values", f"{volume.voxels.min()} to {volume.voxels.max()}")
    if np.abs(volume.affine[:3, 3]).max() > MAX_ORIGIN_MM:
        raise Wrong("implausible origin", f"{volume.affine[:3, 3]}")
    if not (min(volume.spacing_mm) >= 1e-3 and max(volume.spacing_mm) <= 100):
        raise Wrong("implausible spacing", f"{volume.spacing_mm}")
    thickness = volume.slice_thickness_mm
    if thickness is not None and not 0 < thickness <= MAX_THICKNESS_MM:
        raise Wrong("implausible thickness", f"{thickness}")
    if volume.slice_axis is not None and volume.slice_axis not in (0, 1, 2):
        raise Wrong("no such axis", f"{volume.slice_axis}")
    check_words(volume.name, sentence=False)


def batch_rows(root: Path) -> list[Item]:
    """What the batch decides of every scan below a folder, from headers alone."""
    wishes = Wishes(Options(), "", {"MR": None, "CT": None})  # type: ignore[dict-item]
    dicom: list[DicomFile | Damaged] = []
    rows = []
    for header in read_headers(root, walk(root, root / "no output", lambda _: True), 1):
        if isinstance(header, ImageFile):
            rows.append(decide_nifti(header, wishes))
        else:
            dicom.append(header)
    series, damaged = gather(dicom)
    rows += [decide_series(one, wishes) for one in series]
    return rows + [decide_damaged(one) for one in damaged]


def _judge_batch(case: Case, volume: Volume | None, fault: MedsrError | None) -> None:
    """Every scan is a row; what loads is not refused there, what is not a scan is not planned."""
    rows = batch_rows(case.path.parent)
    for row in rows:
        check_words(row.reason or "x.")
        check_words(row.label, sentence=False)
    there = case.path.is_file() or case.path.is_dir()  # a pipe is no row
    if len(rows) != 1 or not there or case.path.is_file() != (rows[0].form == "nifti"):
        return
    if volume is not None and rows[0].decision == Decision.REFUSE:
        raise Wrong("batch refuses", f"{rows[0].reason} (the reader takes it)")
    if volume is not None and rows[0].shape not in (None, volume.shape):
        raise Wrong("batch shape", f"{rows[0].shape}, read {volume.shape}")
    if volume is None and rows[0].decision == Decision.ENHANCE and not _needs_pixels(str(fault)):
        raise Wrong("batch enhances", f"{fault}")


#: Words of faults that no header shows; a plan cannot know of them.
PIXEL_WORDS = (
    "decoded", "pixel data", "voxels are not finite", "damaged", "cut", "checksum", "shorter",
    "compressed", "gzip", "truncated", "ends", "bytes", "goes on after", "longer than its header",
    "differ in their pixels",
)  # fmt: skip


def _needs_pixels(words: str) -> bool:
    return any(word in words for word in PIXEL_WORDS)


def _judge_text(case: Case) -> Verdict:
    from medsr.batch.cluster import load_queue_config
    from medsr.config import load_config
    from medsr.network.checkpoint import load_card, load_model
    from medsr.node.rules import load_settings

    if case.path.stem == "card":
        card, fault = _outcome(lambda: load_card(case.path))
        if card is not None:
            weights = case.path.with_suffix(".safetensors")
            _, fault = _outcome(lambda: load_model(weights))
            _ = card.settings_digest
    elif case.path.stem == "train":
        _, fault = _outcome(lambda: load_config(case.path))
    elif case.path.stem == "rules":
        _, fault = _outcome(lambda: load_settings(case.path))
    else:
        _, fault = _outcome(lambda: load_queue_config(case.path))
    return Verdict(fault is None, "" if fault is None else str(fault))

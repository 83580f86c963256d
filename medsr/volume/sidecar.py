"""The BIDS sidecars of an image.

Keys are those of BIDS: `SliceThickness`, `SpacingBetweenSlices` (mm), `Modality`.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.errors import Refused
from medsr.remarks import Meaning, Remark
from medsr.volume.bids import inherited_sidecars
from medsr.volume.modality import Modality

__all__ = [
    "IMAGE_SUFFIXES",
    "SUFFIXES",
    "Sidecar",
    "declared_modality",
    "declared_profile",
    "positive_number",
    "read_own_record",
    "read_settings",
    "read_sidecar",
    "sidecar_files",
    "sidecar_path",
    "strip_suffix",
]

SUFFIXES = (".nii.gz", ".nii")

#: Every image file that medsr reads; only NIfTI is written and has sidecars.
IMAGE_SUFFIXES = (*SUFFIXES, ".mgz", ".mgh", ".mha", ".mhd", ".nrrd", ".nhdr")

#: A sidecar is a page of settings; anything larger is not one.
MAX_SIDECAR_BYTES = 4 * 1024 * 1024


def strip_suffix(path: Path) -> str:
    """The file name without the ending of its format.

    >>> strip_suffix(Path("a/b.c.nii.gz"))
    'b.c'
    """
    for suffix in IMAGE_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def sidecar_path(path: Path) -> Path:
    """The JSON file that stands beside an image, as BIDS names it."""
    return path.with_name(strip_suffix(path) + ".json")


@dataclass(frozen=True)
class Sidecar:
    """The settings that count for an image, and remarks on files that could not be read."""

    settings: dict[str, Any]
    remarks: tuple[Remark, ...] = ()


def read_sidecar(path: Path) -> dict[str, Any]:
    """The JSON object in the file beside an image; empty when there is none, or none readable."""
    return _parsed(sidecar_path(path)).settings


def read_settings(path: Path) -> Sidecar:
    """All settings that count for an image.

    The file beside it, and in a BIDS dataset also those that it inherits; the nearest wins.
    A file that cannot be read is left out, with a remark.
    """
    parts = [_parsed(file) for file in sidecar_files(path)]
    settings: dict[str, Any] = {}
    for part in parts:
        settings |= part.settings
    return Sidecar(settings, tuple(remark for part in parts for remark in part.remarks))


def sidecar_files(path: Path) -> list[Path]:
    """The files whose settings count for an image, the nearest last; only those that exist."""
    own = Path(os.path.abspath(sidecar_path(path)))
    inherited = inherited_sidecars(path, strip_suffix(path))
    return [file for file in (*(f for f in inherited if f != own), own) if file.is_file()]


def _parsed(file: Path) -> Sidecar:
    """One file, read as people write them: UTF-8 or UTF-16, with or without a byte order mark."""
    try:
        kind = file.stat()
        if not stat.S_ISREG(kind.st_mode):
            return _ignored(file, "is not a file")
        if kind.st_size > MAX_SIDECAR_BYTES:
            return _ignored(file, "is too large for a sidecar")
        settings = json.loads(_text(file.read_bytes()), parse_int=_whole_number)
    except FileNotFoundError:
        return Sidecar({})
    except (OSError, ValueError, RecursionError, MemoryError):
        return _ignored(file, "cannot be read as JSON")
    if not isinstance(settings, dict):
        return _ignored(file, "is not a JSON object of settings")
    return Sidecar(settings)


def read_own_record(image: Path) -> dict[str, Any] | None:
    """The record that medsr wrote beside an image; None where there is none of its own."""
    facts = read_sidecar(image)
    return facts if "MedsrVersion" in facts else None


def _ignored(file: Path, why: str) -> Sidecar:
    words = f"The sidecar {file.name} {why} and was ignored; correct or remove it."
    return Sidecar({}, (Remark(Meaning.ASSUMPTION, words),))


def _text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if content[:1] == b"\0" or content[1:2] == b"\0":  # "{" is the first sign, mark or not
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _whole_number(digits: str) -> float:
    """An integer; one that no scanner writes becomes a float, which may be infinite."""
    return int(digits) if len(digits) <= 18 else float(digits)


def declared_modality(facts: Mapping[str, Any], name: str) -> Modality | None:
    """MR or CT, in DICOM's or in words; a field strength implies MR; None if unknown.

    Raises:
        Refused: another modality.
    """
    declared = facts.get("Modality")
    code = declared.strip().upper() if isinstance(declared, str) else ""
    if code == "CT":
        return Modality.CT
    if code in {"MR", "MRI"}:
        return Modality.MR
    if re.fullmatch("[A-Z]{2,4}", code):
        raise Refused(
            f"{name}: has modality {code} according to its sidecar; medsr supports MR and "
            "CT. Correct the sidecar if that is wrong."
        )
    return Modality.MR if "MagneticFieldStrength" in facts else None


def declared_profile(facts: Mapping[str, Any]) -> str | None:
    """SliceProfile as `medsr degrade` writes it."""
    profile = facts.get("SliceProfile")
    return str(profile) if profile in ("gaussian", "box") else None


def positive_number(value: object) -> float | None:
    """A positive finite number, also where it was written as text; None for all else."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) and math.isfinite(value) and value > 0:
        return float(value)
    return None

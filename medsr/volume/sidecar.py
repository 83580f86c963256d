"""The BIDS sidecar beside an image: a JSON object of settings.

Keys are those of BIDS: `SliceThickness`, `SpacingBetweenSlices` (mm), `Modality`.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from medsr.errors import InputError, Refused
from medsr.volume.modality import Modality

__all__ = [
    "SUFFIXES",
    "declared_modality",
    "declared_profile",
    "positive_number",
    "read_own_record",
    "read_sidecar",
    "sidecar_path",
    "strip_suffix",
]

SUFFIXES = (".nii.gz", ".nii")

#: A sidecar is a page of settings; anything larger is not one.
MAX_SIDECAR_BYTES = 4 * 1024 * 1024


def strip_suffix(path: Path) -> str:
    """The file name without .nii or .nii.gz.

    >>> strip_suffix(Path("a/b.c.nii.gz"))
    'b.c'
    """
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def sidecar_path(path: Path) -> Path:
    """The JSON file that stands beside an image, as BIDS names it."""
    return path.with_name(strip_suffix(path) + ".json")


def read_sidecar(path: Path) -> dict[str, Any]:
    """The JSON sidecar beside an image; empty when there is none.

    Raises:
        InputError: the sidecar is there but is not a JSON object.
    """
    sidecar = sidecar_path(path)
    try:
        if sidecar.stat().st_size > MAX_SIDECAR_BYTES:
            raise InputError(f"{sidecar.name}: too large for a sidecar; is this the right file?")
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise InputError(
            f"{sidecar.name}: cannot be read as JSON; correct or remove it."
        ) from None
    if not isinstance(facts, dict):
        raise InputError(f"{sidecar.name}: a sidecar must be a JSON object of settings.")
    return facts


def read_own_record(image: Path) -> dict[str, Any] | None:
    """The record that medsr wrote beside an image; None where there is none of its own."""
    try:
        facts = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and "MedsrVersion" in facts else None


def declared_modality(facts: dict[str, Any], name: str) -> Modality | None:
    """MR or CT, in DICOM's or in words; a field strength means MR; None when nothing says.

    Raises:
        Refused: another modality.
    """
    said = str(facts.get("Modality", "")).upper()
    if said == "CT":
        return Modality.CT
    if said in {"MR", "MRI"}:
        return Modality.MR
    if re.fullmatch("[A-Z]{2,4}", said):
        raise Refused(
            f"{name}: has modality {said} by its sidecar; medsr is trained on MR and CT. Correct "
            "the sidecar if that is wrong."
        )
    return Modality.MR if "MagneticFieldStrength" in facts else None


def declared_profile(facts: dict[str, Any]) -> str | None:
    """SliceProfile as `medsr degrade` writes it."""
    said = facts.get("SliceProfile")
    return str(said) if said in ("gaussian", "box") else None


def positive_number(value: object) -> float | None:
    """A positive finite number, also where it was written as text; None for all else."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, int | float) and math.isfinite(value) and value > 0:
        return float(value)
    return None

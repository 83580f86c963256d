"""The text at the head of a MetaImage or NRRD file: `KEY = VALUE`, or `key: value`.

After the MetaIO documentation and the definition of NRRD (https://teem.sourceforge.net/nrrd).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medsr.errors import InputError, Refused
from medsr.volume.file_bytes import opened_file
from medsr.volume.missing import is_pointer, why_not_here
from medsr.volume.modality import Modality
from medsr.words import printable

__all__ = ["TextHeader", "read_text_header"]

#: A header is a page of text.
MOST_BYTES = 1 << 16

META, NRRD = "MetaImageIO", "NrrdImageIO"

#: Axes of a patient that ITK turns into LPS+.
SPACES = {
    *("ras", "las", "lps", "right-anterior-superior", "left-anterior-superior"),
    "left-posterior-superior",
}

MODALITIES = {"MET_MOD_CT": Modality.CT, "MET_MOD_MR": Modality.MR}


@dataclass(frozen=True)
class TextHeader:
    """What the text says that ITK does not.

    Attributes:
        reader: the reader of ITK.
        files: the file itself and, where the voxels are in another, that one.
        size: of these files, bytes.
        packed: whether the voxels are not stored as they are.
        modality: where it is stated.
        placed: whether the axes are those of the patient.
    """

    reader: str
    files: tuple[Path, ...]
    size: int
    packed: bool
    modality: Modality | None
    placed: bool


def read_text_header(path: Path) -> TextHeader:
    """Read the text and find the file with the voxels.

    Raises:
        InputError: another format, or the file with the voxels is missing.
        Refused: voxels in many files, or axes that are not those of a patient.
        OSError: the file cannot be read.
    """
    with opened_file(path) as raw:
        first = raw.read(MOST_BYTES)
    is_nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    fields = _nrrd_fields(first) if is_nrrd else _meta_fields(first)
    if not fields:
        raise InputError(
            f"{path.name}: does not begin with {'an NRRD' if is_nrrd else 'a MetaImage'} header; "
            "it is damaged or another format. Copy or convert it again."
        )
    data = _data_file(path, fields)
    files = (path,) if data is None else (path, data)
    if is_nrrd:
        _check_axes(fields, path.name)
    packed = (
        fields.get("encoding", "raw").lower() != "raw"
        if is_nrrd
        else fields.get("compresseddata", "").lower() == "true"
        or fields.get("binarydata", "true").lower() == "false"
    )
    return TextHeader(
        reader=NRRD if is_nrrd else META,
        files=files,
        size=sum(file.stat().st_size for file in files),
        packed=packed,
        modality=MODALITIES.get(fields.get("modality", "").upper()),
        placed=not is_nrrd or "space" in fields,
    )


def _nrrd_fields(first: bytes) -> dict[str, str]:
    if not first.startswith(b"NRRD000"):
        return {}
    lines = first.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("latin-1").split("\n")
    pairs = (line.partition(":") for line in lines[1:] if not line.startswith("#"))
    return {key.strip().lower(): value.lstrip("=").strip() for key, colon, value in pairs if colon}


def _meta_fields(first: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in first.decode("latin-1").split("\n"):
        key, sign, value = line.partition("=")
        if not sign:
            break
        fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            break
    return fields if {"ndims", "elementdatafile"} <= fields.keys() else {}


def _data_file(path: Path, fields: dict[str, str]) -> Path | None:
    """The file with the voxels; None where it is the file itself."""
    named = fields.get("elementdatafile") or fields.get("data file") or fields.get("datafile")
    if not named or named.upper() == "LOCAL":
        return None
    if named.upper().startswith("LIST") or "%" in named:
        raise Refused(
            f"{path.name}: its voxels are in several files. Convert it to one file (.mha, .nrrd "
            "or .nii.gz) first."
        )
    data = path.parent / named
    if is_pointer(data):
        raise InputError(why_not_here(data))
    if not data.is_file():
        raise InputError(
            f"{path.name}: its voxels are in the file {printable(data.name)}, which is not there. "
            "Copy it, too."
        )
    return data


def _check_axes(fields: dict[str, str], name: str) -> None:
    """Refuse axes and units that ITK would take for LPS+ mm in silence."""
    space = fields.get("space", "").lower().removesuffix("-time")
    if space and space not in SPACES:
        raise Refused(
            f"{name}: its axes are '{printable(space)}', which does not say where left and right "
            "are. Convert it to NIfTI with the program that wrote it."
        )
    units = {word.strip('" ').lower() for word in fields.get("space units", "").split()}
    if units - {"mm", "millimeter", "millimeters", "millimetre", "millimetres", "none", ""}:
        raise Refused(f"{name}: its lengths are not in mm. Convert it to NIfTI in mm first.")

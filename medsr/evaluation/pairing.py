"""Matches the files of several folders by BIDS entities, by name, or by a CSV file.

A folder's scans are its NIfTI files, at any depth, and its subfolders that hold none but other
files (DICOM series). The two names of a match are compared as

1. BIDS: where both names hold `sub-`, all `key-value` entities but those that a derivative adds
   (desc, res, space, rec, label) must agree, and so must the suffix;
2. else the names without .nii.gz must agree, or one must be the other followed by _, - or a dot.

A reference without an estimate is reported; two candidates for one place are refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsr.errors import InputError, Refused, UsageError
from medsr.volume import formats
from medsr.volume.missing import why_not_here
from medsr.volume.sidecar import strip_suffix
from medsr.volume.walk import Dangling, walk

__all__ = [
    "CaseFiles",
    "LeftOut",
    "entities",
    "is_case_folder",
    "labelled",
    "match_folders",
    "read_pairs",
    "unique",
]

#: BIDS entities that a derivative adds or changes; they do not tell scans apart.
DERIVED = {"desc", "res", "space", "rec", "label"}

#: The spread that `medsr enhance --samples` writes beside its result: no estimate.
SPREAD = "_std"


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case.

    Attributes:
        name: the reference's name without suffix.
        person: the BIDS subject, or what a CSV says, or the case's own name.
        reference, low, mask, labels: paths; the last three may be None.
        estimates: method -> path.
    """

    name: str
    person: str
    reference: Path
    estimates: Mapping[str, Path]
    low: Path | None = None
    mask: Path | None = None
    labels: Path | None = None


@dataclass(frozen=True)
class LeftOut:
    """A reference without numbers.

    Attributes:
        name, person: as in `CaseFiles`.
        reason: a sentence.
        failed: whether its files were found and could not be compared.
    """

    name: str
    person: str
    reason: str
    failed: bool


def is_case_folder(path: Path) -> bool:
    """Whether a path is a folder of cases, rather than one scan (a DICOM series)."""
    return path.is_dir() and (
        any(formats.is_image_file(Path(p)) for p in walk(path))
        or not any(p.is_file() for p in path.iterdir())
    )


def match_folders(
    reference: Path,
    estimates: Mapping[str, Path],
    *,
    low: Path | None = None,
    mask: Path | None = None,
    labels: Path | None = None,
) -> tuple[list[CaseFiles], list[LeftOut]]:
    """The cases of some folders, and the references that lack a match.

    Raises:
        InputError: a folder is missing or holds no scan, or nothing matches.
        Refused: a scan has two matches.
    """
    roles = {f"estimate {name}": folder for name, folder in estimates.items()}
    roles |= {k: v for k, v in (("low", low), ("mask", mask), ("labels", labels)) if v is not None}
    scans = {role: _scans(folder) for role, folder in roles.items()}
    cases, unmatched = [], []
    for path in _scans(reference):
        found = {role: _match(path, inside, role) for role, inside in scans.items()}
        missing = [role for role, match in found.items() if match is None]
        if missing:
            name = strip_suffix(path)
            why = f"There is no matching {' and '.join(missing)}."
            unmatched.append(LeftOut(name, _person(name), why, failed=False))
            continue
        cases.append(_case(path, found, estimates))
    if not cases:
        raise InputError(
            f"{reference.name}: no scan in this folder has a match in every other folder. "
            "File names must share their BIDS entities (sub-, ses-, run-) or their first "
            "part; otherwise use --pairs CSV."
        )
    return cases, unmatched


def unique(cases: list[CaseFiles]) -> list[CaseFiles]:
    """The cases, whose names differ.

    Raises:
        UsageError: two cases have one name, or names that give their pages one file.
    """
    seen = set[str]()
    for case in cases:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", case.name)
        if name in seen:
            raise UsageError(
                f"Two cases are called {case.name}. List the cases with --pairs CSV and give each "
                "its own name in a column `case`."
            )
        seen.add(name)
    return cases


def read_pairs(path: Path) -> list[CaseFiles]:
    """Cases from a CSV: columns reference, one `estimate:NAME` a method (or `estimate`), and,
    where wanted, case, person, low, mask, labels. Paths are relative to the CSV.

    Raises:
        InputError: the CSV is missing, unreadable, or lacks a column or a file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError(f"{path.name}: cannot be read as a CSV table.") from None
    heads = set(rows[0]) if rows else set()
    methods = [h for h in heads if h == "estimate" or h.startswith("estimate:")]
    if "reference" not in heads or not methods:
        raise InputError(
            f"{path.name}: needs the columns reference and estimate (or estimate:NAME for each of "
            f"several methods); it has {', '.join(sorted(heads)) or 'no rows'}."
        )
    return [_row_case(row, n, path, sorted(methods)) for n, row in enumerate(rows, start=2)]


def _row_case(
    row: Mapping[str, str | None], line: int, table: Path, methods: Sequence[str]
) -> CaseFiles:
    def file(column: str, *, needed: bool) -> Path | None:
        text = (row.get(column) or "").strip()
        if not text and not needed:
            return None
        found = table.parent / text
        if not text or not found.exists():
            raise InputError(
                f"{table.name}, line {line}, column {column}: "
                f"{f'no file {text}' if text else 'empty'}; give a path relative to the CSV."
            )
        return found

    reference = file("reference", needed=True)
    estimates = {m.partition(":")[2] or "estimate": file(m, needed=True) for m in methods}
    if reference is None:  # cannot be: needed
        raise InputError(f"{table.name}, line {line}: the reference is missing.")
    name = (row.get("case") or "").strip() or strip_suffix(reference)
    return CaseFiles(
        name=name,
        person=(row.get("person") or "").strip() or _person(name),
        reference=reference,
        estimates={k: v for k, v in estimates.items() if v is not None},
        low=file("low", needed=False),
        mask=file("mask", needed=False),
        labels=file("labels", needed=False),
    )


def _case(
    path: Path, found: Mapping[str, Path | None], estimates: Mapping[str, Path]
) -> CaseFiles:
    name = strip_suffix(path)
    return CaseFiles(
        name=name,
        person=_person(name),
        reference=path,
        estimates={n: match for n in estimates if (match := found[f"estimate {n}"]) is not None},
        low=found.get("low"),
        mask=found.get("mask"),
        labels=found.get("labels"),
    )


def _person(name: str) -> str:
    return entities(name)[0].get("sub", name)


def _scans(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder.name}: there is no such folder.")
    files = [(path, formats.is_image_file(Path(path))) for path in walk(folder)]
    missing = [path for path, nifti in files if nifti and isinstance(path, Dangling)]
    if missing:
        raise InputError(why_not_here(folder / missing[0]))
    found = [folder / path for path, nifti in files if nifti]
    found = [path for path in found if not strip_suffix(path).endswith(SPREAD)]
    tops = {path.partition("/")[0] for path, _ in files if "/" in path}
    tops -= {path.partition("/")[0] for path, nifti in files if nifti}
    found += [folder / top for top in tops]
    if not found:
        raise InputError(f"{folder.name}: contains no scan (NIfTI files, or folders of DICOM).")
    return sorted(found)


def _match(path: Path, candidates: Sequence[Path], role: str) -> Path | None:
    name = strip_suffix(path)
    matches = [c for c in candidates if _belong(name, strip_suffix(c))]
    exact = [c for c in matches if strip_suffix(c) == name]
    matches = exact or matches
    if len(matches) > 1:
        names = ", ".join(m.name for m in matches[:3])
        raise Refused(
            f"{path.name}: {len(matches)} files match it as {role} ({names}). Keep one of "
            "them, or list the pairs with --pairs CSV."
        )
    return matches[0] if matches else None


def _belong(a: str, b: str) -> bool:
    of_a, of_b = entities(a), entities(b)
    if "sub" in of_a[0] and "sub" in of_b[0]:
        return of_a == of_b
    short, long = sorted((a, b), key=len)
    return long == short or (long.startswith(short) and long[len(short)] in "_-.")


def entities(name: str) -> tuple[dict[str, str], str]:
    """BIDS entities of a name without those that a derivative adds, and its suffix.

    >>> entities("sub-01_ses-2_desc-medsr_T1w")
    ({'sub': '01', 'ses': '2'}, 'T1w')
    """
    parts = name.split("_")
    pairs = [re.fullmatch(r"([a-zA-Z]+)-([a-zA-Z0-9]+)", part) for part in parts]
    found = {m[1]: m[2] for m in pairs if m and m[1] not in DERIVED}
    return found, parts[-1] if pairs[-1] is None else ""


def labelled(paths: Sequence[Path], names: Sequence[str]) -> dict[str, Path]:
    """Method -> path, from the words of a command.

    Raises:
        UsageError: another number of names than of paths, or two equal names.
    """
    if names and len(names) != len(paths):
        raise UsageError(
            f"--names gives {len(names)} names for {len(paths)} estimates; give one for each."
        )
    chosen = list(names) if names else [p.name or str(p) for p in paths]
    if len(paths) == 1 and not names:
        chosen = ["estimate"]
    if len(set(chosen)) < len(chosen) or {"reference", "linear", "cubic"} & set(chosen):
        raise UsageError(
            f"The estimates are called {', '.join(chosen)}; give --names that differ from each "
            "other and from reference, linear and cubic."
        )
    return dict(zip(chosen, paths, strict=True))

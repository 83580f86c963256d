"""Files whose content is not present: DataLad, git-annex and Git LFS pointers, blank files.

Content that was not fetched is a link to nothing, or a short text that points to it. What a copy
that broke off left is empty, or all zeros.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

__all__ = [
    "is_blank",
    "is_pointer",
    "name_without_number",
    "points_elsewhere",
    "why_blank",
    "why_not_here",
]

#: A pointer is shorter.
MOST_BYTES = 4096


def points_elsewhere(first: bytes) -> bool:
    """Whether the beginning of a file is that of a pointer of git-annex or Git LFS."""
    return b"annex/objects/" in first[:400] or first.startswith(b"version https://git-lfs")


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer to content that is not present."""
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode) or not 0 < kind.st_size <= MOST_BYTES:
            return False
        with path.open("rb") as stream:
            return points_elsewhere(stream.read(400))
    except OSError:
        return False


def is_blank(path: Path) -> bool:
    """Whether a file is empty, or begins with a block of zeros."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as stream:
            return not any(stream.read(MOST_BYTES))
    except OSError:
        return False


def name_without_number(name: str) -> str:
    """What the files of one series have in common.

    >>> name_without_number("IMG0012") == name_without_number("IMG7")
    True
    """
    return re.sub(r"\d+", "0", name)


def why_blank(name: str) -> str:
    """The sentence on a blank file among the files of a series."""
    return (
        f"{name}: is empty or contains zeros only, beside DICOM files with names like its own; a "
        "slice may be missing. Copy or export the series again, complete."
    )


def why_not_here(path: Path) -> str:
    """The sentence on a file whose content is not present.

    >>> why_not_here(Path("a/scan.nii"))
    'scan.nii: there is no such file.'
    """
    if path.is_symlink():
        what = "is a link to a file that is not here"
    elif is_pointer(path):
        what = "is a pointer to a file that is not here (git-annex or Git LFS)"
    else:
        return f"{path.name}: there is no such file."
    return f"{path.name}: {what}. Fetch its content first (datalad get, or git lfs pull)."

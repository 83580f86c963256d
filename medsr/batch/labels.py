"""Which participants and sessions of a BIDS dataset are meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medsr.errors import InputError

__all__ = ["EVERYBODY", "Labels", "labels_in"]

#: Labels that an error names.
MOST_NAMED = 5


@dataclass(frozen=True)
class Labels:
    """Labels without "sub-" and "ses-", each once; empty for all.

    A choice of sessions leaves out what lies in no session.
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()

    def may_enter(self, folder: str) -> bool:
        """Whether discovery goes into a folder, relative to the dataset: subjects alone.

        >>> Labels(sessions=("2",)).may_enter("sub-01/ses-1/anat")
        False
        """
        top, _, below = folder.partition("/")
        kind, _, person = top.partition("-")
        if kind != "sub" or (self.participants and person not in self.participants):
            return False
        session = below.partition("/")[0].removeprefix("ses-")
        return not (below and self.sessions) or session in self.sessions


EVERYBODY = Labels()


def labels_in(root: Path, participants: Iterable[str], sessions: Iterable[str]) -> Labels:
    """The labels as they are in a dataset.

    Args:
        root: of the dataset.
        participants: with or without "sub-".
        sessions: with or without "ses-".

    Raises:
        InputError: the dataset has no such participant, or none of them has such a session.
    """
    people = tuple(dict.fromkeys(label.removeprefix("sub-") for label in participants))
    visits = tuple(dict.fromkeys(label.removeprefix("ses-") for label in sessions))
    everybody = sorted(path.name for path in root.glob("sub-*") if path.is_dir())
    chosen = [f"sub-{label}" for label in people]
    _check(root, "participant", chosen, everybody)
    known = {path.name for name in chosen or everybody for path in (root / name).glob("ses-*")}
    _check(root, "session", [f"ses-{label}" for label in visits], sorted(known))
    return Labels(people, visits)


def _check(root: Path, kind: str, wanted: list[str], known: list[str]) -> None:
    absent = [name for name in wanted if name not in known]
    if not absent:
        return
    have = ", ".join(known[:MOST_NAMED]) + (", ..." if len(known) > MOST_NAMED else "")
    raise InputError(
        f"{root.name}: there is no {kind} {absent[0]} in this dataset; it has {have or 'none'}. "
        f"Correct --{kind}-label."
    )

"""Remarks: what the reader of a result should know about it.

A remark is made where its fact is known: by the reader of a file, by the plan, by the check of a
result. `in_order` sorts them by what they mean for the result. The terminal, the sidecar, the
pages, the summary of a batch, Python's warnings and the log of a node all show them in that order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from medsr.words import printable

__all__ = ["Meaning", "Remark", "in_order"]


class Meaning(StrEnum):
    """What a remark means for the result, the most serious first."""

    #: The result may be worse than the model card states, or wrong.
    DOUBT = "doubt"
    #: The result rests on something that the input does not state, or states incredibly.
    ASSUMPTION = "assumption"
    #: The result is as good as it can be; the reader should know how it was made.
    NOTE = "note"


ORDER = tuple(Meaning)


@dataclass(frozen=True)
class Remark:
    """One remark; `str(remark)` is the line that a terminal shows.

    Attributes:
        meaning: what it means for the result.
        text: one or two sentences: what was found, what it means, what to do. No patient data.

    Example:
        >>> print(Remark(Meaning.DOUBT, "The slices are a reformat (MPR)."))
        warning: The slices are a reformat (MPR).
        >>> print(Remark(Meaning.NOTE, "The result has 0.5 mm."))
        note: The result has 0.5 mm.
    """

    meaning: Meaning
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))

    def __str__(self) -> str:
        return f"{'warning' if self.meaning is Meaning.DOUBT else 'note'}: {self.text}"

    @property
    def is_python_warning(self) -> bool:
        """Whether Python warns of it: all but notes."""
        return self.meaning is not Meaning.NOTE

    def to_json(self) -> dict[str, Any]:
        """As the sidecar has it."""
        return {"Meaning": self.meaning.value, "Text": self.text}

    @classmethod
    def from_json(cls, page: Any) -> Remark:
        """From a sidecar; medsr before 0.2 wrote sentences alone, which are notes.

        >>> Remark.from_json(Remark(Meaning.DOUBT, "The scan is a reformat.").to_json())
        Remark(meaning=<Meaning.DOUBT: 'doubt'>, text='The scan is a reformat.')
        """
        if isinstance(page, dict) and page.get("Meaning") in ORDER and "Text" in page:
            return cls(Meaning(page["Meaning"]), str(page["Text"]))
        return cls(Meaning.NOTE, str(page))


def in_order(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Remarks sorted by what they mean for the result; each only once, otherwise as they came.

    >>> found = [Remark(Meaning.NOTE, "b"), Remark(Meaning.DOUBT, "a"), Remark(Meaning.NOTE, "b")]
    >>> [remark.text for remark in in_order(found)]
    ['a', 'b']
    """
    return tuple(sorted(dict.fromkeys(remarks), key=lambda remark: ORDER.index(remark.meaning)))

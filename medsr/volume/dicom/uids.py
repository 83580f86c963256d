"""How is a UID shown? What stands in its place may name a person or hold an escape."""

from __future__ import annotations

import re

__all__ = ["NO_UID", "is_uid", "shown_uid"]

#: A UID (PS3.5 9.1), or a digest that an anonymiser wrote in its place.
_UID = re.compile(r"[0-9][0-9.]{0,63}|[0-9a-f]{32,64}")

#: Shown where there is none.
NO_UID = "(no UID)"


def is_uid(text: str) -> bool:
    """Whether a text is a UID or a digest, and so may be shown."""
    return _UID.fullmatch(text) is not None


def shown_uid(uid: str, otherwise: str = "(its UID is not valid)") -> str:
    r"""A UID for people; never another text that stands in its place.

    Args:
        uid: what a header says.
        otherwise: shown for what is no UID.

    >>> shown_uid("1.2.3"), shown_uid(""), shown_uid("Mustermann\n")
    ('1.2.3', '(no UID)', '(its UID is not valid)')
    """
    if not uid:
        return NO_UID
    return uid if is_uid(uid) else otherwise

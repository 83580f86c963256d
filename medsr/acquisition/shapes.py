"""Names of the slice profiles.

No NumPy here, so that options can name them.
"""

from __future__ import annotations

import enum

from medsr.errors import UsageError

__all__ = ["KSPACE", "Profile", "slice_profile"]

#: How MR loses in-plane resolution: frequencies beyond a limit are not measured.
KSPACE = "kspace"


class Profile(enum.StrEnum):
    """The shape of the slice profile."""

    GAUSSIAN = "gaussian"
    BOX = "box"


def slice_profile(name: str) -> Profile:
    """The slice profile of a name.

    Raises:
        UsageError: there is no such profile.

    >>> slice_profile("box")
    <Profile.BOX: 'box'>
    """
    try:
        return Profile(name)
    except ValueError:
        choices = " or ".join(Profile)
        raise UsageError(f"A slice profile is {choices}, not {name!r}.") from None

"""Exceptions whose messages are written for users.

The tree, with the exit code that the command line gives each branch::

    MedsrError
    |-- UsageError      2   the command, a setting or an argument is wrong
    |-- InputError      3   the input is missing, unreadable or not an image
    |-- Refused         4   the input is readable, and medsr will not process it
    |   |-- NotAnatomy      it shows something else than anatomy
    |   |-- NotOriginal     it is a reformat or a result of medsr
    |   |-- NothingToDo     the scan is already as fine as requested
    |   `-- SeveralVolumes  it is 4-D: several volumes in one
    |-- OutputError     5   the output cannot be written
    |-- PartlyDone      8   some of the work succeeded, some did not
    `-- Interrupted   130   the user stopped it (Ctrl+C)

A message is one sentence or two for a radiologist: what was found, where, what was expected,
what to do. It names files, never a patient. Anything that is not a `MedsrError` is a bug (exit 1).
"""

from medsr.words import printable

__all__ = [
    "InputError",
    "Interrupted",
    "MedsrError",
    "MedsrWarning",
    "NotAnatomy",
    "NotOriginal",
    "NothingToDo",
    "OutputError",
    "PartlyDone",
    "Refused",
    "SeveralVolumes",
    "UsageError",
]


class MedsrError(Exception):
    """Any fault that a user can understand and act on.

    Args:
        message: the sentence; file names in it are made printable.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class MedsrWarning(UserWarning):
    """A doubt or an assumption about a result; see `medsr.remarks` and `Enhanced.remarks`."""


class UsageError(MedsrError):
    """A command, setting or argument is wrong."""

    exit_code = 2


class InputError(MedsrError):
    """The input is missing, unreadable or not an image."""

    exit_code = 3


class Refused(MedsrError):
    """The input is readable, but outside what medsr can process reliably."""

    exit_code = 4


class NothingToDo(Refused):
    """The scan is already as fine as requested."""


class NotAnatomy(Refused):
    """The input shows something else than anatomy: a phase, a map, a mask."""


class NotOriginal(Refused):
    """The input is a reformat or a result of medsr; `force` overrides this."""


class SeveralVolumes(Refused):
    """The input is 4-D: several volumes in one."""


class OutputError(MedsrError):
    """The output cannot be written."""

    exit_code = 5


class PartlyDone(MedsrError):
    """Some of the work succeeded, some did not."""

    exit_code = 8


class Interrupted(MedsrError):
    """The user stopped the command; the message says what is kept and how to go on."""

    exit_code = 130

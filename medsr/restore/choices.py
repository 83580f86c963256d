"""The choices of options, and how an option is explained and checked."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from medsr.acquisition.shapes import Profile

__all__ = ["Consistency", "Format", "Group", "Profile", "Setting"]


class Consistency(enum.StrEnum):
    """Data consistency: how strictly the result x must agree with the scan y, A x = y.

    OFF: not at all. NOISE: within 0.5 % of the range at every voxel for a scan without noticeable
    noise, within the noise otherwise. EXACT: to rounding, also for noise. Both unless that takes
    values darker than air.
    """

    OFF = "off"
    NOISE = "noise"
    EXACT = "exact"


class Format(enum.StrEnum):
    """The output format of an enhanced scan."""

    NIFTI = "nifti"
    DICOM = "dicom"


class Group(enum.StrEnum):
    """Headings of the options in the help."""

    TARGET = "Target"
    RESULT = "Result"
    SCAN = "Scan facts (if the file does not state them, or wrongly)"
    OUTPUT = "Output"


@dataclass(frozen=True)
class Setting:
    """How an option is explained and checked.

    Attributes:
        group, help: for the command line.
        metavar: placeholder of the value in the help, with its unit.
        least, above, most: the range of a number; `above` itself is not allowed.
        flag: the name on the command line where it is not the field's.
        choices: the words of an option that is one of a few.
    """

    group: Group
    help: str
    metavar: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    flag: str = ""
    choices: type[enum.StrEnum] | None = None

    def fault(self, value: float) -> str:
        """What is wrong with a number; "" when it is in range."""
        if self.least is not None and not value >= self.least:
            return f"must be at least {self.least:g}"
        if self.above is not None and not value > self.above:
            return f"must be greater than {self.above:g}"
        if self.most is not None and not value <= self.most:
            return f"must be at most {self.most:g}"
        return ""

"""The choices of options, and how an option is explained and checked."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any

from medsr.acquisition.shapes import Profile
from medsr.errors import UsageError

__all__ = [
    "NUMBERS",
    "Consistency",
    "Format",
    "Group",
    "Precision",
    "Profile",
    "Setting",
    "checked",
]

#: The placeholders of options that are numbers, not necessarily whole ones.
NUMBERS = frozenset({"MM", "F", "SECONDS"})


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


class Precision(enum.StrEnum):
    """The number format of the convolutions; AUTO takes what is fast on the processor."""

    AUTO = "auto"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    INT8 = "int8"


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


def checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value of an option, of the right kind and in range; words become members of their enum.

    Args:
        field: of a dataclass of options; its metadata has the `Setting`.
        value: what was given.

    Raises:
        UsageError: it is of another kind, or out of range.
    """
    setting: Setting = field.metadata["setting"]
    kind = setting.choices
    if value is None and field.default is None:
        return None
    if kind is not None:
        return _member(kind, field.name, value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if setting.metavar in {"N", "K"} and not (is_number and int(value) == value):
        raise UsageError(f"{field.name} must be a whole number, not {value!r}.")
    if setting.metavar in NUMBERS and not is_number:
        raise UsageError(f"{field.name} must be a number, not {value!r}.")
    if isinstance(field.default, bool) and not isinstance(value, bool):
        raise UsageError(f"{field.name} must be true or false, not {value!r}.")
    if is_number and setting.fault(value):
        raise UsageError(f"{field.name} {setting.fault(value)}, not {value:g}.")
    return value


def _member(kind: type[enum.StrEnum], name: str, value: Any) -> enum.StrEnum:
    for member in kind:
        if str(value).casefold() == member.value.casefold():
            return member
    legal = ", ".join(member.value for member in kind)
    raise UsageError(f"{name} must be one of {legal}, not {value!r}.")

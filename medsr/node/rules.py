"""The rules of a node: which series it enhances, and with which options (YAML).

Example::

    allow: [ARCHIVE, SCANNER1]
    quiet_seconds: 30
    rules:
      - name: localizers and maps
        description: "*loc*"
        enhance: false
      - name: thick head MR
        modality: MR
        min_slice_spacing_mm: 2.5
        interval: true
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from medsr.errors import UsageError
from medsr.pages import fault_words, read_yaml
from medsr.restore.choices import Format
from medsr.restore.options import Options, options_from, settings_of

__all__ = ["Facts", "NodeSettings", "Rule", "choose_rule", "load_settings", "may_match"]

AeTitle = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$"
    ),
]


#: What a rule may set of an enhancement. A series says its modality, and becomes a series.
OPTION_NAMES = frozenset(settings_of()) - {"modality", "format"}


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Page):
    """What a series must be like, and what is done with it; what is not said always fits."""

    name: str
    modality: Literal["MR", "CT"] | None = None
    description: str | None = None  # SeriesDescription, * and ? stand for anything; any case
    body_part: str | None = None  # BodyPartExamined, likewise
    min_slice_spacing_mm: float = Field(0.0, ge=0)
    max_slice_spacing_mm: float = Field(1000.0, gt=0)
    min_slices: int = Field(3, ge=3)
    enhance: bool = True
    options: Options = Options(format=Format.DICOM)

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, page: Any) -> Any:
        """Every other key is an option of an enhancement, named as in `restore.options`."""
        if not isinstance(page, dict) or "options" in page:
            return page
        own = {key: value for key, value in page.items() if key not in OPTION_NAMES}
        options = {key: value for key, value in page.items() if key in OPTION_NAMES}
        if not options:
            return own
        try:
            return {**own, "options": options_from({"format": Format.DICOM, **options})}
        except UsageError as fault:
            raise ValueError(str(fault)) from None


class NodeSettings(_Page):
    """How a node behaves."""

    allow: tuple[AeTitle, ...] = ()  # who may send; besides these, the destination
    quiet_seconds: float = Field(30.0, ge=0)  # a series is whole when nothing came for so long
    interrupted_seconds: float = Field(3600.0, gt=0)  # wait for a peer that broke off
    retry_seconds: float = Field(10.0, gt=0)  # the first wait; each next one is twice as long
    longest_retry_seconds: float = Field(900.0, gt=0)
    storage_gb: float = Field(20.0, gt=0)  # all that the node holds on disk
    free_gb: float = Field(1.0, ge=0)  # left free on the disk for results
    largest_object_mb: float = Field(1024.0, gt=0)
    associations: int = Field(4, ge=1)  # at one time, of one AE title
    rules: tuple[Rule, ...] = (Rule(name="every MR and CT series"),)


@dataclass(frozen=True)
class Facts:
    """What a rule may ask of a series; spacing is None while it is not known."""

    modality: str
    slices: int
    description: str
    body_part: str
    slice_spacing_mm: float | None = None


def load_settings(path: Path | None) -> NodeSettings:
    """Read a page of settings; the defaults without one.

    Raises:
        InputError: the file is missing or is not YAML.
        UsageError: an unknown key (the nearest is named) or a value out of range.
    """
    if path is None:
        return NodeSettings()
    raw = read_yaml(path)
    try:
        return NodeSettings.model_validate(raw)
    except ValidationError as fault:
        raise UsageError(f"{path.name}: {fault_words(fault, NodeSettings)}") from None


def may_match(rules: Sequence[Rule], facts: Facts) -> bool:
    """Whether any rule could enhance the series, its spacing not yet known."""
    return any(rule.enhance and _fits(rule, facts) for rule in rules)


def choose_rule(rules: Sequence[Rule], facts: Facts) -> Rule | None:
    """The first rule that fits; None when none does or when it says not to enhance.

    >>> rules = [Rule(name="no", description="*loc*", enhance=False), Rule(name="yes")]
    >>> choose_rule(rules, Facts("MR", 20, "T1 Loc", "HEAD", 3.0)) is None
    True
    >>> choose_rule(rules, Facts("MR", 20, "T1", "HEAD", 3.0)).name
    'yes'
    """
    chosen = next((rule for rule in rules if _fits(rule, facts)), None)
    return chosen if chosen is not None and chosen.enhance else None


def _fits(rule: Rule, facts: Facts) -> bool:
    spacing = facts.slice_spacing_mm
    return (
        rule.modality in (None, facts.modality)
        and facts.slices >= rule.min_slices
        and _like(facts.description, rule.description)
        and _like(facts.body_part, rule.body_part)
        and (spacing is None or rule.min_slice_spacing_mm <= spacing <= rule.max_slice_spacing_mm)
    )


def _like(word: str, pattern: str | None) -> bool:
    return pattern is None or fnmatchcase(word.casefold(), pattern.casefold())

"""The options of one enhancement.

The options of `medsr enhance` and `medsr batch`, the keywords of `Enhancer.enhance` and the
settings of a node's rules are made from the fields of `Options`: a new field is known everywhere.
No torch here, so that plans are made without it.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medsr.errors import UsageError
from medsr.restore.choices import Consistency, Format, Group, Precision, Profile, Setting, checked
from medsr.restore.option_rules import (
    DEFAULT_SAMPLER,
    DEFAULT_STEPS,
    check_together,
    draws,
    takes_turns,
)
from medsr.volume.modality import Modality

__all__ = [
    "DEFAULT_SAMPLER",
    "DEFAULT_STEPS",
    "Options",
    "options_from",
    "settings_of",
    "takes_turns",
]

#: The options that decide whether a sample is drawn.
DRAWN = frozenset({"sample", "steps", "samples", "quick"})


def _option(default: Any, setting: Setting) -> Any:
    return dataclasses.field(default=default, metadata={"setting": setting})


@dataclass(frozen=True)
class Options:
    """The options of one enhancement; `None` leaves the choice to medsr.

    Raises:
        UsageError: a value out of range, or values that contradict each other.

    Example:
        >>> Options(spacing_mm=1.0).steps  # the posterior mean
        1
        >>> Options(samples=4).sample
        True
    """

    spacing_mm: float | None = _option(
        None,
        Setting(
            Group.TARGET,
            "Refine every axis coarser than MM to MM. By default the coarsest axis gets "
            "the spacing of the finer of the other two.",
            metavar="MM",
            above=0,
            flag="--spacing",
        ),
    )
    scale: float | None = _option(
        None,
        Setting(
            Group.TARGET,
            "Make every axis F times finer (above 1, at most 8).",
            metavar="F",
            above=1,
            most=8,
        ),
    )
    model: str | None = _option(
        None,
        Setting(
            Group.RESULT,
            "Bundled model, or path of a .safetensors file or of a folder of a model hub. By "
            "default the bundled model of the scan's modality.",
            metavar="NAME",
        ),
    )
    sample: bool = _option(
        False,
        Setting(
            Group.RESULT,
            "Draw a sample: as sharp as a scan, less accurate. By default the "
            "result is the posterior mean: smallest expected error, smooth.",
        ),
    )
    steps: int = _option(
        None,
        Setting(
            Group.RESULT,
            f"Steps of the sampler for a sample; by default {DEFAULT_STEPS}. More than one asks "
            "for a sample, 1 for the posterior mean.",
            metavar="N",
            least=1,
        ),
    )
    quick: bool = _option(
        False,
        Setting(
            Group.RESULT,
            "The posterior mean from one slice orientation: about a third faster, "
            "about 0.1 dB less PSNR.",
        ),
    )
    grain: bool = _option(
        False,
        Setting(Group.RESULT, "Put noise of the scan's own level into a sample; less accurate."),
    )
    samples: int = _option(
        1,
        Setting(
            Group.RESULT,
            "Draw K samples; write their mean, and their standard deviation as *_std.",
            metavar="K",
            least=1,
        ),
    )
    seed: int = _option(
        0,
        Setting(
            Group.RESULT,
            "Random seed; sample k uses N + k. By default 0.",
            "N",
            least=0,
            most=2**62,
        ),
    )
    consistency: Consistency = _option(
        Consistency.NOISE,
        Setting(
            Group.RESULT,
            "Data consistency: how closely the result must reproduce the measured "
            "slices: off, to within the noise, or exactly.",
            choices=Consistency,
        ),
    )
    adapt_s: float | None = _option(
        None,
        Setting(
            Group.RESULT,
            "Adapt the posterior-mean network to the scan itself for at most SECONDS before it is "
            "enhanced; the adapted network is used only if slices that were kept aside gain.",
            metavar="SECONDS",
            above=0,
            most=86_400,
            flag="--adapt",
        ),
    )
    interval: bool = _option(
        False,
        Setting(
            Group.RESULT,
            "Also write the half-width of a calibrated 90 % interval as *_interval90.",
        ),
    )
    null_space_map: bool = _option(
        False,
        Setting(
            Group.RESULT,
            "Also write the null-space component, the part of the result that the scan "
            "did not measure, as *_null-space.",
            flag="--null-space",
        ),
    )
    no_self_check: bool = _option(
        False,
        Setting(
            Group.RESULT,
            "Do not check the model on the scan's own slices; saves about a tenth of the time.",
        ),
    )
    precision: Precision = _option(
        Precision.AUTO,
        Setting(
            Group.RESULT,
            "Number format of the convolutions; auto takes one that is fast on the processor.",
            choices=Precision,
        ),
    )
    strict: bool = _option(
        False,
        Setting(
            Group.RESULT,
            "Refuse the scan instead of warning where the result is in doubt.",
        ),
    )
    force: bool = _option(
        False,
        Setting(
            Group.RESULT,
            "Enhance the scan even if it is very unlike the training scans, a reformat, or a "
            "result of medsr.",
        ),
    )
    modality: Modality | None = _option(
        None,
        Setting(Group.SCAN, "MR or CT, if the file does not state it.", choices=Modality),
    )
    slice_thickness_mm: float | None = _option(
        None,
        Setting(
            Group.SCAN,
            "Slice thickness (width of the slice profile); overrides the header.",
            metavar="MM",
            above=0,
            flag="--slice-thickness",
        ),
    )
    profile: Profile | None = _option(
        None,
        Setting(
            Group.SCAN,
            "Slice profile; overrides the sidecar. By default gaussian.",
            choices=Profile,
        ),
    )
    format: Format | None = _option(
        None,
        Setting(
            Group.OUTPUT,
            "Output format. By default DICOM input gives DICOM and NIfTI gives NIfTI; "
            "`enhance` decides by the name of the output.",
            choices=Format,
        ),
    )
    multi_frame: bool = _option(
        False,
        Setting(
            Group.OUTPUT,
            "DICOM: write one enhanced multi-frame file instead of one file per slice.",
        ),
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, checked(field, getattr(self, field.name)))
        check_together(self)
        drawn = draws(self)
        object.__setattr__(self, "sample", drawn)
        object.__setattr__(self, "steps", self.steps or (DEFAULT_STEPS if drawn else 1))


def settings_of() -> dict[str, tuple[dataclasses.Field[Any], Setting]]:
    """Name of each option -> its field and how it is explained."""
    return {f.name: (f, f.metadata["setting"]) for f in dataclasses.fields(Options)}


def options_from(values: Mapping[str, Any], base: Options | None = None) -> Options:
    """`Options` of names and values, over those of `base`.

    Raises:
        UsageError: an unknown name (the nearest is named), or a value out of range.

    What is drawn, and in how many steps, is decided anew where `values` say anything of it.

    >>> options_from({"quick": True}, Options(sample=True)).steps
    1
    """
    legal = [field.name for field in dataclasses.fields(Options)]
    for name in values:
        if name not in legal:
            near = difflib.get_close_matches(name, legal, n=1, cutoff=0.0)[0]
            raise UsageError(f"There is no option '{name}'. Did you mean '{near}'?")
    if base is None:
        return Options(**values)
    if not DRAWN.isdisjoint(values):
        ends = values.get("quick") or values.get("sample") is False or values.get("steps") == 1
        kept = base.steps if base.sample and not ends else None
        values = {"sample": False, "steps": kept, "grain": base.grain and not ends, **values}
    return dataclasses.replace(base, **values)

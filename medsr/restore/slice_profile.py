"""Chooses the slice profile of a scan: as told, as the header says, or as the scan shows.

The header is believed unless the scan clearly contradicts it. Where no thickness is stated, the
estimate from the scan counts; where the scan has too little detail for one, the slices are taken
to touch.

A profile that is too wide costs the network little (0.05 dB for 30 %), as data consistency uses
the width that explains the result (`profile_check`); one that is too narrow costs ten times as
much. So the upper part of the estimate's range is used, and a header that is wider than the
estimate is believed for longer than one that is narrower.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medsr.acquisition.shapes import Profile
from medsr.acquisition.width_estimate import (
    GAUSSIAN_PER_BOX,
    NARROWEST,
    WidthEstimate,
    estimate_width,
)
from medsr.remarks import Meaning, Remark
from medsr.restore.options import Options
from medsr.volume.thickness import THICKEST, THINNEST, is_plausible_thickness
from medsr.volume.volume import Volume

__all__ = ["SliceProfile", "Source", "choose_slice_profile"]


#: The width that is used lies so many standard deviations above the estimate.
LEAN = 0.7

#: A header is believed if its squared width lies at most so many standard deviations below the
#: estimate, and at most so many squared slice spacings above it.
NARROWER, WIDER = 3.0, 0.8


class Source(enum.StrEnum):
    """Where the width of the slice profile comes from."""

    OPTION = "option"
    HEADER = "header"
    SCAN = "scan"
    ASSUMPTION = "assumption"


@dataclass(frozen=True)
class SliceProfile:
    """The slice profile that an enhancement uses.

    Attributes:
        profile: its shape.
        thickness_mm: its width; None leaves it to the volume, or to touching slices.
        source: of the width.
        range_mm: where the scan's own detail says that the width lies (two standard deviations);
            None where it cannot tell, or was not asked.
        remarks: one line on what is used and how sure it is.
    """

    profile: Profile
    thickness_mm: float | None
    source: Source
    range_mm: tuple[float, float] | None = None
    remarks: tuple[Remark, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For the sidecar; mm."""
        known = {"SliceThicknessSource": self.source.value}
        return (
            known
            if self.range_mm is None
            else {**known, "EstimatedSliceThickness": [*self.range_mm]}
        )


def choose_slice_profile(
    volume: Volume, fine_spacing_mm: Sequence[float], options: Options
) -> SliceProfile:
    """The slice profile of a scan.

    Args:
        volume: of known modality.
        fine_spacing_mm: of the result, (3,); slices that it leaves as they are need no profile.
        options: `profile` and `slice_thickness_mm` override all else.
    """
    profile = options.profile or Profile(volume.slice_profile or Profile.GAUSSIAN)
    if options.slice_thickness_mm is not None:
        return SliceProfile(profile, options.slice_thickness_mm, Source.OPTION)
    spacing = volume.spacing_mm
    axis = volume.through_plane_axis
    step_mm, stated_mm = float(spacing[axis]), volume.slice_thickness_mm
    is_used = step_mm > fine_spacing_mm[axis] * (1 + 1e-6)
    if not is_used or not is_plausible_thickness(stated_mm or step_mm, step_mm):
        return SliceProfile(profile, None, Source.HEADER)
    estimate = estimate_width(volume, axis)
    if estimate is None:
        return _unchecked(profile, stated_mm, step_mm)
    unit_mm = step_mm / (GAUSSIAN_PER_BOX if profile == Profile.BOX else 1.0)
    low, high = (round(width * unit_mm, 3) for width in estimate.range)
    if stated_mm is not None and _is_believed(stated_mm / unit_mm, estimate):
        remark = _agreed(profile, stated_mm, (low, high))
        return SliceProfile(profile, stated_mm, Source.HEADER, (low, high), (remark,))
    width = math.sqrt(max(estimate.square + LEAN * estimate.deviation, NARROWEST**2))
    found_mm = round(min(max(width * unit_mm, THINNEST * step_mm), THICKEST * step_mm), 3)
    remark = _estimated(profile, found_mm, (low, high), stated_mm)
    return SliceProfile(profile, found_mm, Source.SCAN, (low, high), (remark,))


def _is_believed(width: float, estimate: WidthEstimate) -> bool:
    """Whether the scan does not contradict a stated width, in slice spacings, as of a Gaussian."""
    above = (width**2 - estimate.square) / estimate.deviation
    return above >= -NARROWER and width**2 - estimate.square <= WIDER


def _agreed(profile: Profile, stated_mm: float, range_mm: tuple[float, float]) -> Remark:
    """A line on a header that is believed."""
    low, high = range_mm
    scan = f"the scan's own detail shows {low:.2g} to {high:.2g} mm"
    return Remark(
        Meaning.NOTE, f"Slice profile: {_words(profile, stated_mm)}, from the header; {scan}."
    )


def _unchecked(profile: Profile, stated_mm: float | None, step_mm: float) -> SliceProfile:
    """Without an estimate: as the header says, or touching slices."""
    little = "the scan has too little detail across its slices to"
    if stated_mm is not None:
        words = (
            f"Slice profile: {_words(profile, stated_mm)}, as the header says; {little} check it."
        )
        return SliceProfile(
            profile, stated_mm, Source.HEADER, None, (Remark(Meaning.NOTE, words),)
        )
    words = (
        f"Slice profile: {_words(profile, step_mm)} assumed (touching slices); no slice thickness "
        f"is stated, and {little} estimate it. If you know it, set --slice-thickness."
    )
    return SliceProfile(
        profile, None, Source.ASSUMPTION, None, (Remark(Meaning.ASSUMPTION, words),)
    )


def _estimated(
    profile: Profile, found_mm: float, range_mm: tuple[float, float], stated_mm: float | None
) -> Remark:
    """A line on an estimate that counts."""
    used = f"{_words(profile, found_mm)}, estimated from the scan"
    sure = f"({range_mm[0]:.2g} to {range_mm[1]:.2g} mm)"
    if stated_mm is None:
        words = f"Slice profile: {used} {sure}; no slice thickness is stated."
        return Remark(Meaning.NOTE, words)
    words = (
        f"Slice profile: {used} {sure}; the header says {stated_mm:.3g} mm, which the detail of "
        f"the slices contradicts. If the header is right, set --slice-thickness {stated_mm:.3g}."
    )
    return Remark(Meaning.ASSUMPTION, words)


def _words(profile: Profile, width_mm: float) -> str:
    shape = "Gaussian" if profile == Profile.GAUSSIAN else "box"
    return f"{shape} of {width_mm:.3g} mm"

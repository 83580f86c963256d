"""The modality of a scan whose header does not state it: recognised where clear, else asked.

Three sources count, in this order: the header or the user, the name of the file, the intensities.
Intensities decide only where they are unmistakable. CT in Hounsfield units contains air near
-1000. A magnitude MR image has no negative values, is not cut off at its brightest, and its
tissues differ widely; in CT on any linear scale, most tissue lies within a fifth of its distance
from air. All else (windowed, brain-extracted or rescaled CT, z-scored MR) may be either.

The limits were set on the scans of docs/reference/data-and-licences.md; a test repeats them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.remarks import Meaning, Remark
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["Guess", "guess_modality", "modality_of_name", "with_modality"]

#: Voxels darker than this are air or lung in HU; more than this share of a scan of a body is.
DARK_HU, DARK_SHARE = -300.0, 0.02

#: Noise in air reaches no lower than this but in a small share of the voxels.
LOWEST_HU, LOWEST_SHARE = -1100.0, 0.05

#: Below zero by more than this share of the brightest: not the ringing of a resampled magnitude.
NEGATIVE_SHARE = 0.05

#: More than this share of voxels at the maximum: cut off. Normalised MR has 0.5 % at most.
CUT_OFF_SHARE = 0.01

#: CT of a brain without its skull reaches about 80 HU. Images scaled to [0, 1] are another matter.
BRAIN_HU = (2.0, 100.0)

#: Interquartile range of the tissue over its median: CT up to 0.18, MR from 0.20 (brain-extracted
#: FLAIR). Its median over the brightest: CT up to 0.55, that MR from 0.69. Noise or a crop may
#: move one of them, so CT is whatever is narrow, or nearly so and in the middle.
NARROW, NEARLY_NARROW, MIDDLE = 0.15, 0.2, 0.6

#: A window of CT is at least so wide, HU.
NARROWEST_WINDOW = 40.0

#: So many voxels say enough.
SAMPLE = 500_000

_CT_WORDS = {"ct", "cta", "cect", "ncct", "ldct", "cbct"}
_MR_WORDS = {
    *("mr", "mri", "mra", "t1", "t1w", "t1c", "t1ce", "t1gd", "t2", "t2w", "t2s", "t2star"),
    *("t2starw", "pd", "pdw", "flair", "mprage", "mp2rage", "swi", "inplanet1", "inplanet2"),
}


@dataclass(frozen=True)
class Guess:
    """What intensities say.

    Attributes:
        modality: where it is clear; None elsewhere.
        doubt: why it is not clear: the rest of the sentence "its intensities ...".
        may_be_hu: whether they can be Hounsfield units, in a window or without the air.
    """

    modality: Modality | None
    doubt: str = ""
    may_be_hu: bool = True


def guess_modality(voxels: NDArray[Any]) -> Guess:
    """MR or CT by the intensities, where they are unmistakable.

    Args:
        voxels: [X, Y, Z], in any unit.

    >>> ramp = np.linspace(0, 500, 1000).reshape(10, 10, 10)
    >>> guess_modality(ramp).modality, guess_modality(2 * ramp - 1000).modality
    (<Modality.MR: 'MR'>, <Modality.CT: 'CT'>)
    >>> guess_modality((ramp - ramp.mean()) / ramp.std()).modality is None
    True
    """
    sample = np.asarray(voxels).ravel(order="K")[:: max(1, voxels.size // SAMPLE)]
    least, most = float(sample.min()), float(sample.max())
    if least < LOWEST_HU:  # a constant below all that CT measures is padding
        rest = sample[sample > least]
        sample = rest if rest.size else sample
    low, high = (float(value) for value in np.percentile(sample, [0.1, 99.9]))
    reach = f"reach from {least:.4g} to {most:.4g}"
    if (sample < DARK_HU).mean() > DARK_SHARE and (sample < LOWEST_HU).mean() < LOWEST_SHARE:
        return Guess(Modality.CT)
    if low < -NEGATIVE_SHARE * high:
        return Guess(
            None,
            f"{reach}: they are not those of a magnitude MR image, and there is no air of "
            "-1000 HU. They may be a window of CT, or normalised",
            may_be_hu=high - low >= NARROWEST_WINDOW and low > LOWEST_HU,
        )
    if (sample == most).mean() > CUT_OFF_SHARE:
        return Guess(
            None,
            f"{reach} and are cut off there, as in a window of CT or a normalised image",
            may_be_hu=high - low >= NARROWEST_WINDOW,
        )
    if BRAIN_HU[0] < most <= BRAIN_HU[1]:
        return Guess(None, f"{reach}, like those of a brain in CT, but MR may have them, too")
    if _is_like_ct(sample, low, high):
        return Guess(
            None,
            f"{reach}. They look like CT on another scale than Hounsfield units (such as HU + "
            "1024)",
            may_be_hu=False,
        )
    return Guess(Modality.MR)


def _is_like_ct(sample: NDArray[Any], low: float, high: float) -> bool:
    """Whether most of the tissue has nearly one value, far from air, as in CT on any scale."""
    if not high > low:
        return False
    above = sample[sample > low + 0.25 * (high - low)]
    middle = float(np.median(above)) - low
    tissue = sample[sample > low + 0.5 * middle] - low
    lower, median, upper = np.percentile(tissue, [25, 50, 75])
    limit = NEARLY_NARROW if median < MIDDLE * (high - low) else NARROW
    return bool(upper - lower < limit * median)


def modality_of_name(path: Path, stem: str) -> Modality | None:
    """What the name of a file says, as BIDS, TotalSegmentator and people write it.

    The folder counts where the name says nothing. None where there is no such word, or both are.

    Args:
        path: of the file.
        stem: its name without endings.

    >>> modality_of_name(Path("s1/ct.nii.gz"), "ct"), modality_of_name(Path("x"), "sub-1_T2w")
    (<Modality.CT: 'CT'>, <Modality.MR: 'MR'>)
    >>> modality_of_name(Path("CT/0012.nii.gz"), "0012")
    <Modality.CT: 'CT'>
    """
    words = set(re.split(r"[^a-z0-9]+", stem.lower()))
    if not words & (_CT_WORDS | _MR_WORDS):
        words = {path.parent.name.lower()}
    is_ct, is_mr = bool(words & _CT_WORDS), bool(words & _MR_WORDS)
    if is_ct == is_mr:
        return None
    return Modality.CT if is_ct else Modality.MR


def with_modality(volume: Volume, given: Modality | None = None) -> Volume:
    """The scan with its modality and unit; a remark says so where it had to be assumed.

    Args:
        volume: a scan, whose `modality` is what its header states.
        given: by the user.

    Raises:
        Refused: header and user contradict each other, or nobody says it and it is not clear.
    """
    declared = volume.modality
    if declared and given and declared != given:
        raise Refused(
            f"{volume.name}: the header says {declared} and --modality says {given}. "
            "Leave out --modality, or correct the header if it is wrong."
        )
    known = declared or given
    if known is not None:
        return volume.of_modality(known)
    guess, named = guess_modality(volume.voxels), volume.named_modality
    if named is None and guess.modality is not None:
        return _assumed(volume, guess.modality, "the intensities")
    if named is not None and guess.modality in (named, None) and not _excluded(named, guess):
        return volume.of_modality(named) if guess.modality else _assumed(volume, named, "its name")
    raise Refused(f"{volume.name}: {_question(guess, named)}")


def _excluded(named: Modality, guess: Guess) -> bool:
    return named == Modality.CT and guess.modality is None and not guess.may_be_hu


def _assumed(volume: Volume, modality: Modality, source: str) -> Volume:
    words = (
        f"The file does not state the modality; medsr assumed {modality} from {source}. "
        "If this is wrong, set --modality."
    )
    remark = Remark(Meaning.ASSUMPTION, words)
    return replace(volume.of_modality(modality), remarks=(*volume.remarks, remark))


def _question(guess: Guess, named: Modality | None) -> str:
    if guess.modality is not None:
        why = f"its name says {named}, but its intensities look like {guess.modality}"
    else:
        why = f"the file does not state the modality, and its intensities {guess.doubt}"
    return (
        f"{why}. State it with --modality MR, or with --modality CT if the values are Hounsfield "
        "units (air at -1000, water at 0; convert them first if not)."
    )

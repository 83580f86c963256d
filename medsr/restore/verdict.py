"""What a self-check found, and what it says of the model for this scan."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from medsr.remarks import Meaning, Remark

__all__ = ["SelfCheck", "Verdict"]

#: Gains of which more helps, and less harms; dB.
HELPS, HARMS = 0.5, 0.0


class Verdict(enum.StrEnum):
    """What the gain on the scan's own slices says of the model for this scan."""

    HELPS = "helps"
    HARDLY_HELPS = "hardly helps"
    HARMS = "harms"


@dataclass(frozen=True)
class SelfCheck:
    """What a scan says of the model that restores it.

    Attributes:
        gain: PSNR over cubic interpolation, dB, as expected against thin slices; mean of both
            axes.
        ssim_gain: SSIM within the slices, over cubic interpolation, as measured; None where the
            slices are too small for it.
        coverage: share of the voxels that the calibrated interval covers, as expected against
            thin slices; None where the model has none for the mode.
        interval_scale: factor by which the interval's half-width would have to be multiplied, so
            that it covers what it promises; None likewise.
        slices: how many were compared.
        edge_strength: factor that makes the detail of a posterior mean as steep at edges as
            measured; None where the slices have no edges.
    """

    gain: float
    ssim_gain: float | None
    coverage: float | None
    interval_scale: float | None
    slices: int
    edge_strength: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the model helps."""
        if self.gain >= HELPS:
            return Verdict.HELPS
        return Verdict.HARMS if self.gain < HARMS else Verdict.HARDLY_HELPS

    @property
    def remark(self) -> Remark:
        """For the reader of the result: a doubt where the model harms.

        >>> print(SelfCheck(2.13, 0.041, 0.91, 0.97, 24).remark)
        note: On 24 of the scan's own slices the model helps: about 2.1 dB over cubic \
interpolation; its 90 % interval covers 91 % of them.
        >>> SelfCheck(-0.8, None, None, None, 24).remark.meaning
        <Meaning.DOUBT: 'doubt'>
        """
        where = f"On {self.slices} of the scan's own slices the model {self.verdict}"
        if self.verdict is Verdict.HARMS:
            words = (
                f"{where}: degraded as the scan is and restored, they are about {-self.gain:.1f} "
                "dB further from what was measured than by cubic interpolation. The model is "
                "probably not for such a scan. Do not use the result."
            )
            return Remark(Meaning.DOUBT, words)
        covers = ""
        if self.coverage is not None:
            covers = f"; its 90 % interval covers {100 * self.coverage:.0f} % of them"
        words = f"{where}: about {self.gain:.1f} dB over cubic interpolation{covers}."
        return Remark(Meaning.NOTE, words)

    def to_json(self) -> dict[str, Any]:
        """For the sidecar."""
        found = {
            "GainInDecibel": round(self.gain, 3),
            "SSIMGain": _rounded(self.ssim_gain),
            "IntervalCoverage": _rounded(self.coverage),
            "IntervalScale": _rounded(self.interval_scale),
            "EdgeStrength": _rounded(self.edge_strength),
            "Slices": self.slices,
            "Verdict": self.verdict.value,
        }
        return {key: value for key, value in found.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

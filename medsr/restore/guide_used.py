"""What became of one guide; for the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["GuideUsed"]


@dataclass(frozen=True)
class GuideUsed:
    """One guide of a scan.

    Attributes:
        digest: SHA-256 of its files; "" for a volume made in memory.
        modality: MR or CT.
        spacing_mm: of its voxels.
        registered: whether it was registered; else its header was believed.
        angle_deg, shift_mm: how it had moved against the scan, at the middle of that.
        before, after: normalised mutual information with the scan by the headers, and after
            registration: 1 (independent) to 2.
        overlap: share of the scan's foreground that it covers.
        gain_db: what it gains on the scan's own slices, dB; None where that is not known.
        used: whether the result was made with it.
    """

    digest: str
    modality: str
    spacing_mm: tuple[float, ...]
    registered: bool
    angle_deg: float
    shift_mm: float
    before: float
    after: float
    overlap: float
    gain_db: float | None = None
    used: bool = True

    def to_json(self) -> dict[str, Any]:
        """Keys as BIDS writes them."""
        return {
            **({"InputSHA256": self.digest} if self.digest else {}),
            "Modality": self.modality,
            "InputSpacing": list(self.spacing_mm),
            "Registered": self.registered,
            "RotationDegrees": round(self.angle_deg, 3),
            "ShiftMillimetres": round(self.shift_mm, 3),
            "MutualInformationBefore": round(self.before, 4),
            "MutualInformationAfter": round(self.after, 4),
            "Overlap": round(self.overlap, 4),
            **({} if self.gain_db is None else {"GainInDecibel": round(self.gain_db, 3)}),
            "Used": self.used,
        }

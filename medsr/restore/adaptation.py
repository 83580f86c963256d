"""What an adaptation of a model to a scan was, for the record, the card and the reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from medsr.network.checkpoint import ModelCard
from medsr.remarks import Meaning, Remark

__all__ = ["Adaptation", "adaptation_of", "adapted_card"]

LIMIT = (
    "Adapted to one scan or one protocol and not evaluated; its intervals and its results are "
    "those of the model that it was adapted from."
)


@dataclass(frozen=True)
class Adaptation:
    """How a network was adapted.

    Attributes:
        base: name of the model that it began with.
        base_digest: SHA-256 of that model's weights.
        seconds: that it took, the check included.
        steps: of the optimiser.
        gain_db: on the slices that were kept aside, over the network before; 0 without a check.
        kept: whether the adapted network is used; otherwise the model is what it was.
        scans: that it was adapted to.
    """

    base: str
    base_digest: str
    seconds: float
    steps: int
    gain_db: float
    kept: bool
    scans: int = 1

    def to_json(self) -> dict[str, Any]:
        """For the sidecar."""
        return {
            "BaseModel": self.base,
            "BaseModelSHA256": self.base_digest,
            "AdaptationSeconds": round(self.seconds, 1),
            "AdaptationSteps": self.steps,
            "AdaptationGain": round(self.gain_db, 3),
            "AdaptationKept": self.kept,
            "AdaptationScans": self.scans,
        }

    @property
    def remark(self) -> Remark:
        """One sentence for the reader."""
        whom = "the scan" if self.scans == 1 else f"{self.scans} scans of its protocol"
        if self.kept:
            words = (
                f"The network was adapted to {whom} ({self.seconds:.0f} s, {self.steps} steps): "
                f"slices that were kept aside gained {self.gain_db:.2f} dB."
            )
        elif self.steps == 0:
            words = (
                f"The network was not adapted: {self.seconds:.0f} s are too short on this "
                "machine, or the scan has too few slices to keep some aside. The result is that "
                "of the model as it is."
            )
        else:
            words = (
                f"The network was adapted to {whom} ({self.seconds:.0f} s, {self.steps} steps), "
                f"but slices that were kept aside gained too little ({self.gain_db:+.2f} dB). The "
                "result is that of the model as it is."
            )
        return Remark(Meaning.NOTE, words)


def adapted_card(card: ModelCard, adaptation: Adaptation) -> ModelCard:
    """The card of an adapted model: that of its base, with what was done to it.

    Args:
        card: of the base.
        adaptation: how it was made.
    """
    return replace(
        card,
        name=f"{adaptation.base}-adapted",
        description=f"{adaptation.base}, adapted: {card.description}",
        training={**card.training, "adaptation": asdict(adaptation)},
        limits=tuple(dict.fromkeys((*card.limits, LIMIT))),
    )


def adaptation_of(card: ModelCard) -> Adaptation | None:
    """How the model of a card was adapted; None where it was not."""
    facts = card.training.get("adaptation")
    if not isinstance(facts, Mapping):
        return None
    try:
        return Adaptation(**facts)
    except TypeError:
        return None

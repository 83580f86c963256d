"""How an enhanced multi-frame scan was made, in the words of the classic modules.

An enhanced object (PS3.3 A.36, A.38) keeps in functional groups and new attributes what a classic
one keeps in its top level. Only facts with a plain counterpart are translated.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from medsr.volume.dicom_open import items, text
from medsr.volume.volume import Modality

__all__ = ["classic_facts"]

#: (functional group, its attribute, the classic attribute).
MOVED_MR = (
    ("MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"),
    ("MRTimingAndRelatedParametersSequence", "FlipAngle", "FlipAngle"),
    ("MRTimingAndRelatedParametersSequence", "EchoTrainLength", "EchoTrainLength"),
    ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
    ("MRAveragesSequence", "NumberOfAverages", "NumberOfAverages"),
)
MOVED_CT = (("CTXRayDetailsSequence", "KVP", "KVP"),)

#: EchoPulseSequence (C.8.13.4.1) as ScanningSequence (C.8.3.1.1.2).
PULSES = {"SPIN": ["SE"], "GRADIENT": ["GR"], "BOTH": ["SE", "GR"]}

#: Attributes whose value other than NONE adds a word to SequenceVariant (C.8.3.1.1.3).
VARIANTS = (
    ("SegmentedKSpaceTraversal", ("PARTIAL", "FULL"), "SK"),
    ("MagnetizationTransfer", ("ON_RESONANCE", "OFF_RESONANCE", "BOTH"), "MTC"),
    ("SteadyStatePulseSequence", ("FREE_PRECESSION", "TRANSVERSE", "LONGITUDINAL"), "SS"),
    ("Spoiling", ("RF", "GRADIENT", "RF_AND_GRADIENT"), "SP"),
)


def classic_facts(header: Dataset, modality: Modality) -> dict[str, object]:
    """Classic attribute -> value; empty for a header without functional groups."""
    shared = items(header, "SharedFunctionalGroupsSequence")[:1]
    per_frame = items(header, "PerFrameFunctionalGroupsSequence")[:1]
    if not shared and not per_frame:
        return {}
    facts: dict[str, object] = {}
    for group in (*shared, *per_frame):
        for sequence, keyword, classic in MOVED_MR if modality == "MR" else MOVED_CT:
            for macro in items(group, sequence)[:1]:
                if keyword in macro:
                    facts.setdefault(classic, macro[keyword].value)
    if modality == "MR":
        pulse = text(header, "EchoPulseSequence").upper()
        facts["ScanningSequence"] = PULSES.get(pulse, ["RM"])
        words = [word for keyword, on, word in VARIANTS if text(header, keyword).upper() in on]
        facts["SequenceVariant"] = words or ["NONE"]
    return facts

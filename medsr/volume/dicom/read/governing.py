"""Header attributes that govern how a slice is read, placed or compared with others.

A slice's marks are words with values: some tell a 4-D series from doubled slices (echo time,
temporal position), some must agree over a volume, some declare how much there should be.
`slice_checks` compares them; their values, which may name a person, are never shown.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from medsr.volume.dicom.values import items, number, text, texts

__all__ = ["classic_marks", "enhanced_marks", "governing_marks"]

Marks = dict[str, object]

_CLASSIC_MARKS = {
    "TemporalPositionIdentifier": "temporal position",
    "EchoTime": "echo time",
    "InversionTime": "inversion time",
    "DiffusionBValue": "b-value",
    "TriggerTime": "trigger time",
    "AcquisitionNumber": "acquisition number",
    "KVP": "tube voltage",
}

_ENHANCED_MARKS = (
    ("temporal position", "FrameContentSequence", "TemporalPositionIndex"),
    ("echo time", "MREchoSequence", "EffectiveEchoTime"),
    ("b-value", "MRDiffusionSequence", "DiffusionBValue"),
    ("cardiac phase", "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("image type", "MRImageFrameTypeSequence", "FrameType"),
    ("image type", "CTImageFrameTypeSequence", "FrameType"),
    ("component", "MRImageFrameTypeSequence", "ComplexImageComponent"),
    ("stack", "FrameContentSequence", "StackID"),
)

#: Attribute -> what it is called; `slice_checks` says which must agree.
_TEXTS = {
    "FrameOfReferenceUID": "frame of reference",
    "StudyInstanceUID": "study",
    "PatientID": "patient",
    "PatientPosition": "patient position",
    "PhotometricInterpretation": "photometric interpretation",
    "RescaleType": "unit of the values",
    "EchoNumbers": "echo number",
    "SOPClassUID": "object class",
}

#: Words of ImageType that name a contrast or how geometry was corrected.
_CONTRASTS = {
    **dict.fromkeys(("W", "WATER"), "water"),
    **dict.fromkeys(("F", "FAT"), "fat"),
    **dict.fromkeys(("IP", "IN_PHASE", "IN PHASE"), "in phase"),
    **dict.fromkeys(("OP", "OPP_PHASE", "OUT_PHASE", "OPP PHASE", "OUT PHASE"), "opposed phase"),
    **{word: word for word in ("DIS2D", "DIS3D", "ND")},
}


def classic_marks(header: Dataset) -> Marks:
    """The moment and manner of a slice, from its header."""
    found: Marks = {words: number(header, keyword) for keyword, words in _CLASSIC_MARKS.items()}
    return {**found, "image type": texts(header, "ImageType")}


def enhanced_marks(group: Dataset) -> Marks:
    """The moment and manner of a frame, from its functional groups."""
    found: Marks = {}
    for words, sequence_keyword, keyword in _ENHANCED_MARKS:
        for macro in items(group, sequence_keyword)[:1]:
            found[words] = texts(macro, keyword)
    return found


def governing_marks(header: Dataset, modality: str) -> Marks:
    """What must agree over a volume, and what a header declares about the whole."""
    found: Marks = {words: texts(header, keyword) for keyword, words in _TEXTS.items()}
    image_type = (word.upper() for word in texts(header, "ImageType")[2:])
    found["contrast"] = tuple(sorted({_CONTRASTS[w] for w in image_type if w in _CONTRASTS}))
    if modality == "CT":
        found["convolution kernel"] = texts(header, "ConvolutionKernel")
    else:
        found["scan options"] = tuple(sorted(texts(header, "ScanOptions")))
    found["announced images"] = number(header, "ImagesInAcquisition")
    found["announced slices"] = number(header, "NumberOfSlices")
    found["announced spacing"] = number(header, "SpacingBetweenSlices")
    concatenation = text(header, "ConcatenationUID")
    if concatenation:
        found["concatenation"] = (
            concatenation,
            number(header, "InConcatenationNumber"),
            number(header, "InConcatenationTotalNumber"),
        )
    return found

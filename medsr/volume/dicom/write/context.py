"""The context of a derived image: source images, slices and devices.

Codes are of CID 7202 (source image purposes), CID 7203 (derivations) and CID 7005 (contributing
equipment) of PS3.16.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from medsr.volume.dicom.read.series import DicomSeries, common_element
from medsr.volume.dicom.values import items, text
from medsr.volume.dicom.write import kept_attributes as tags
from medsr.volume.modality import Modality

__all__ = ["CLASSES", "classic_facts", "equipment_items", "new_item", "scan_facts", "source_items"]

ACQUISITION = ("109101", "DCM", "Acquisition Equipment")


PROCESSING = ("109102", "DCM", "Processing Equipment")


SOURCE_IMAGE = ("121322", "DCM", "Source image for image processing operation")


#: Of a source whose SOPClassUID was emptied.
CLASSES = {"MR": MRImageStorage, "CT": CTImageStorage}


#: A new slice this close to a measured one, in measured steps, is said to come from it alone.
SAME_PLACE = 1e-3


def new_item(value: str, scheme: str, meaning: str) -> Dataset:
    """A code sequence item (PS3.3 8.8).

    >>> new_item("113085", "DCM", "Spatial resampling").CodeMeaning
    'Spatial resampling'
    """
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def scan_facts(source: DicomSeries) -> Dataset:
    """The attributes of `dicom_tags` on which the source's slices agree."""
    kept = [keyword for module in tags.KEPT.values() for keyword in module]
    kept += tags.KEPT_CT if source.modality == "CT" else tags.KEPT_MR
    files = source.files
    dataset = Dataset()
    for keyword in kept:
        element = common_element(files, keyword)
        if element is not None and not element.is_empty:
            dataset.add(copy.deepcopy(element))
    for keyword, value in classic_facts(files[0], source.modality).items():
        if keyword not in dataset:
            setattr(dataset, keyword, value)
    for keyword in (*tags.EMPTY_WHEN_ABSENT["any"], *tags.EMPTY_WHEN_ABSENT[source.modality]):
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    if "Laterality" not in dataset and _may_have_a_side(files[0], dataset):
        dataset.Laterality = ""
    if any(text(header, "LossyImageCompression") == "01" for header in files):
        dataset.LossyImageCompression = "01"  # once lossy, always lossy (C.7.6.1.1.5)
    if any(text(header, "BurnedInAnnotation") == "YES" for header in files):
        dataset.BurnedInAnnotation = "YES"
    return dataset


def _may_have_a_side(header: Dataset, kept: Dataset) -> bool:
    """Whether Laterality is due, if only empty; a classic source that omits it is believed."""
    classic = text(header, "SOPClassUID") in CLASSES.values()
    unpaired = text(kept, "BodyPartExamined").upper() in tags.UNPAIRED
    return not unpaired and not (classic and "Laterality" not in header)


def source_items(
    source: DicomSeries, places_mm: Sequence[float], along_mm: float
) -> list[Dataset]:
    """SourceImageSequence: the measured slice at a place, or the two on its sides.

    Args:
        source: the series.
        places_mm: of its slices along the normal, growing.
        along_mm: place of the new slice.
    """
    where = float(np.interp(along_mm, places_mm, np.arange(len(places_mm))))
    near = round(where)
    ends = {near} if abs(where - near) <= SAME_PLACE else {int(where), int(where) + 1}
    return [
        _source_item(source, k)
        for k in sorted(ends)
        if k < len(places_mm) and text(source.headers[k], "SOPInstanceUID")
    ]


def whole_series_items(source: DicomSeries) -> list[Dataset]:
    """SourceImageSequence of a series that lies in another direction: all of its slices."""
    named = [k for k, header in enumerate(source.headers) if text(header, "SOPInstanceUID")]
    return [_source_item(source, k) for k in named]


def _source_item(source: DicomSeries, k: int) -> Dataset:
    header, frame = source.headers[k], source.frames[k]
    item = Dataset()
    item.ReferencedSOPClassUID = text(header, "SOPClassUID") or CLASSES[source.modality]
    item.ReferencedSOPInstanceUID = text(header, "SOPInstanceUID")
    if item.ReferencedSOPClassUID not in CLASSES.values():
        item.ReferencedFrameNumber = frame.index + 1
    item.PurposeOfReferenceCodeSequence = [new_item(*SOURCE_IMAGE)]
    return item


def equipment_items(
    source: DicomSeries, *, model: str, digest: str, version: str, device_uid: str
) -> list[Dataset]:
    """ContributingEquipmentSequence: what the source lists, its scanner, then medsr.

    Args:
        source: the series.
        model: name of the model.
        digest: SHA-256 of its weights, hex.
        version: of medsr.
        device_uid: of the model; another for other weights.
    """
    header = source.headers[0]
    listed = [copy.deepcopy(item) for item in items(header, "ContributingEquipmentSequence")]
    if not any(_purpose(item) == ACQUISITION[0] for item in listed):
        listed.append(_scanner(source))
    own = Dataset()
    own.PurposeOfReferenceCodeSequence = [new_item(*PROCESSING)]
    own.Manufacturer = "medsr"
    own.ManufacturerModelName = model
    own.SoftwareVersions = [f"medsr {version}", digest]
    own.DeviceUID = device_uid
    own.ContributionDescription = (
        f"Super-resolution by medsr {version}, model {model}, weights SHA-256 {digest}. "
        "Research use only, not for diagnosis."
    )
    return [*listed, own]


def _scanner(source: DicomSeries) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [new_item(*ACQUISITION)]
    for keyword in tags.SCANNER:
        element = common_element(source.files, keyword)
        if element is not None:
            item.add(copy.deepcopy(element))
    if not text(item, "Manufacturer"):
        item.Manufacturer = "unknown"  # type 1 in this sequence
    return item


def _purpose(item: Dataset) -> str:
    codes = items(item, "PurposeOfReferenceCodeSequence")
    return text(codes[0], "CodeValue") if codes else ""


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

"""A derived series as one enhanced multi-frame file, `slices.dcm`.

The classic slices of `dicom_derive` pass through highdicom's conversion to a Legacy Converted
Enhanced MR or CT Image (PS3.3 A.70, A.71): the enhanced object that carries what a classic header
knows without inventing the rest. Two things are put right afterwards: the clock and the random
UID that the converter wrote down go, so that the same input gives the same bytes, and
SourceImageEvidenceSequence (C.8.13.2.1.2) lists the source slices by study and series.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from highdicom.legacy import LegacyConvertedEnhancedCTImage, LegacyConvertedEnhancedMRImage
from pydicom.dataset import Dataset

from medsr.volume.atomic import atomic_folder
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.series import DicomSeries
from medsr.volume.dicom.values import items, text
from medsr.volume.dicom.write.derive import Derivation, derive_series, uid_of
from medsr.volume.dicom.write.single_frame import add_meta_group
from medsr.volume.volume import Volume

__all__ = ["fill_multi_frame", "write_multi_frame"]

CLASSES = {"MR": LegacyConvertedEnhancedMRImage, "CT": LegacyConvertedEnhancedCTImage}

#: Of a study whose dates an anonymiser emptied.
NO_DATE, NO_TIME = "19000101", "000000"


def write_multi_frame(
    volume: Volume, source: DicomSeries, derivation: Derivation, folder: Path
) -> None:
    """Write a volume as one multi-frame file in a folder of its own.

    Args:
        volume: [X, Y, Z] in HU or scanner units.
        source: the series it came from, or the template of its patient and study.
        derivation: what was done.
        folder: appears whole; an older version that medsr wrote there is replaced.

    Raises:
        Refused: volume and source do not belong together.
        OutputError: the folder cannot be written; nothing is left of it.
    """
    with atomic_folder(folder) as partial:
        fill_multi_frame(volume, source, derivation, partial)


def fill_multi_frame(
    volume: Volume, source: DicomSeries, derivation: Derivation, folder: Path
) -> None:
    """The one file into an empty folder, in place; see `write_multi_frame`.

    Raises:
        Refused: volume and source do not belong together.
        OSError: the file cannot be written.
    """
    with parse_quietly():
        classic = list(derive_series(volume, source, derivation))
        for dataset in classic:
            add_meta_group(dataset)  # highdicom reads the transfer syntax there
        first = classic[0]
        whole = CLASSES[source.modality](
            classic,
            series_instance_uid=uid_of(derivation.identity, derivation.kind, "multi-frame"),
            series_number=int(first.SeriesNumber),
            sop_instance_uid=uid_of(derivation.identity, derivation.kind, "multi-frame", 0),
            instance_number=1,
        )
        _fix_what_changes(whole, first)
        evidence = _evidence(classic, [source, *derivation.further])
        if evidence:
            whole.SourceImageEvidenceSequence = evidence
        whole.save_as(folder / "slices.dcm", enforce_file_format=True)


def _fix_what_changes(whole: Dataset, first: Dataset) -> None:
    """No moment of writing: ContentDate (type 1 here, C.7.6.16) is the study's, or NO_DATE.

    The converter's random DimensionOrganizationUID becomes one that follows from the instance.
    """
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        if keyword in whole:
            del whole[keyword]
    whole.ContentDate = text(first, "StudyDate") or NO_DATE
    whole.ContentTime = text(first, "StudyTime") or NO_TIME
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in items(whole, keyword):
            item.DimensionOrganizationUID = uid_of("dimensions", whole.SOPInstanceUID)


def _evidence(classic: Sequence[Dataset], sources: Sequence[DicomSeries]) -> list[Dataset]:
    """The source slices that the frames name, by study and series (PS3.3 table C.17-3)."""
    named = {
        text(item, "ReferencedSOPInstanceUID"): text(item, "ReferencedSOPClassUID")
        for dataset in classic
        for item in items(dataset, "SourceImageSequence")
    }
    studies: dict[str, Dataset] = {}
    for source in sources:
        header = source.headers[0]
        study_uid, series_uid = text(header, "StudyInstanceUID"), text(header, "SeriesInstanceUID")
        own = dict.fromkeys(text(one, "SOPInstanceUID") for one in source.headers)
        instances = [_instance(named[uid], uid) for uid in own if uid in named]
        if not (instances and study_uid and series_uid):
            continue
        series, study = Dataset(), studies.setdefault(study_uid, Dataset())
        series.ReferencedSOPSequence = instances
        series.SeriesInstanceUID = series_uid
        study.ReferencedSeriesSequence = [*items(study, "ReferencedSeriesSequence"), series]
        study.StudyInstanceUID = study_uid
    return list(studies.values())


def _instance(class_uid: str, instance_uid: str) -> Dataset:
    instance = Dataset()
    instance.ReferencedSOPClassUID = class_uid
    instance.ReferencedSOPInstanceUID = instance_uid
    return instance

"""The attributes that a derived series keeps from its source.

The list says what is kept; all else goes, private blocks included, so nothing stays that described
the old pixels. An attribute is kept only when every source slice says the same (PS3.3 names the
modules). `docs/reference/dicom.md` prints these tables, and a test compares the two.
"""

from __future__ import annotations

__all__ = ["EMPTY_WHEN_ABSENT", "KEPT", "KEPT_CT", "KEPT_MR", "SCANNER", "UNPAIRED"]

#: Module -> attributes kept of any source.
KEPT: dict[str, tuple[str, ...]] = {
    "Patient (C.7.1.1)": (
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientSex",
        "OtherPatientIDsSequence",
        "EthnicGroup",
        "PatientComments",
        "PatientSpeciesDescription",
        "PatientIdentityRemoved",
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
    ),
    "General Study, Patient Study (C.7.2)": (
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "StudyID",
        "AccessionNumber",
        "IssuerOfAccessionNumberSequence",
        "StudyDescription",
        "ProcedureCodeSequence",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
        "LongitudinalTemporalInformationModified",
        "ClinicalTrialSponsorName",
        "ClinicalTrialProtocolID",
        "ClinicalTrialProtocolName",
        "ClinicalTrialSiteID",
        "ClinicalTrialSiteName",
        "ClinicalTrialSubjectID",
        "ClinicalTrialSubjectReadingID",
        "ClinicalTrialTimePointID",
        "ClinicalTrialTimePointDescription",
    ),
    "General Series (C.7.3.1)": (
        "Laterality",
        "BodyPartExamined",
        "PatientPosition",
        "ProtocolName",
        "AnatomicRegionSequence",
    ),
    "Frame of Reference (C.7.4.1)": ("FrameOfReferenceUID", "PositionReferenceIndicator"),
    "General Image (C.7.6.1)": (
        "AcquisitionDate",
        "AcquisitionTime",
        "BurnedInAnnotation",
        "RecognizableVisualFeatures",
        "LossyImageCompression",
        "LossyImageCompressionRatio",
        "LossyImageCompressionMethod",
        "ImageLaterality",
    ),
    "Contrast/Bolus (C.7.6.4)": (
        "ContrastBolusAgent",
        "ContrastBolusAgentSequence",
        "ContrastBolusRoute",
        "ContrastBolusVolume",
        "ContrastBolusTotalDose",
        "ContrastBolusIngredient",
    ),
    "SOP Common (C.12.1)": ("SpecificCharacterSet", "TimezoneOffsetFromUTC"),
}

#: How an MR scan was made (C.8.3.1); true of the acquisition whatever the pixels.
KEPT_MR = (
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "SequenceName",
    "AngioFlag",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "NumberOfAverages",
    "ImagingFrequency",
    "ImagedNucleus",
    "EchoNumbers",
    "MagneticFieldStrength",
    "EchoTrainLength",
    "FlipAngle",
    "VariableFlipAngleFlag",
    "ReceiveCoilName",
    "TransmitCoilName",
    "dBdt",
    "SAR",
    "DiffusionBValue",
)

#: How a CT scan was made (C.8.2.1).
KEPT_CT = (
    "KVP",
    "ScanOptions",
    "DataCollectionDiameter",
    "ReconstructionDiameter",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "GantryDetectorTilt",
    "TableHeight",
    "RotationDirection",
    "ExposureTime",
    "XRayTubeCurrent",
    "Exposure",
    "FilterType",
    "GeneratorPower",
    "FocalSpots",
    "ConvolutionKernel",
    "RevolutionTime",
    "SingleCollimationWidth",
    "TotalCollimationWidth",
    "SpiralPitchFactor",
    "CTDIvol",
)

#: The scanner's own item of ContributingEquipmentSequence (C.12.1.1.5).
SCANNER = (
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "InstitutionName",
    "StationName",
)

#: Attributes that must be there, if only empty (type 2).
EMPTY_WHEN_ABSENT: dict[str, tuple[str, ...]] = {
    "any": (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "StudyID",
        "AccessionNumber",
        "PositionReferenceIndicator",
        "AcquisitionNumber",
        "PatientPosition",
    ),
    "MR": (
        "ScanOptions",
        "MRAcquisitionType",
        "EchoTime",
        "RepetitionTime",
        "EchoTrainLength",
    ),
    "CT": ("KVP",),
}

#: Body parts without a side (PS3.16 annex L); for any other, Laterality is required, if only
#: empty for "not known" (type 2C, C.7.3.1).
UNPAIRED = {
    "ABDOMEN",
    "BRAIN",
    "CHEST",
    "CSPINE",
    "HEAD",
    "HEART",
    "LIVER",
    "LSPINE",
    "MEDIASTINUM",
    "NECK",
    "PELVIS",
    "PROSTATE",
    "SKULL",
    "SPINE",
    "SPLEEN",
    "TSPINE",
}

"""Make `sample_data/` out of the public-domain T1w scan that pydeface's tests ship.

    python -m benchmarks dicom.make_sample_data SOURCE_NIFTI OUT_FOLDER

SOURCE_NIFTI is `tests/data/ds000031_sub-01_ses-006_run-001_T1w.nii.gz` of the source distribution
of PyPI's pydeface 2.1.0 (OpenfMRI ds000031, ODC PDDL 1.0). The scan shows a face: the box and the
planes below take it away. The same source gives the same voxels and headers each time; nothing of
the source's header but the affine is passed on.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import sys
import uuid
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

Array = NDArray[np.float64]
Voxels = NDArray[np.int16]

SOURCE_SHA256 = "577d1484b5376b3925e9a4141d9f4534b0f29e1df7feeea3427525a19b91c5d2"

#: The box that is kept, in voxels of the source (axes left, front, head), end exclusive. Nose and
#: mouth lie below it, brows, eyelids and the forehead's skin in front of it, the ears beside it.
BOX = ((26, 178), (14, 214), (120, 252))

#: Voxels below both of these are zeroed: the orbits, between the temporal poles and the frontal
#: lobes. In voxels (i, j, k) of the source:
#:   k < 118 + 2 (j - 168)                                in front of the temporal poles
#:   k < 138 + 0.45 (j - 178) + 0.22 |i - 98|             under the frontal lobes, a roof each side
POLE_HEIGHT, POLE_FRONT, POLE_SLOPE = 118.0, 168.0, 2.0
ROOF_HEIGHT, ROOF_FRONT, ROOF_SLOPE, ROOF_TILT, MIDDLE = 138.0, 178.0, 0.45, 0.22, 98.0

#: Fine slices in a thick one, along the foot-head axis.
FACTOR = 4
SLICE_AXIS = 2

#: SIGMA = FWHM * this, of a Gaussian.
SIGMA_OF_FWHM = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))

REFERENCE, THICK = "head_T1w_reference", "head_T1w_thick"


def deface(voxels: Voxels) -> Voxels:
    """Zero the orbits. Voxels of the whole source, [X, Y, Z]."""
    i, j, k = np.ogrid[tuple(slice(n) for n in voxels.shape)]
    before_poles = k < POLE_HEIGHT + POLE_SLOPE * (j - POLE_FRONT)
    roof = ROOF_HEIGHT + ROOF_SLOPE * (j - ROOF_FRONT) + ROOF_TILT * np.abs(i - MIDDLE)
    return np.where(before_poles & (k < roof), 0, voxels).astype(np.int16)


def crop(voxels: Voxels, affine: Array) -> tuple[Voxels, Array]:
    """Cut out BOX; every voxel stays where it was in the patient."""
    moved = np.array(affine, dtype=np.float64)
    moved[:3, 3] += affine[:3, :3] @ np.array([low for low, _ in BOX], dtype=np.float64)
    return voxels[tuple(slice(*ends) for ends in BOX)], moved


def profile_weights(fine_count: int, factor: int) -> Array:
    """Weights [thick, fine] of a Gaussian slice profile, FWHM = one thick slice.

    The outer corners of both grids agree: thick slice i has its centre at fine voxel
    (i + 0.5) * factor - 0.5. A weight is the Gaussian's integral over the fine voxel; a profile
    that hangs over an end is cut there and made to sum to one again.
    """
    scale = math.sqrt(2.0) * factor * SIGMA_OF_FWHM
    centres = (np.arange(fine_count // factor) + 0.5) * factor - 0.5
    edges = np.arange(fine_count + 1) - 0.5
    cumulative = np.vectorize(math.erf)((edges[None, :] - centres[:, None]) / scale)
    weights = np.diff(cumulative, axis=1)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def thicken(voxels: Voxels, affine: Array) -> tuple[Voxels, Array]:
    """The scan as slices FACTOR times as far apart, rounded to whole numbers."""
    weights = profile_weights(voxels.shape[SLICE_AXIS], FACTOR)
    thick = np.einsum("xyz,tz->xyt", voxels.astype(np.float64), weights)
    coarse = np.array(affine, dtype=np.float64)
    coarse[:3, SLICE_AXIS] *= FACTOR
    coarse[:3, 3] += affine[:3, SLICE_AXIS] * (FACTOR - 1) / 2
    return np.rint(thick).astype(np.int16), coarse


def write_nifti(voxels: Voxels, affine: Array, path: Path, slice_axis: int | None) -> None:
    """Write int16 .nii.gz with equal sform and qform, and no time or name in the gzip header."""
    image = nibabel.Nifti1Image(voxels, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_dim_info(slice=slice_axis)
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())


def write_sidecar(affine: Array, path: Path) -> None:
    """The BIDS facts of the thick scan."""
    spacing = float(np.linalg.norm(affine[:3, SLICE_AXIS]))
    facts = {"Modality": "MR", "SliceThickness": spacing, "SpacingBetweenSlices": spacing}
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def invented_uid(name: str) -> str:
    """A UID under 2.25 (ITU-T X.667) that depends on the name alone."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_DNS, 'sample-data.medsr.' + name).int}"


def decimal_strings(numbers: Array) -> list[str]:
    """Numbers as DICOM decimal strings, 16 characters at most; no negative zero."""
    return [format_number_as_ds(float(x) + 0.0) for x in numbers]


def invented_header() -> Dataset:
    """What all slices share and no scanner or person ever had."""
    header = Dataset()
    header.ImageType = ["DERIVED", "PRIMARY", "M"]
    header.SOPClassUID = MRImageStorage
    header.StudyDate = header.SeriesDate = header.ContentDate = "20000101"
    header.StudyTime = header.SeriesTime = header.ContentTime = "000000"
    header.AccessionNumber = header.ReferringPhysicianName = header.StudyID = ""
    header.Modality, header.Manufacturer = "MR", "invented"
    header.StudyDescription = "medsr sample data"
    header.SeriesDescription = "thick-slice T1w, simulated"
    header.PatientName, header.PatientID = "Sample^Head", "medsr-sample"
    header.PatientBirthDate = header.PatientSex = ""
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "face cut away, header invented"
    header.BurnedInAnnotation = header.RecognizableVisualFeatures = "NO"
    header.BodyPartExamined = "HEAD"
    header.ScanningSequence, header.SequenceVariant, header.ScanOptions = "GR", "NONE", ""
    header.MRAcquisitionType = "2D"
    header.RepetitionTime = header.EchoTime = header.EchoTrainLength = None
    header.PatientPosition, header.Laterality, header.PositionReferenceIndicator = "HFS", "", ""
    header.StudyInstanceUID = invented_uid("study")
    header.SeriesInstanceUID = invented_uid("series")
    header.FrameOfReferenceUID = invented_uid("frame")
    header.SeriesNumber, header.AcquisitionNumber = 1, 1
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.PixelRepresentation = 0
    return header


def slice_dataset(voxels: Voxels, affine: Array, k: int) -> Dataset:
    """Slice k of an axial volume whose axes run left, front, head.

    Columns follow the first axis; rows run to the back, so the second axis is turned round.
    """
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    pixels = np.ascontiguousarray(voxels[:, ::-1, k].T).astype("<u2")
    corner = lps @ np.array([0.0, voxels.shape[1] - 1.0, k, 1.0])
    data = invented_header()
    data.SOPInstanceUID = invented_uid(f"slice{k}")
    data.InstanceNumber = k + 1
    data.Rows, data.Columns = pixels.shape
    data.PixelSpacing = decimal_strings(spacing[[1, 0]])
    data.SliceThickness, data.SpacingBetweenSlices = decimal_strings(spacing[[2, 2]])
    data.ImagePositionPatient = decimal_strings(corner[:3])
    data.ImageOrientationPatient = decimal_strings(
        np.concatenate([lps[:3, 0] / spacing[0], -lps[:3, 1] / spacing[1]])
    )
    data.SliceLocation = decimal_strings(corner[2:3])[0]
    window = int(np.percentile(voxels, 99.5))
    data.WindowCenter, data.WindowWidth = window // 2, window
    data.PixelData = pixels.tobytes()
    return data


def write_dicom(voxels: Voxels, affine: Array, folder: Path) -> None:
    """Write a classic MR series, a file a slice, named from foot to head."""
    if voxels.min() < 0 or voxels.max() >= 4096:
        sys.exit("The thick scan does not fit 12 unsigned bits.")
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(voxels.shape[SLICE_AXIS]):
        data = slice_dataset(voxels, affine, k)
        data.file_meta = FileMetaDataset()
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.ImplementationClassUID = invented_uid("implementation")
        data.file_meta.ImplementationVersionName = "MEDSR_SAMPLE"
        data.save_as(folder / f"slice_{k + 1:03d}.dcm", enforce_file_format=True)


def make(source: Path, out: Path) -> None:
    """Read the source and write all of the sample data but its README."""
    if hashlib.sha256(source.read_bytes()).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{source.name}: not the scan that the box and the planes were made for.")
    image = nibabel.Nifti1Image.from_filename(source)
    whole = np.asarray(image.dataobj, dtype=np.int16)
    reference, affine = crop(deface(whole), np.asarray(image.affine, dtype=np.float64))
    thick, thick_affine = thicken(reference, affine)
    out.mkdir(parents=True, exist_ok=True)
    write_nifti(reference, affine, out / f"{REFERENCE}.nii.gz", None)
    write_nifti(thick, thick_affine, out / f"{THICK}.nii.gz", SLICE_AXIS)
    write_sidecar(thick_affine, out / f"{THICK}.json")
    write_dicom(thick, thick_affine, out / f"{THICK}_dicom")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Recreate sample_data/ from its source.")
    parser.add_argument("source", type=Path, metavar="SOURCE_NIFTI")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    options = parser.parse_args()
    make(options.source, options.out)


if __name__ == "__main__":
    main()

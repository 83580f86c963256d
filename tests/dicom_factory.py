"""Synthetic DICOM series with any geometry and any fault."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

#: ImageOrientationPatient of slices as a radiologist names them; LPS+.
ORIENTATIONS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "oblique": (0.8, 0.6, 0.0, -0.36, 0.48, -0.8),
    "head first prone": (-1, 0, 0, 0, -1, 0),
}

#: What a message must never show.
SECRET = "Mustermann"


def stored_values(slices=5, rows=8, columns=10, seed=0):
    """[slices, rows, columns] uint16, every slice different; 12 bits."""
    return np.random.default_rng(seed).integers(0, 4096, (slices, rows, columns), dtype=np.uint16)


def slice_positions(slices, step_mm, orientation, origin=(-31.0, 17.5, -4.25)):
    """[slices, 3] LPS+ mm along the normal of an orientation."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(origin) + np.arange(slices)[:, None] * step_mm * normal


def dicom_series(
    folder: Path,
    *,
    slices: int = 5,
    shape: tuple[int, int] = (8, 10),
    pixel_spacing: tuple[float, float] = (0.8, 0.6),
    step_mm: float = 2.0,
    orientation: str | tuple[float, ...] = "axial",
    modality: str = "MR",
    seed: int = 0,
    skip: tuple[int, ...] = (),
    uid: str | None = None,
    prefix: str = "IMG",
    change: Callable[[int, Dataset], None] | None = None,
) -> list[Path]:
    """Write a classic series, one file a slice.

    Args:
        folder: made when absent.
        shape: (rows, columns).
        pixel_spacing: (between rows, between columns), mm.
        orientation: a key of ORIENTATIONS or six direction cosines.
        skip: slices left out.
        uid: SeriesInstanceUID; a new one by default.
        change: called with the slice number and its data set before it is written.

    Returns:
        The files, in the order of growing position along the normal.
    """
    cosines = ORIENTATIONS[orientation] if isinstance(orientation, str) else orientation
    positions = slice_positions(slices, step_mm, cosines)
    pixels = stored_values(slices, *shape, seed=seed)
    uid = uid or generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for k in (k for k in range(slices) if k not in skip):
        dataset = _image(modality, uid, shape)
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [f"{x:.9g}" for x in positions[k]]
        dataset.ImageOrientationPatient = [f"{x:.9g}" for x in cosines]
        dataset.PixelSpacing = list(pixel_spacing)
        dataset.SliceThickness = step_mm
        if modality == "CT":
            dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = pixels[k].tobytes()
        if change is not None:
            change(k, dataset)
        files.append(folder / f"{prefix}{k:04d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


def enhanced_file(
    path: Path,
    *,
    slices: int = 5,
    shape: tuple[int, int] = (8, 10),
    step_mm: float = 2.0,
    orientation: str = "axial",
    modality: str = "MR",
    times: int = 1,
    slopes: tuple[float, ...] | None = None,
    change: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write one enhanced multi-frame file; frames from the last slice to the first."""
    cosines = ORIENTATIONS[orientation]
    positions = slice_positions(slices, step_mm, cosines)
    pixels = stored_values(slices * times, *shape)
    dataset = _image(modality, generate_uid(), shape, enhanced=True)
    dataset.NumberOfFrames = slices * times
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[0.8, 0.6], SliceThickness=step_mm)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=list(cosines))]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for k in reversed(range(slices)):
        for time in range(times):
            group = Dataset()
            group.PlanePositionSequence = [
                _item(ImagePositionPatient=[f"{x:.9g}" for x in positions[k]])
            ]
            group.FrameContentSequence = [
                _item(StackID="1", InStackPositionNumber=k + 1, TemporalPositionIndex=time + 1)
            ]
            group.PixelValueTransformationSequence = [
                _item(
                    RescaleSlope=slopes[k] if slopes else 1,
                    RescaleIntercept=-1024 if modality == "CT" else 0,
                    RescaleType="HU" if modality == "CT" else "US",
                )
            ]
            groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.PixelData = pixels[::-1].tobytes()
    if change is not None:
        change(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def edit(path: Path, **attributes) -> None:
    """Change attributes of a file in place; None deletes one."""
    dataset = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


def encoded(path: Path, syntax: UID) -> Path:
    """Write a little-endian file again, in another transfer syntax; its path."""
    dataset = pydicom.dcmread(path)
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
        return path
    plain = Dataset({element.tag: element for element in dataset})  # free of its encoding
    plain.file_meta, plain.preamble = dataset.file_meta, dataset.preamble
    plain.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        plain.PixelData = np.frombuffer(plain.PixelData, "<u2").astype(">u2").tobytes()
    plain.save_as(
        path,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return path


def _item(**attributes):
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _image(modality, uid, shape, enhanced=False):
    classes = {
        ("MR", False): MRImageStorage,
        ("CT", False): CTImageStorage,
        ("MR", True): EnhancedMRImageStorage,
        ("CT", True): EnhancedCTImageStorage,
    }
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = classes.get((modality, enhanced), "1.2.840.10008.5.1.4.1.1.128")
    dataset.SOPInstanceUID = generate_uid()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.SeriesInstanceUID = uid
    dataset.Modality = modality
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "M"]
    dataset.PatientName = f"{SECRET}^Erika"
    dataset.PatientID = f"{SECRET}-4711"
    dataset.PatientBirthDate = "19640812"
    dataset.SeriesDescription = f"brain of {SECRET}"
    dataset.Rows, dataset.Columns = shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    return dataset

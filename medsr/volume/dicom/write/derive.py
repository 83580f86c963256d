"""Derives an MR or CT image series from a volume, one classic data set per slice. Pure.

What stands in it, by module of PS3.3: Patient, Study and Frame of Reference are the source's
(C.7.1, C.7.2, C.7.4). Series, Equipment and Image are new (C.7.3, C.7.5, C.7.6): ImageType
DERIVED\\SECONDARY, the derivation in words and codes (C.7.6.1.1.3, C.12.4), the source slices,
the scanner and medsr as contributing equipment (C.12.1). Which attributes are kept is listed in
`dicom_tags`; everything else, private blocks included, is left out.

No clock and no chance: the same input, model, settings and seed give the same UIDs and the same
bytes.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from medsr.errors import Refused
from medsr.volume.dicom.read.series import DicomSeries
from medsr.volume.dicom.read.stack import LPS_TO_RAS
from medsr.volume.dicom.values import text
from medsr.volume.dicom.write.context import (
    CLASSES,
    equipment_items,
    new_item,
    scan_facts,
    source_items,
    whole_series_items,
)
from medsr.volume.dicom.write.encoding import (
    Encoding,
    choose_encoding,
    encode,
    source_encoding,
    with_room_for_padding,
)
from medsr.volume.dicom.write.naming import (
    LONGEST_LO,
    Kind,
    image_type,
    series_description,
    series_number,
    window,
)
from medsr.volume.geometry import spacing_mm
from medsr.volume.volume import Volume

__all__ = ["Derivation", "Kind", "check_belongs", "derive_series", "uid_of"]

#: A name space of medsr's own, for version 5 UUIDs (RFC 9562) under 2.25 (PS3.5 B.2).
NAMESPACE = uuid.UUID("0b6b9a6e-6f0c-5d0c-9f53-6d656473720a")

#: Decimals of a written place or length: 1e-12 mm is rounding of the arithmetic.
DIGITS = 12


@dataclass(frozen=True)
class Derivation:
    """How a volume came from its source, as the headers will say.

    Attributes:
        kind: the enhanced image, or a map that belongs to it.
        identity: a digest of all that fixes the result; every new UID follows from it.
        model: name of the model.
        model_digest: SHA-256 of its weights, hex.
        version: of medsr.
        words: DerivationDescription, at most 1024 characters.
        further: series besides the source that every slice was made of: joined or guiding scans.
    """

    kind: Kind
    identity: str
    model: str
    model_digest: str
    version: str
    words: str
    further: tuple[DicomSeries, ...] = ()


def uid_of(*words: object) -> str:
    """A UID that follows from words alone.

    >>> uid_of("a", 1) == uid_of("a", 1) != uid_of("a", 2)
    True
    """
    return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, words))).int}"


def derive_series(
    volume: Volume, source: DicomSeries, derivation: Derivation
) -> Iterator[Dataset]:
    """One data set a slice, in the order of position along the source's slice normal.

    Args:
        volume: [X, Y, Z] in HU or scanner units, any axis order; it is turned to the source's
            rows, columns and slices by whole axes, never resampled.
        source: the series it came from, or the template of its patient.
        derivation: what was done.

    Raises:
        Refused: volume and source are of two modalities, or lie apart in space.
    """
    check_belongs(volume, source)
    pixels, affine = _as_slices(volume.voxels, volume, source)
    padded = None
    if volume.padding is not None and derivation.kind == "enhanced":
        padded, _ = _as_slices(volume.padding.mask, volume, source)
    whole_numbers = derivation.kind == "enhanced" and volume.stored_as_integers
    encoding = choose_encoding(
        float(pixels.min()),
        float(pixels.max()),
        _start(source, derivation),
        whole_numbers=whole_numbers,
    )
    empty = None
    if volume.padding is not None and padded is not None and padded.any():
        low, high = float(pixels.min()), float(pixels.max())
        encoding, empty = with_room_for_padding(volume.padding.value, low, high, encoding)
    common = _common(volume, source, derivation, encoding, pixels)
    if empty is not None:
        common.PixelPaddingValue = empty
    planes = _encoded(pixels, encoding, padded, empty)
    return _slices(planes, affine, common, source, derivation)


def _encoded(
    pixels: NDArray[np.float32],
    encoding: Encoding,
    padded: NDArray[np.bool_] | None,
    empty: int | None,
) -> Iterator[bytes]:
    """The stored numbers of each slice."""
    for k, plane in enumerate(pixels):
        stored = encode(plane, encoding).astype(encoding_dtype(encoding))
        if padded is not None and empty is not None:
            stored[padded[k]] = empty
        yield stored.tobytes()


def _start(source: DicomSeries, derivation: Derivation) -> Encoding:
    encoding = source_encoding(source)
    return encoding if derivation.kind == "enhanced" else Encoding(encoding.slope, 0.0, False, 16)


def check_belongs(volume: Volume, source: DicomSeries) -> None:
    """Refuse a volume that cannot come from a source.

    Raises:
        Refused: they are of two modalities, or lie apart in space.
    """
    if volume.modality not in (None, source.modality):
        raise Refused(
            f"{volume.name}: is {volume.modality}, but the series {source.name} is "
            f"{source.modality}. Give --template a series of the same scan."
        )
    rows, columns = source.frames[0].shape
    shape = (columns, rows, len(source.frames))
    corners = np.stack(np.meshgrid(*[[-0.5, n - 0.5] for n in volume.shape], [1.0], indexing="ij"))
    inside = np.linalg.solve(source.affine, volume.affine @ corners.reshape(4, -1))[:3]
    if (inside.max(1) <= -0.5).any() or (inside.min(1) >= np.array(shape) - 0.5).any():
        raise Refused(
            f"{volume.name}: does not overlap the series {source.name}, so the two cannot "
            "be the same scan. Give --template the series it was made from."
        )


def _as_slices(
    values: NDArray[Any], volume: Volume, source: DicomSeries
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Values of each voxel as [slices, rows, columns]; the LPS affine of (column, row, slice)."""
    lps = LPS_TO_RAS @ volume.affine
    frame = LPS_TO_RAS @ source.affine
    directions = np.eye(4)
    directions[:3, :3] = frame[:3, :3] / spacing_mm(frame)
    turn = io_orientation(np.linalg.inv(directions) @ lps)
    turned = apply_orientation(values, turn)
    affine = lps @ inv_ornt_aff(turn, volume.shape)
    return np.asarray(turned.transpose(2, 1, 0)), np.asarray(affine)


def _slices(
    planes: Iterator[bytes],
    affine: NDArray[np.float64],
    common: Dataset,
    source: DicomSeries,
    derivation: Derivation,
) -> Iterator[Dataset]:
    steps = spacing_mm(affine)
    row, column, across = (affine[:3, k] / steps[k] for k in range(3))
    normal = np.cross(row, column)
    places = [float(np.dot(_position(frame), normal)) for frame in source.frames]
    common.PixelSpacing = [_ds(steps[1]), _ds(steps[0])]
    common.SpacingBetweenSlices = _ds(steps[2])
    if "SliceThickness" not in common:
        common.SliceThickness = _ds(steps[2])
    common.ImageOrientationPatient = [_ds(v) for v in (*row, *column)]
    others = [item for series in derivation.further for item in whole_series_items(series)]
    for k, plane in enumerate(planes):
        dataset = copy.deepcopy(common)
        position = affine[:3, 3] + k * steps[2] * across
        along = float(position @ normal)
        dataset.SOPInstanceUID = uid_of(derivation.identity, derivation.kind, k)
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [_ds(v) for v in position]
        dataset.SliceLocation = _ds(along)
        came_from = [*source_items(source, places, along), *others]
        if came_from:
            dataset.SourceImageSequence = came_from
        dataset.PixelData = plane
        yield dataset


def encoding_dtype(encoding: Encoding) -> str:
    """Little endian, whatever the machine."""
    return "<i2" if encoding.signed else "<u2"


def _position(frame: Any) -> NDArray[np.float64]:
    return np.asarray(frame.position, dtype=np.float64)


def _common(
    volume: Volume,
    source: DicomSeries,
    derivation: Derivation,
    encoding: Encoding,
    pixels: NDArray[np.float32],
) -> Dataset:
    """All that the slices share."""
    dataset = scan_facts(source)
    dataset.SOPClassUID = CLASSES[source.modality]
    dataset.Modality = source.modality
    dataset.StudyInstanceUID = text(dataset, "StudyInstanceUID") or uid_of(
        "study", derivation.identity
    )
    dataset.FrameOfReferenceUID = text(dataset, "FrameOfReferenceUID") or uid_of(
        "frame of reference", derivation.identity
    )
    dataset.SeriesInstanceUID = uid_of(derivation.identity, derivation.kind)
    dataset.SeriesNumber = series_number(source, derivation.kind)
    dataset.SeriesDescription = series_description(source, volume, derivation.kind)
    dataset.ImageType = image_type(source, derivation.kind)
    dataset.DerivationDescription = derivation.words[:1024]
    dataset.DerivationCodeSequence = [new_item("113085", "DCM", "Spatial resampling")]
    dataset.Manufacturer = "medsr"
    dataset.ManufacturerModelName = derivation.model[:LONGEST_LO]
    dataset.SoftwareVersions = [f"medsr {derivation.version}", derivation.model_digest]
    dataset.ContributingEquipmentSequence = equipment_items(
        source,
        model=derivation.model[:LONGEST_LO],
        digest=derivation.model_digest,
        version=derivation.version,
        device_uid=uid_of("model", derivation.model_digest),
    )
    if volume.slice_thickness_mm is not None:
        dataset.SliceThickness = _ds(volume.slice_thickness_mm)
    _describe_pixels(dataset, source, derivation.kind, encoding, pixels)
    return dataset


def _describe_pixels(
    dataset: Dataset,
    source: DicomSeries,
    kind: Kind,
    encoding: Encoding,
    pixels: NDArray[np.float32],
) -> None:
    """Image Pixel, Modality LUT and VOI LUT (C.7.6.3, C.11.1, C.11.2)."""
    dataset.Rows, dataset.Columns = pixels.shape[1:]
    dataset.SamplesPerPixel = 1
    declared = text(source.headers[0], "PhotometricInterpretation")
    inverted = declared == "MONOCHROME1" and kind == "enhanced"
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = 16, encoding.bits
    dataset.HighBit = encoding.bits - 1
    dataset.PixelRepresentation = int(encoding.signed)
    dataset.RescaleSlope = format_number_as_ds(encoding.slope)
    dataset.RescaleIntercept = format_number_as_ds(encoding.intercept)
    dataset.RescaleType = "HU" if source.modality == "CT" else "US"
    centre, width = window(source, kind, pixels)
    dataset.WindowCenter, dataset.WindowWidth = _ds(centre), _ds(width)


def _ds(value: float) -> str:
    """A place or a length as VR DS: at most 16 characters (PS3.5 6.2).

    >>> _ds(-1 / 3), _ds(3.7499999999999996)
    ('-0.333333333333', '3.75')
    """
    return str(format_number_as_ds(round(float(value), DIGITS) + 0.0))

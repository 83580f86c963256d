"""Sound series to spoil: classic MR and CT, and one enhanced file; small and thick-sliced."""

from functools import lru_cache

import numpy as np

from tests.fuzz.case import DESCRIPTION, SECRET
from tests.fuzz.dicom_bytes import Element, short, text

ROWS, COLUMNS, SLICES = 8, 10, 4
ROOT = "1.2.826.0.1.3680043.10.99"
MR, CT, ENHANCED_MR = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("4", "2", "4.1"))

PIXELS = np.random.default_rng(1).integers(0, 4096, (SLICES, ROWS, COLUMNS), dtype="<u2")

#: The same, four by four times: JPEG 2000 halves an image five times.
LARGER = np.tile(PIXELS, (1, 4, 4))


def classic(modality: str) -> list[list[Element]]:
    """The data sets of a series, one a slice."""
    return [_slice(modality, k) for k in range(SLICES)]


def _slice(modality: str, k: int) -> list[Element]:
    elements = [
        *_identity(MR if modality == "MR" else CT, modality, f"{ROOT}.3.{k + 1}"),
        text(0x00180050, "DS", 5),
        text(0x00180081 if modality == "MR" else 0x00180060, "DS", 90),
        text(0x00180088, "DS", 5),
        text(0x00185100, "CS", "HFS"),
        *_relations(),
        text(0x00200011, "IS", 3),
        text(0x00200012, "IS", 1),
        text(0x00200013, "IS", k + 1),
        text(0x00200032, "DS", -31, 17.5, -4.25 + 5 * k),
        text(0x00200037, "DS", 1, 0, 0, 0, 1, 0),
        text(0x00200052, "UI", f"{ROOT}.4"),
        *_image(),
        text(0x00281050, "DS", 600),
        text(0x00281051, "DS", 1600),
    ]
    if modality == "CT":
        elements += [text(0x00281052, "DS", -1024), text(0x00281053, "DS", 1)]
        elements.append(text(0x00281054, "LO", "HU"))
    elements.append(Element(0x7FE00010, "OW", PIXELS[k].tobytes()))
    return sorted(elements, key=lambda element: element.tag)


def _identity(sop_class: str, modality: str, instance: str) -> list[Element]:
    return [
        text(0x00080005, "CS", "ISO_IR 100"),
        text(0x00080008, "CS", "ORIGINAL", "PRIMARY", "M" if modality == "MR" else "AXIAL"),
        text(0x00080016, "UI", sop_class),
        text(0x00080018, "UI", instance),
        text(0x00080020, "DA", "20200102"),
        text(0x00080060, "CS", modality),
        text(0x00080070, "LO", "ACME"),
        text(0x0008103E, "LO", f"brain of {DESCRIPTION}"),
        Element(0x00081140, "SQ", [[text(0x00081150, "UI", MR), text(0x00081155, "UI", "1.2.3")]]),
        text(0x00090010, "LO", "ACME 1"),
        text(0x00091001, "LO", SECRET),
        text(0x00100010, "PN", f"{SECRET}^Erika"),
        text(0x00100020, "LO", f"{SECRET}-4711"),
        text(0x00100030, "DA", "19640812"),
    ]


def _relations() -> list[Element]:
    return [text(0x0020000D, "UI", f"{ROOT}.1"), text(0x0020000E, "UI", f"{ROOT}.2")]


def _image() -> list[Element]:
    return [
        short(0x00280002, 1),
        text(0x00280004, "CS", "MONOCHROME2"),
        short(0x00280010, ROWS),
        short(0x00280011, COLUMNS),
        text(0x00280030, "DS", 1.5, 1.5),
        short(0x00280100, 16),
        short(0x00280101, 12),
        short(0x00280102, 11),
        short(0x00280103, 0),
    ]


def enhanced() -> list[Element]:
    """One multi-frame MR file."""
    groups = [
        [
            Element(0x00209111, "SQ", [[text(0x00209056, "SH", "1")]]),
            Element(0x00209113, "SQ", [[text(0x00200032, "DS", -31, 17.5, 5 * k)]]),
            Element(0x00289145, "SQ", [[text(0x00281052, "DS", 0), text(0x00281053, "DS", 1)]]),
        ]
        for k in range(SLICES)
    ]
    measures = [text(0x00180050, "DS", 5), text(0x00280030, "DS", 1.5, 1.5)]
    shared = [
        Element(0x00209116, "SQ", [[text(0x00200037, "DS", 1, 0, 0, 0, 1, 0)]]),
        Element(0x00289110, "SQ", [measures]),
    ]
    elements = [
        *_identity(ENHANCED_MR, "MR", f"{ROOT}.3.1"),
        *_relations(),
        *(element for element in _image() if element.tag != 0x00280030),
        text(0x00280008, "IS", SLICES),
        Element(0x52009229, "SQ", [shared]),
        Element(0x52009230, "SQ", groups),
        Element(0x7FE00010, "OW", PIXELS.tobytes()),
    ]
    return sorted(elements, key=lambda element: element.tag)


@lru_cache
def compressed(which: int) -> tuple[str, tuple[bytes, ...]]:
    """Transfer syntax and one codestream a slice: RLE, JPEG 2000, JPEG-LS, JPEG."""
    from io import BytesIO

    from PIL import Image
    from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

    if which == 3:
        streams = []
        for plane in LARGER:
            stream = BytesIO()
            Image.fromarray((plane >> 4).astype(np.uint8)).save(stream, "JPEG")
            streams.append(stream.getvalue())
        return "1.2.840.10008.1.2.4.50", tuple(streams)
    syntax = (RLELossless, JPEG2000Lossless, JPEGLSLossless)[which]
    return str(syntax), tuple(_packed(plane, syntax) for plane in LARGER)


def _packed(plane: np.ndarray, syntax: str) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import generate_frames
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = MR, "1.2.3"
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.PixelData = 0, plane.tobytes()
    dataset.compress(syntax, generate_instance_uid=False)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))

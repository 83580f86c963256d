"""Print a markdown table: what damaged codestreams do to decoders, and what medsr says of them.

Usage: python -m benchmarks dicom.decoder_mutations [COUNT [SEED]]

One slice is compressed by each codec. COUNT times (1000) some bytes of its codestream are changed,
removed or doubled, mostly in its header, and the file is decoded as medsr decodes all compressed
files. "worker ended" counts files that ended the process that decoded them: an abort, a
segmentation fault, too much memory or time. All of these are refused in words; anything else than
pixels or words stops the run with a traceback.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from medsr.errors import InputError
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read import decode_pool
from medsr.volume.dicom.read.announced import announced

SYNTAXES = (JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless)
SHAPE = (64, 80)

#: Half of all changes lie in so many first bytes.
HEADER_BYTES = 160

HEADER = """| syntax | files | decoded | refused before | refused by the decoder | worker ended |
|---|---|---|---|---|---|"""


def native_slice(bits: int) -> FileDataset:
    """A smooth picture with noise, uncompressed."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices(SHAPE)
    level = (2**bits - 1) / 2
    picture = level * (1 + np.sin(rows / 9) * np.cos(columns / 7) / 2)
    pixels = (picture + rng.normal(0, level / 50, SHAPE)).clip(0, 2**bits - 1)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid()
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Rows, dataset.Columns = SHAPE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.PixelData = pixels.astype(np.uint8 if bits == 8 else np.uint16).tobytes()
    return dataset


def compressed_slice(path: Path, syntax: UID) -> FileDataset:
    """The same in another transfer syntax; `path` is for files in between."""
    dataset = native_slice(8 if syntax == JPEGBaseline8Bit else 12)
    if syntax == JPEGBaseline8Bit:
        target = BytesIO()
        pixels = np.frombuffer(dataset.PixelData, np.uint8).reshape(SHAPE)
        Image.fromarray(pixels).save(target, "JPEG", quality=90)
        dataset.PixelData = encapsulate([target.getvalue()])
        dataset.file_meta.TransferSyntaxUID = syntax
    elif syntax == JPEGLosslessSV1:
        dataset.save_as(path, enforce_file_format=True)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), None
        reader.SetFileName(str(path))
        reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.Write()
        dataset = pydicom.dcmread(path)
    else:
        dataset.compress(syntax, generate_instance_uid=False)
    return dataset


def mutations(stream: bytes, count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Damaged versions of a codestream; its last two bytes, which may be an end marker, stay."""
    for _ in range(count):
        changed: NDArray[np.uint8] = np.frombuffer(stream[:-2], np.uint8).copy()
        reach = min(HEADER_BYTES, len(changed)) if rng.random() < 0.5 else len(changed)
        for place in rng.integers(0, reach, size=rng.integers(1, 5)):
            changed[place] = rng.integers(256) if rng.random() < 0.5 else rng.choice((0, 127, 255))
        start, length = rng.integers(len(changed)), rng.integers(1, 40)
        kind = rng.random()
        if kind < 0.1:
            changed = np.delete(changed, slice(start, start + length))
        elif kind < 0.2:
            changed = np.insert(changed, start, changed[start : start + length])
        yield changed.tobytes() + stream[-2:]


def outcomes(syntax: UID, count: int, rng: np.random.Generator) -> Counter[str]:
    """How many damaged files of a syntax fared how."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slice.dcm"
        dataset = compressed_slice(path, syntax)
        (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        worker = decode_pool._Worker()
        with parse_quietly(), worker.ended():
            for changed in mutations(stream, count, rng):
                dataset.PixelData = encapsulate([changed])
                dataset.save_as(path, enforce_file_format=True)
                try:
                    worker.decode(path, announced(path))
                    found["decoded"] += 1
                except InputError as fault:
                    ended = "the decoder stopped" in str(fault) or "not finish" in str(fault)
                    decoder = "shorter than the header says or damaged" in str(fault)
                    found["ended" if ended else "decoder" if decoder else "before"] += 1
    return found


def main() -> None:
    """Print the table."""
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(HEADER)
    for syntax in SYNTAXES:
        found = outcomes(syntax, count, np.random.default_rng(seed))
        figures = " | ".join(str(found[k]) for k in ("decoded", "before", "decoder", "ended"))
        print(f"| {syntax.name} | {count} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

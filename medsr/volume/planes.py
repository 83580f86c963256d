"""Planes of a scan as grey pictures, with numpy only.

Planes are shown as radiologists look at them: the patient's right on the picture's left, front or
head on top; in the sagittal plane the front is on the left.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.volume import geometry

__all__ = ["PLANES", "canonical", "plane", "png", "three_planes", "to_grey"]

#: Plane -> the axis (of right, front, head) that it cuts.
PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}

#: Grey runs between these percentiles of a scan.
DARK, BRIGHT = 0.5, 99.7
GAP = 4  # pixels between the planes


def canonical(
    voxels: NDArray[Any], affine: geometry.Affine
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Axes permuted and flipped so that they run most nearly to the right, the front, the head.

    Returns:
        voxels [R, A, S] and the spacing along each, mm.
    """
    cosines = affine[:3, :3] / geometry.spacing_mm(affine)
    source = [0, 0, 0]
    left = {0, 1, 2}
    for world in np.argsort(-np.abs(cosines).max(axis=1)):
        axis = max(left, key=lambda a, w=world: abs(cosines[w, a]))  # type: ignore[misc]
        source[world] = axis
        left.discard(axis)
    flipped = tuple(w for w in range(3) if cosines[w, source[w]] < 0)
    return np.flip(voxels.transpose(source), flipped), geometry.spacing_mm(affine)[source]


def plane(voxels: NDArray[Any], name: str, index: int) -> NDArray[Any]:
    """One plane of canonical voxels [R, A, S], rows from the top: [rows, columns]."""
    return np.asarray(np.take(voxels, index, axis=PLANES[name]).T[::-1, ::-1])


def to_grey(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Intensities as 0 to 255 between low and high."""
    scaled = (values.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.asarray(np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of grey [rows, columns] or RGB [rows, columns, 3] pixels.

    >>> png(np.zeros((2, 2), dtype=np.uint8))[:4]
    b'\\x89PNG'
    """
    rows, columns = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    lines = np.zeros((rows, 1 + pixels[0].size), dtype=np.uint8)  # each begins with filter 0
    lines[:, 1:] = pixels.reshape(rows, -1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, colour, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def three_planes(voxels: NDArray[Any], affine: geometry.Affine) -> bytes:
    """The middle axial, coronal and sagittal plane side by side, as PNG, in true proportions."""
    turned, spacing = canonical(voxels, affine)
    low, high = (float(v) for v in np.percentile(voxels, [DARK, BRIGHT]))
    repeats = np.maximum(1, np.rint(spacing / spacing.min())).astype(int)
    panes = []
    for name, cut in PLANES.items():
        pane = to_grey(plane(turned, name, turned.shape[cut] // 2), low, high)
        across, down = (a for a in range(3) if a != cut)
        panes.append(pane.repeat(repeats[down], axis=0).repeat(repeats[across], axis=1))
    tall = max(len(pane) for pane in panes)
    wide = sum(pane.shape[1] for pane in panes) + GAP * (len(panes) - 1)
    sheet, start = np.zeros((tall, wide), dtype=np.uint8), 0
    for pane in panes:
        top = (tall - len(pane)) // 2
        sheet[top : top + len(pane), start : start + pane.shape[1]] = pane
        start += pane.shape[1] + GAP
    return png(sheet)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

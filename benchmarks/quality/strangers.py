"""Volumes that a model of MR heads is not for: [X, Y, Z] float32, none of them negative.

Made from random numbers and from the pictures that come with scikit-image; none needs data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data

__all__ = ["STRANGERS"]

Array = NDArray[np.float32]

#: Sides of every volume, voxels.
SIDES = (96, 96, 96)


def _noise(smooth: float = 0.0) -> Array:
    values = np.random.default_rng(0).normal(size=SIDES)
    return _above_zero(ndimage.gaussian_filter(values, smooth) if smooth else values)


def _above_zero(values: NDArray[np.float64]) -> Array:
    values = values - values.min()
    return (100 * values / values.max()).astype(np.float32)


def _grid() -> list[NDArray[np.float64]]:
    return list(np.meshgrid(*[np.arange(n, dtype=float) for n in SIDES], indexing="ij"))


def _checkerboard(side: int) -> Array:
    x, y, z = (g // side for g in _grid())
    return (100 * ((x + y + z) % 2) + 20).astype(np.float32)


def _wrapped_phase(turns: float) -> Array:
    """Smooth phase, wrapped into one turn: jumps where nothing is."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=SIDES), 10)
    return (100 * np.mod(turns * smooth / smooth.std(), 1.0) + 5).astype(np.float32)


def _blobs(levels: int) -> Array:
    """Smooth regions with sharp borders, as a label map has; 2 levels are a mask."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=SIDES), 4)
    cuts = np.quantile(smooth, np.linspace(0, 1, levels + 1)[1:-1])
    names = np.random.default_rng(3).permutation(levels)
    return (100 * names[np.digitize(smooth, cuts)] / (levels - 1)).astype(np.float32)


def _sheared(picture: NDArray[np.uint8]) -> Array:
    """A picture that moves by a pixel from slice to slice, so that all axes show it."""
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    part = grey[:96, :192].astype(np.float32)
    part = np.pad(part, [(0, 96 - part.shape[0]), (0, 192 - part.shape[1])], mode="wrap")
    return np.stack([part[:, k : k + 96] for k in range(96)], axis=2)


def _stacked(picture: NDArray[np.uint8]) -> Array:
    """A picture cut into tiles, one a slice: neighbours have nothing in common."""
    tiles = [
        picture[32 * a : 32 * a + 96, 32 * b : 32 * b + 96] for a in range(10) for b in range(10)
    ]
    return np.stack(tiles[:96], axis=2).astype(np.float32)


def _stripes() -> Array:
    """A wave of 5 voxels in all directions: slices of 4 voxels cannot show it."""
    x, y, z = _grid()
    return (100 + 50 * np.sin(2 * np.pi * (x + y + z) / (5 / 1.0))).astype(np.float32)


def _frames(smooth: float) -> Array:
    """Noise, smooth within each slice, and each slice by itself, as unsorted frames."""
    values = np.random.default_rng(5).normal(size=SIDES)
    return _above_zero(ndimage.gaussian_filter(values, (smooth, smooth, 0)))


def _noisy_body(deviation: float) -> Array:
    """A ball of one brightness under noise."""
    ball = sum(np.square(g - 47.5) for g in _grid()) < 40**2
    noise = np.random.default_rng(6).normal(size=(2, *SIDES)) * deviation
    return np.hypot(100 * ball + noise[0], noise[1]).astype(np.float32)


def _speckle() -> Array:
    """Blobs under multiplicative noise, as ultrasound has it."""
    speckle = np.random.default_rng(7).rayleigh(size=SIDES)
    return (_blobs(4) * speckle + 5).astype(np.float32)


def _layers() -> Array:
    """Sheets of 3 voxels across the slices and nothing within them."""
    return (20 + 100 * ((_grid()[2] // 3) % 2)).astype(np.float32)


def _points() -> Array:
    """Single bright voxels, as stars."""
    values = np.full(SIDES, 20.0, dtype=np.float32)
    places = np.random.default_rng(4).integers(0, 96, (3, 4000))
    values[tuple(places)] = 200
    return values


#: Name -> what makes the volume.
STRANGERS: Mapping[str, Callable[[], Array]] = {
    "white noise": _noise,
    "noise, smooth over 1.5 voxels": lambda: _noise(1.5),
    "checkerboard of 3 voxels": lambda: _checkerboard(3),
    "checkerboard of 8 voxels": lambda: _checkerboard(8),
    "wrapped phase, 4 turns": lambda: _wrapped_phase(25 / 6),
    "wrapped phase, 12 turns": lambda: _wrapped_phase(12.0),
    "mask": lambda: _blobs(2),
    "label map, 12 labels": lambda: _blobs(12),
    "wave of 5 voxels": _stripes,
    "single bright voxels": _points,
    "independent frames of noise": lambda: _frames(0.3),
    "independent frames, smooth over 2 voxels": lambda: _frames(2.0),
    "ball under noise of 20 %": lambda: _noisy_body(20.0),
    "ball under noise of 60 %": lambda: _noisy_body(60.0),
    "speckle": _speckle,
    "sheets of 3 voxels across the slices": _layers,
    "photograph (camera), sheared": lambda: _sheared(data.camera()),
    "text (page), sheared": lambda: _sheared(data.page()),
    "texture (grass), sheared": lambda: _sheared(data.grass()),
    "texture (gravel), sheared": lambda: _sheared(data.gravel()),
    "texture (brick), tiles stacked": lambda: _stacked(data.brick()),
}

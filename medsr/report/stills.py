"""Still pictures of a report: three planes of every image and map, with colour bars."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import NDArray

from medsr.volume import planes
from medsr.volume.geometry import Affine

__all__ = ["DIFFERENCE", "SPREAD", "Bar", "Still", "colour_stops", "stills_of"]

#: Colour maps of the two kinds of map, both told apart by the colour-blind.
DIFFERENCE, SPREAD = "PuOr_r", "viridis"


@dataclass(frozen=True)
class Bar:
    """A colour bar: a picture one pixel high, its two ends and its unit."""

    picture: str
    low: float
    high: float
    unit: str


@dataclass(frozen=True)
class Still:
    """Three planes of one image.

    Attributes:
        title: what it is.
        planes: (name, PNG as data URI, width in mm, height in mm) of each plane.
        bar: what its greys or colours mean.
    """

    title: str
    planes: Sequence[tuple[str, str, float, float]]
    bar: Bar


def stills_of(
    image: NDArray[np.floating],
    affine: Affine,
    centre: NDArray[np.intp],
    window: tuple[float, float],
    title: str,
    unit: str,
    colours: str = "gray",
) -> Still:
    """The three planes through a voxel.

    Args:
        image: [X, Y, Z].
        affine: of its grid.
        centre: the voxel (3,) through which the planes go.
        window: intensities shown darkest and brightest, in `unit`.
        title, unit: for captions.
        colours: a matplotlib colour map.
    """
    turned, spacing = planes.canonical(image, affine)
    marked = np.zeros(image.shape, dtype=bool)
    marked[tuple(centre)] = True
    place = np.argwhere(planes.canonical(marked, affine)[0])[0]
    table = _table(colours)
    views = []
    for name, cut in planes.PLANES.items():
        grey = planes.to_grey(planes.plane(turned, name, int(place[cut])), *window)
        across, down = (a for a in range(3) if a != cut)
        size = (turned.shape[across] * spacing[across], turned.shape[down] * spacing[down])
        views.append((name, _uri(table[grey]), float(size[0]), float(size[1])))
    bar = Bar(_uri(table[None, :, ...]), *window, unit)
    return Still(title, views, bar)


def colour_stops(colours: str, count: int = 17) -> Mapping[str, list[int]]:
    """A colour map for the viewer: R, G, B, A, I lists of evenly spaced stops."""
    at = np.linspace(0, 255, count).round().astype(int)
    stops = _table(colours)[at]
    return {
        "R": stops[:, 0].tolist(),
        "G": stops[:, 1].tolist(),
        "B": stops[:, 2].tolist(),
        "A": [255] * count,
        "I": at.tolist(),
    }


def _table(colours: str) -> NDArray[np.uint8]:
    """256 grey levels [256], or colours [256, 3]."""
    if colours == "gray":
        return np.arange(256, dtype=np.uint8)
    steps = matplotlib.colormaps[colours](np.arange(256))
    return np.asarray(np.rint(255 * steps[:, :3]).astype(np.uint8))


def _uri(pixels: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(planes.png(pixels)).decode("ascii")

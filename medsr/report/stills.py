"""Still pictures of a report: three planes of every image and map, with colour bars."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.report.colours import GREY, Table
from medsr.volume import planes
from medsr.volume.geometry import Affine

__all__ = ["Bar", "Still", "bar_picture", "stills_of"]


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
    colours: Table = GREY,
) -> Still:
    """The three planes through a voxel.

    Args:
        image: [X, Y, Z].
        affine: of its grid.
        centre: the voxel (3,) through which the planes go.
        window: intensities shown darkest and brightest, in `unit`.
        title, unit: for captions.
        colours: of the 256 steps from the darkest to the brightest.
    """
    turned, spacing = planes.canonical(image, affine)
    marked = np.zeros(image.shape, dtype=bool)
    marked[tuple(centre)] = True
    place = np.argwhere(planes.canonical(marked, affine)[0])[0]
    views = []
    for name, cut in planes.PLANES.items():
        grey = planes.to_grey(planes.plane(turned, name, int(place[cut])), *window)
        across, down = (a for a in range(3) if a != cut)
        size = (turned.shape[across] * spacing[across], turned.shape[down] * spacing[down])
        views.append((name, _uri(colours[grey]), float(size[0]), float(size[1])))
    bar = Bar(bar_picture(colours), *window, unit)
    return Still(title, views, bar)


def bar_picture(colours: Table) -> str:
    """The colours from left to right, as the address of a picture one pixel high."""
    return _uri(colours[None])


def _uri(pixels: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(planes.png(pixels)).decode("ascii")

"""Colours of a report: of its still pictures, and of the maps laid over the scan in the viewer.

A map fades out towards zero, so that the scan stays visible where there is nothing to see. The
viewer fades as NiiVue does: a colour is solid from a share of the range on, and below that its
alpha falls with the square of the value.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from numpy.typing import NDArray

__all__ = ["AMOUNT", "GREY", "SIGNED", "SOLID_FROM", "Table", "viewer_colours"]

#: [256] greys or [256, 3] colours, as they look on black.
Table = NDArray[np.uint8]

#: Share of the range from which a colour is solid.
SOLID_FROM = 0.5

#: From nothing to the strongest, [256, 3]. Orange and blue are told apart by the colour-blind.
_ABOVE = np.linspace((225, 115, 20), (255, 220, 120), 256)
_BELOW = np.linspace((40, 120, 230), (150, 220, 255), 256)
_AMOUNT = 255 * matplotlib.colormaps["viridis"](np.arange(256))[:, :3]


def _faded(colours: NDArray[np.float64], size: NDArray[np.float64]) -> Table:
    alpha = np.minimum((size / SOLID_FROM) ** 2, 1)
    return np.asarray(np.rint(alpha[:, None] * colours), dtype=np.uint8)


def _signed() -> Table:
    place = np.linspace(-1, 1, 256)
    size = np.abs(place)
    at = np.rint(255 * size).astype(np.intp)
    return _faded(np.where(place[:, None] < 0, _BELOW[at], _ABOVE[at]), size)


#: The images; maps below and above zero; maps from nothing to much.
GREY: Table = np.arange(256, dtype=np.uint8)
SIGNED, AMOUNT = _signed(), _faded(_AMOUNT, np.linspace(0, 1, 256))


def viewer_colours(count: int = 33) -> dict[str, Mapping[str, list[int]]]:
    """Colour maps for NiiVue, which fades them itself: name -> lists R, G, B, A, I of stops."""
    at = np.linspace(0, 255, count).round().astype(int)
    solid = {"A": [255] * count, "I": at.tolist()}
    return {
        name: {c: colours[at, k].round().astype(int).tolist() for k, c in enumerate("RGB")} | solid
        for name, colours in (("above", _ABOVE), ("below", _BELOW), ("amount", _AMOUNT))
    }

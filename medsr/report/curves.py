"""Plots of a report: profile lines, histogram and power spectra along each axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.metrics.detail import line_power
from medsr.report.plots import Lines, histogram, line_plot
from medsr.volume import geometry
from medsr.volume.volume import Volume

__all__ = ["Curve", "curves_of"]

LABELS = {"before": "before", "after": "enhanced", "reference": "reference"}


@dataclass(frozen=True)
class Curve:
    """One plot: what it shows, in words, and the SVG."""

    title: str
    words: str
    svg: str


def curves_of(
    images: Mapping[str, Volume], mask: NDArray[np.bool_], centre: NDArray[np.intp]
) -> list[Curve]:
    """Histogram, then profile and spectrum of each axis.

    Args:
        images: role -> volume, all on one grid; roles as in `plots.COLOURS`.
        mask: the voxels of the histogram; lines that meet it enter the spectra.
        centre: the voxel (3,) through which the profiles go.
    """
    first = next(iter(images.values()))
    shown: dict[str, tuple[str, NDArray[np.float64]]] = {
        LABELS[role]: (role, volume.voxels[mask].astype(np.float64))
        for role, volume in images.items()
    }
    words = "Intensities of the voxels of the anatomy."
    curves = [Curve("Histogram", words, histogram(shown, first.unit))]
    for axis in range(3):
        direction = geometry.axis_words(first.affine, axis)
        curves.append(_profile(images, axis, centre, direction))
        curves.append(_spectrum(images, axis, mask, direction))
    return curves


def _profile(
    images: Mapping[str, Volume], axis: int, centre: NDArray[np.intp], direction: str
) -> Curve:
    first = next(iter(images.values()))
    place = np.arange(first.shape[axis], dtype=np.float64) * first.spacing_mm[axis]
    index: list[int | slice] = [int(c) for c in centre]
    index[axis] = slice(None)
    lines: Lines = {
        LABELS[role]: (role, place, volume.voxels[tuple(index)].astype(np.float64))
        for role, volume in images.items()
    }
    svg = line_plot(lines, f"{direction}, mm from the first voxel", f"intensity, {first.unit}")
    words = "Intensities along one line of voxels through the middle of the anatomy."
    return Curve(f"Profile {direction}", words, svg)


def _spectrum(
    images: Mapping[str, Volume], axis: int, mask: NDArray[np.bool_], direction: str
) -> Curve:
    first = next(iter(images.values()))
    lines: dict[str, tuple[str, NDArray[np.float64], NDArray[np.float64]]] = {}
    for role, volume in images.items():
        frequencies, power = line_power(volume.voxels, axis=axis, mask=mask)
        per_mm = np.asarray(frequencies / volume.spacing_mm[axis], dtype=np.float64)
        lines[LABELS[role]] = (role, per_mm[1:], np.maximum(power[1:], 1e-12))
    svg = line_plot(lines, "cycles per mm", f"power, ({first.unit})²", log=True)
    words = (
        "Mean power of the Hann-tapered lines of voxels that meet the anatomy. Lost "
        "detail appears as a deficit on the right; noise and invented detail lie above "
        "the reference."
    )
    return Curve(f"Power spectrum {direction}", words, svg)

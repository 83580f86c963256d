"""One picture: before, after, reference, difference; for files and for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from medsr.errors import OutputError, UsageError
from medsr.volume import planes
from medsr.volume.volume import Volume

__all__ = ["compare", "compare_figure", "save_picture"]

#: Differences are drawn up to this share of the grey window.
DIFFERENCE_SHARE = 0.2


def compare(low: Volume, enhanced: Volume, reference: Volume | None = None) -> Figure:
    """Three planes of a scan before and after, and beside its reference, for a notebook.

    Every image is drawn on its own grid, in millimetres, with the same greys; the planes go
    through the middle of the enhanced scan, the patient's right on the left.

    Args:
        low: the measured scan.
        enhanced: the same, enhanced.
        reference: what it should look like, on the enhanced scan's grid; adds the difference.

    Raises:
        UsageError: the reference is on another grid.
    """
    shown = {"before": low, "enhanced": enhanced}
    if reference is not None:
        if reference.shape != enhanced.shape or not np.allclose(
            reference.affine, enhanced.affine, atol=1e-3
        ):
            raise UsageError(
                f"{reference.name} and {enhanced.name} are not on one grid, so they "
                "cannot be subtracted. Compare an enhanced scan with the reference of "
                "its own grid."
            )
        shown["reference"] = reference
    main = reference or enhanced
    dark, bright = (float(v) for v in np.percentile(main.voxels, [0.5, 99.7]))
    middle = enhanced.affine @ [*(0.5 * (np.array(enhanced.shape) - 1)), 1.0]
    columns = len(shown) + (reference is not None)
    figure = Figure(figsize=(3.0 * columns, 8.4), layout="constrained")
    axes = figure.subplots(3, columns, squeeze=False)
    for column, (label, volume) in enumerate(shown.items()):
        drawn = _draw_planes(axes[:, column], volume, middle, (dark, bright), "gray")
        axes[0, column].set_title(label)
    figure.colorbar(drawn, ax=axes[:, column], label=main.unit, shrink=0.5)
    if reference is not None:
        values = np.asarray(enhanced.voxels) - np.asarray(reference.voxels)
        reach = DIFFERENCE_SHARE * (bright - dark)
        difference = replace(enhanced, voxels=values)
        drawn = _draw_planes(axes[:, -1], difference, middle, (-reach, reach), "PuOr_r")
        axes[0, -1].set_title("enhanced - reference")
        figure.colorbar(drawn, ax=axes[:, -1], label=main.unit, shrink=0.5)
    return figure


def _draw_planes(
    axes: NDArray[Any],
    volume: Volume,
    middle_mm: NDArray[np.float64],
    window: tuple[float, float],
    colours: str,
) -> AxesImage:
    """The three planes of a volume through a place, one below the other."""
    voxel = np.rint(np.linalg.solve(volume.affine, middle_mm)[:3]).astype(int)
    marked = np.zeros(volume.shape, dtype=bool)
    marked[tuple(np.clip(voxel, 0, np.array(volume.shape) - 1))] = True
    turned, spacing = planes.canonical(volume.voxels, volume.affine)
    place = np.argwhere(planes.canonical(marked, volume.affine)[0])[0]
    for ax, (name, cut) in zip(axes, planes.PLANES.items(), strict=True):
        pane = planes.plane(turned, name, int(place[cut]))
        across, down = (a for a in range(3) if a != cut)
        extent = (0, pane.shape[1] * spacing[across], 0, pane.shape[0] * spacing[down])
        drawn = ax.imshow(pane, cmap=colours, vmin=window[0], vmax=window[1], extent=extent)
        ax.set_axis_off()
    return cast(AxesImage, drawn)


def compare_figure(
    panels: Mapping[str, NDArray[np.float32]],
    reference: NDArray[np.float32],
    spacing_mm: tuple[float, float, float],
    unit: str,
) -> Figure:
    """The middle slices of the two planes that hold the first and last axes.

    Args:
        panels: label -> [X, Y, Z], in the order shown; all on the reference's grid.
        reference: [X, Y, Z], shown after the panels; differences are to it.
        spacing_mm: voxel spacing, for the aspect.
        unit: of the intensities.
    """
    shown = {**panels, "reference": reference}
    low, high = (float(v) for v in np.percentile(reference, [0.5, 99.7]))
    spread = 0.2 * (high - low)
    figure = Figure(figsize=(3.2 * (len(shown) + len(panels)), 6.4), layout="constrained")
    axes = figure.subplots(2, len(shown) + len(panels), squeeze=False)
    for row, cut_axis in enumerate((0, 1)):
        aspect = spacing_mm[2] / spacing_mm[1 - cut_axis]
        middle = reference.shape[cut_axis] // 2
        for column, (label, image) in enumerate(shown.items()):
            plane = np.take(image, middle, axis=cut_axis).T
            axes[row, column].imshow(
                plane, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=aspect
            )
            axes[row, column].set_title(label)
        for column, (label, image) in enumerate(panels.items(), start=len(shown)):
            difference = np.take(image - reference, middle, axis=cut_axis).T
            drawn = axes[row, column].imshow(
                difference, cmap="RdBu_r", vmin=-spread, vmax=spread, origin="lower", aspect=aspect
            )
            axes[row, column].set_title(f"{label} - reference")
    figure.colorbar(drawn, ax=axes[:, -1], label=unit, shrink=0.6)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure as PNG.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, format="png")
    except OSError as fault:
        raise OutputError(f"{path.name}: cannot be written ({fault.strerror}).") from None

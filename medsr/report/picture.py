"""One picture: before, after, reference, difference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medsr.errors import OutputError

matplotlib.use("Agg")

__all__ = ["compare_figure", "save_picture"]


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

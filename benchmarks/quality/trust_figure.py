"""Figure of docs/explanation/trust.md: the sample head, its null-space component and interval.

python -m benchmarks quality.trust_figure docs/images/trust.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import medsr

SAMPLES = Path(__file__).parents[2] / "sample_data"


def main() -> None:
    """Enhance the sample with both maps, show one sagittal plane of each."""
    parser = argparse.ArgumentParser(description="Figure of the trust page.")
    parser.add_argument("output", type=Path, help="PNG to write")
    words = parser.parse_args()
    options = medsr.Options(spacing_mm=0.9375, interval=True, null_space_map=True)
    enhancer = medsr.Enhancer.from_pretrained("mr-head")
    result = enhancer.enhance(SAMPLES / "head_T1w_thick.nii.gz", options)
    reference = medsr.read(SAMPLES / "head_T1w_reference.nii.gz")
    error = np.abs(result.volume.voxels - reference.voxels)
    top = float(np.percentile(reference.voxels, 99.9))
    panels = [
        ("enhanced", result.volume.voxels, "gray", 0, top),
        ("null-space component", result.null_space_map.voxels, "RdBu_r", -0.2 * top, 0.2 * top),
        ("half-width of the 90 % interval", result.half_width.voxels, "viridis", 0, 0.2 * top),
        ("|enhanced - reference|", error, "viridis", 0, 0.2 * top),
    ]
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    for axes, (title, voxels, colours, low, high) in zip(
        figure.subplots(1, 4), panels, strict=True
    ):
        plane = np.rot90(voxels[voxels.shape[0] // 2 + 8])
        image = axes.imshow(plane, cmap=colours, vmin=low, vmax=high)
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
        figure.colorbar(image, ax=axes, shrink=0.7, label="scanner units")
    figure.savefig(words.output, dpi=90)


if __name__ == "__main__":
    main()

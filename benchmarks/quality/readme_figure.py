"""Figure of README.md: the sample head before and after enhancement, and its reference.

    python -m benchmarks quality.readme_figure docs/images/before-after.png

One coronal slice through the brain, in which nobody can be recognised. The scan before enhancement
is drawn as it was measured, without interpolation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import medsr

SAMPLES = Path(__file__).parents[2] / "sample_data"
SLICE = 80


def main() -> None:
    """Enhance the sample, draw the three slices."""
    parser = argparse.ArgumentParser(description="Figure of README.md.")
    parser.add_argument("output", type=Path, help="PNG to write")
    words = parser.parse_args()
    before = medsr.read(SAMPLES / "head_T1w_thick.nii.gz")
    enhancer = medsr.Enhancer.from_pretrained("mr-head")
    after = enhancer.enhance(before, medsr.Options(spacing_mm=0.9375)).volume
    reference = medsr.read(SAMPLES / "head_T1w_reference.nii.gz")
    top = float(np.percentile(reference.voxels[:, SLICE], 98.7))
    panels = {"measured: 3.75 mm slices": before, "enhanced": after, "reference": reference}
    figure = Figure(figsize=(10.2, 3.35), layout="constrained", facecolor="black")
    for axes, (title, volume) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        x, _, z = volume.spacing_mm
        plane = np.rot90(volume.voxels[:, SLICE])
        axes.imshow(plane, cmap="gray", vmin=0, vmax=top, aspect=z / x, interpolation="nearest")
        axes.set_title(title, fontsize=11, color="white")
        axes.set_axis_off()
    figure.savefig(words.output, dpi=100, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()

"""Figure of docs/explanation/own-reference.md: a scan that is its own reference.

python -m benchmarks quality.own_reference_figure docs/images/own-reference.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

import medsr
from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.resample import upsample
from medsr.restore.own_reference import own_pair, own_volume

SAMPLES = Path(__file__).parents[2] / "sample_data"

#: A measured slice through the brain, above the eyes, and a plane across the slices.
SLICE, PLANE = 24, 84

#: Left-right is the axis that is degraded.
AXIS = 0


def main() -> None:
    """Show the thick scan from the side, and one of its slices, degraded alike and restored."""
    parser = argparse.ArgumentParser(description="Figure of the page on the own reference.")
    parser.add_argument("output", type=Path, help="PNG to write")
    words = parser.parse_args()
    scan = medsr.read(SAMPLES / "head_T1w_thick.nii.gz")
    enhancer = medsr.Enhancer.from_pretrained("mr-head")
    enhanced = enhancer.enhance(scan, no_self_check=True).volume
    acquisition = for_scan(scan, enhanced.spacing_mm)
    low, fine = (torch.from_numpy(np.array(v.voxels)) for v in (scan, enhanced))
    pair = own_pair(own_volume(fine, low, acquisition), acquisition, AXIS)
    plane = pair.planes[SLICE]
    degraded = medsr.Volume(
        pair.scan.numpy(),
        np.diag([*(axis.low_mm for axis in pair.acquisition.axes), 1.0]),
        modality=scan.modality,
        slice_axis=AXIS,
    )
    options = medsr.Options(spacing_mm=enhanced.spacing_mm[AXIS], no_self_check=True)
    restored = enhancer.enhance(degraded, options)
    cubic = upsample(pair.scan, pair.acquisition)
    upper = slice(fine.shape[2] // 2, None)  # of the head: no face
    panels = [
        ("the scan, across its slices", upsample(low, acquisition)[:, PLANE, upper]),
        ("a measured slice", pair.reference[..., plane]),
        ("degraded as the scan is", cubic[..., plane]),
        ("restored by the model", torch.tensor(restored.volume.voxels[..., plane])),
    ]
    top = float(np.percentile(low, 99.9))
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    for axes, (title, image) in zip(figure.subplots(1, 4), panels, strict=True):
        axes.imshow(np.rot90(image.numpy()), cmap="gray", vmin=0, vmax=top)
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    figure.savefig(words.output, dpi=80)


if __name__ == "__main__":
    main()

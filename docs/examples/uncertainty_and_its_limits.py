"""
Uncertainty and its limits
==========================

How far may a voxel be off, which detail was not measured, and what no number tells.
"""

# %%
# The truth must be known to check an uncertainty, so this example makes thick slices from a
# part of the sample reference.

import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import numpy as np

import medsr

sample = Path("../../sample_data")
part = nibabel.load(sample / "head_T1w_reference.nii.gz").slicer[:70, :100, :]
reference = medsr.Volume(part.get_fdata(), part.affine, modality="MR", slice_axis=2)
thick = medsr.degrade(reference, 3.75)
enhancer = medsr.Enhancer.from_pretrained("mr-head")
known = medsr.Options(spacing_mm=0.9375, slice_thickness_mm=3.75)

# %%
# Three maps
# ----------
#
# - ``interval``: the half-width of a 90 % interval at each voxel, calibrated on held-out
#   subjects;
# - ``null_space_map``: the part of the result that the scan did not measure, so that it can
#   neither confirm nor contradict it;
# - ``samples``: the standard deviation of several plausible images. It ranks voxels, but it is
#   not an error bar.

result = enhancer.enhance(thick, known, interval=True, null_space_map=True)
drawn = enhancer.enhance(thick, known, samples=2, steps=3)
error = np.abs(result.volume.voxels - reference.voxels)


def coronal(ax, voxels, title, **look):
    """A coronal plane, feet down."""
    ax.imshow(voxels[:, 60, :].T, origin="lower", **look)
    ax.set_title(title)
    ax.set_axis_off()


_, axes = plt.subplots(2, 3, figsize=(9, 10), layout="constrained")
grey, heat = {"cmap": "gray", "vmin": 0, "vmax": 500}, {"cmap": "magma", "vmin": 0, "vmax": 100}
coronal(axes[0, 0], reference.voxels, "reference", **grey)
coronal(axes[0, 1], result.volume.voxels, "enhanced", **grey)
coronal(axes[0, 2], error, "true error", **heat)
coronal(axes[1, 0], result.half_width.voxels, "half-width, 90 % interval", **heat)
coronal(axes[1, 1], drawn.std.voxels, "std. dev. of 2 samples", **heat)
null_space = result.null_space_map.voxels
coronal(axes[1, 2], null_space, "null-space component", cmap="PuOr_r", vmin=-100, vmax=100)
plt.show()

# %%
# Does the interval cover?
# ------------------------
#
# It should contain the truth in 90 % of the voxels. At edges, where one looks for detail, it
# contains the truth less often than elsewhere.

inside = error <= result.half_width.voxels
slope = np.linalg.norm(np.gradient(reference.voxels), axis=0)
anatomy = reference.voxels > 50
edges = anatomy & (slope > np.percentile(slope[anatomy], 80))
print(f"all voxels: {inside.mean():.2f}")
print(f"anatomy:    {inside[anatomy].mean():.2f}")
print(f"edges:      {inside[edges].mean():.2f}")

# %%
# What no number tells
# --------------------
#
# A lesion smaller than a slice is blurred before medsr sees it. Put bright balls into the
# reference, enhance the thick slices again, and measure how much of their contrast is lost.

place = np.array([35, 60, 74])
distance = np.linalg.norm(
    (np.indices(reference.shape) - place[:, None, None, None])
    * np.array(reference.spacing_mm)[:, None, None, None],
    axis=0,
)
contrast = 100
for diameter in (2, 4, 8):
    ball = distance <= diameter / 2
    voxels = reference.voxels + contrast * ball
    with_ball = medsr.degrade(dataclasses.replace(reference, voxels=voxels), 3.75)
    found = enhancer.enhance(with_ball, known)
    lost = contrast - (found.volume.voxels - result.volume.voxels)[ball].mean()
    half_width = result.half_width.voxels[ball].mean()
    print(f"{diameter} mm: {lost:.0f} of {contrast} lost; half-width {half_width:.0f}")

# %%
# The smallest ball loses about half of its contrast, more than the interval allows for.
# Similar spots can be invented, too, so finding one proves nothing. :doc:`What medsr promises
# </explanation/trust>` has the measurements over subjects and places.

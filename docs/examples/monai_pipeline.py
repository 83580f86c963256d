"""
The transforms in a MONAI pipeline
==================================

Read, thicken and upsample scans in a MONAI pipeline, for a network of your own.
"""

# %%
# `medsr.transforms` offers a reader and two dictionary transforms. The reader sorts DICOM
# slices by position and refuses a series with a missing slice; MONAI's own sorts by
# InstanceNumber and averages the spacing.

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import (
    Compose,
    CopyItemsd,
    LoadImaged,
    RandSpatialCropd,
    ScaleIntensityRangePercentilesd,
)

import medsr
from medsr.transforms import SimulateThickSlicesd, UpsampleSlicesd, VolumeReader

sample = Path("../../sample_data")
pipeline = Compose(
    [
        LoadImaged("fine", reader=VolumeReader(), ensure_channel_first=True),
        ScaleIntensityRangePercentilesd("fine", 0, 99.9, 0, 1),
        CopyItemsd("fine", names=["thick"]),
        SimulateThickSlicesd("thick", slice_spacing_mm=3.75),
        CopyItemsd(["thick", "thick_acquisition"], names=["upsampled", "upsampled_acquisition"]),
        UpsampleSlicesd("upsampled"),
    ]
)
case = pipeline({"fine": sample / "head_T1w_reference.nii.gz"})
for name in ("fine", "thick", "upsampled"):
    image = case[name]
    print(name, tuple(image.shape), "spacing", image.pixdim.numpy().round(3))

# %%
# Each image keeps its affine, so nothing shifts by half a voxel: both outer edges of the thick
# and the fine grid agree.

_, axes = plt.subplots(1, 3, figsize=(10, 4.2), layout="constrained")
for ax, name in zip(axes, ("fine", "thick", "upsampled"), strict=True):
    image = case[name]
    _, _, z = image.pixdim
    plane = image[0, :, 90, :].T
    extent = (0, plane.shape[1] * float(image.pixdim[0]), 0, plane.shape[0] * float(z))
    ax.imshow(plane, cmap="gray", origin="lower", extent=extent)
    ax.set_title(name)
    ax.set_axis_off()
plt.show()

# %%
# Train on patches
# ----------------
#
# Simulated and fine images lie on one grid after `UpsampleSlicesd`, so MONAI's crops keep them
# together. A few steps of a small network, which learns what interpolation misses:

crop = RandSpatialCropd(["fine", "upsampled"], roi_size=(32, 32, 32), random_size=False)
crop.set_random_state(seed=0)
pair = {name: case[name] for name in ("fine", "upsampled")}
data = Dataset([pair] * 8, transform=crop)
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv3d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(8, 1, 3, padding=1)
)
optimizer = torch.optim.Adam(network.parameters(), 1e-3)
for batch in DataLoader(data, batch_size=4):
    fine, upsampled = batch["fine"].as_tensor(), batch["upsampled"].as_tensor()
    loss = (upsampled + network(upsampled) - fine).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.5f}")

# %%
# Enhance a MONAI image
# ---------------------
#
# `Enhancer.enhance` takes a MetaTensor with its affine. Arrays carry no modality, so state it.

enhancer = medsr.Enhancer.from_pretrained("mr-head")
image = case["thick"][0, :70, :100]
options = medsr.Options(modality="MR", slice_thickness_mm=3.75, spacing_mm=0.9375)
print(enhancer.enhance(image.as_tensor(), options, affine=image.affine).volume)

"""
A study folder
==============

Enhance every scan of a BIDS dataset, stop, and resume.
"""

# %%
# A dataset of three scans. To be quick, each is a quarter of the sample head; the third is
# already thin. In your work this is a folder that you have: BIDS, DICOM, or any tree of image
# files.

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel

import medsr
import medsr.batch

sample = Path("../../sample_data")
study = Path(tempfile.mkdtemp()) / "study"


def put(source, label, rows):
    """A part of a sample scan as a T1w image of a BIDS dataset."""
    path = study / label / "anat" / f"{label}_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    nibabel.save(nibabel.load(sample / source).slicer[rows, :100, :], path)


put("head_T1w_thick.nii.gz", "sub-01", slice(0, 70))
put("head_T1w_thick.nii.gz", "sub-02", slice(82, 152))
put("head_T1w_reference.nii.gz", "sub-03", slice(0, 70))
description = {"Name": "example", "BIDSVersion": "1.10.0"}
(study / "dataset_description.json").write_text(json.dumps(description))

# %%
# See the plan first. It reads headers only, and says for each scan what will be done and why.
# ``medsr batch STUDY OUT --dry-run`` prints the same.

out = study.parent / "study_enhanced"
plan = medsr.batch.make_plan(study, out, options=medsr.Options(spacing_mm=0.9375))
for item in plan.items:
    print(item.decision.upper(), item.label, item.reason)

# %%
# Run it, here in this process. A Dask client as the second argument spreads the scans over the
# workers of a cluster.

results = medsr.batch.run(plan)
print(results.counts)

# %%
# The results are a BIDS derivative dataset. Each image has a record beside it; ``summary.html``
# lists the scans that need your attention first.

for path in sorted(out.rglob("*")):
    if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts):
        print(path.relative_to(out))

# %%
# Stop the run at any moment and give the same command again. Finished scans are not repeated.

plan = medsr.batch.make_plan(study, out, options=medsr.Options(spacing_mm=0.9375))
print(len(plan.done), "done,", len(plan.todo), "to do")

# %%
# Look at one result: a coronal plane, before and after.


def coronal(ax, volume, title):
    """The plane in the middle, feet down, in millimetres."""
    x, y, z = volume.shape
    dx, _, dz = volume.spacing_mm
    plane = volume.voxels[:, y // 2, :].T
    ax.imshow(plane, cmap="gray", origin="lower", vmax=500, extent=(0, x * dx, 0, z * dz))
    ax.set_title(title)
    ax.set_axis_off()


measured = medsr.read(study / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
(enhanced_path,) = out.rglob("sub-01*_T1w.nii.gz")
_, axes = plt.subplots(1, 2, figsize=(7, 6), layout="constrained")
coronal(axes[0], measured, "measured, 3.75 mm")
coronal(axes[1], medsr.read(enhanced_path), "enhanced, 0.94 mm")
plt.show()

# %%
# :doc:`Clusters, resuming and sharing the work </how-to/study-folders>` has the rest.

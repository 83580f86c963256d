"""
First scan
==========

Enhance one thick-slice MR scan, look at it, and compare it with the truth.
"""

# %%
# Read the scan. The slices are 3.75 mm apart; within a slice the voxels have 0.9 mm. Check three
# things before anything else: the modality, the slice spacing, and the slice thickness.

from pathlib import Path

import medsr

sample = Path("../../sample_data")
thick = medsr.read(sample / "head_T1w_thick.nii.gz")
print(thick)
print("slice thickness:", thick.slice_thickness_mm, "mm")

# %%
# Enhance it with the bundled model for MR of the head. `Options` holds what the command line
# has as ``--spacing`` and so on; here it names the new slice spacing. The result is the
# posterior mean, the image with the smallest expected error.

enhancer = medsr.Enhancer.from_pretrained("mr-head")
result = enhancer.enhance(thick, medsr.Options(spacing_mm=0.9375))
print(result.volume)

# %%
# Read the remarks: medsr says what it assumed and what it doubts. Warnings come first.

for remark in result.remarks:
    print(remark)

# %%
# The sample was simulated from a thin-slice scan, so the truth is known and can be shown beside
# the result. The last two rows contain the slice axis: look there.

reference = medsr.read(sample / "head_T1w_reference.nii.gz")
figure = medsr.compare(thick, result.volume, reference)

# %%
# How close is it? PSNR and SSIM are computed over the foreground. Cubic interpolation of the
# same scan is the baseline.

evaluation = medsr.evaluate(reference, result.volume, low=thick)
print(evaluation.to_text())

# %%
# Save the image as NIfTI. `result.record` is what the command line writes beside it: the
# model, the acquisition that was assumed, and every setting.

import json
import tempfile

folder = Path(tempfile.mkdtemp())
saved = result.volume.save(folder / "enhanced.nii.gz")
record = result.record.to_json()
(folder / "enhanced.json").write_text(json.dumps(record, indent=2))
print(saved.name, "with", len(record), "fields in its record")

# %%
# One subject is no benchmark. :doc:`The model cards </explanation/models>` compare more
# subjects and methods, and :doc:`what medsr promises </explanation/trust>` says what can be
# checked without a reference.

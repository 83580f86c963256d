"""
Super-resolution with a MONAI bundle
====================================

Export a model as a MONAI bundle, run it as any other bundle, and compare the result with a
reference.
"""

# %%
# Thick slices with a known truth
# -------------------------------
#
# The sample reference has slices of 0.9 mm. A part of it is thickened to slices of 3.75 mm, as a
# clinical scan may have them, and written into the folder that the bundle will read. The sidecar
# beside the scan states modality and slice thickness.

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import torch
from monai.bundle import ConfigWorkflow
from monai.metrics import PSNRMetric

import medsr

work = Path(tempfile.mkdtemp())
sample = Path("../../sample_data")
part = nibabel.load(sample / "head_T1w_reference.nii.gz").slicer[:70, :100, :]
nibabel.save(part, work / "reference.nii.gz")
thick = work / "scans" / "head.nii.gz"
thick.parent.mkdir()


def run(*words):
    """Run medsr as in a terminal, and show what it prints."""
    command = [sys.executable, "-m", "medsr", *words]
    done = subprocess.run(command, cwd=work, check=True, capture_output=True, text=True)
    print("$ medsr", *words)
    print(done.stdout)


coarser = ["--slice-spacing", "3.75", "--modality", "mr"]
run("degrade", "reference.nii.gz", "-o", "scans/head.nii.gz", *coarser)
print(medsr.read(thick))

# %%
# The bundle
# ----------
#
# The bundle contains no code; its configuration names classes of medsr.

bundle = work / "head_mr_super_resolution"
run("export-bundle", "mr-head", bundle.name)
for path in sorted(bundle.rglob("*.*")):
    print(path.relative_to(bundle), path.stat().st_size, "bytes")

# %%
# Run it
# ------
#
# On the command line: ``python -m monai.bundle run --config_file configs/inference.json
# --dataset_dir SCANS --output_dir OUT``. In Python it is a ``ConfigWorkflow``, whose parts can be
# replaced. The options are those of medsr: here the spacing of the new slices, and the slice
# thickness, which is known.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MONAI reminds us that configurations can run code
    workflow = ConfigWorkflow(
        workflow_type="infer",
        config_file=str(bundle / "configs" / "inference.json"),
        logging_file=False,
        bundle_root=str(bundle),
        dataset_dir=str(thick.parent),
        output_dir=str(work / "out"),
        **{"options#spacing_mm": 0.9375, "options#slice_thickness_mm": 3.75},
    )
workflow.initialize()
print("properties that are missing:", workflow.check_properties())
workflow.run()
workflow.finalize()

# %%
# Compare
# -------
#
# The result lies on the grid of the reference, so MONAI's metrics compare them directly. The
# range is the maximum of the reference. ``medsr evaluate`` computes more, over the foreground.

fine, enhanced = (
    torch.tensor(nibabel.load(path).get_fdata())
    for path in (work / "reference.nii.gz", work / "out" / "head_enhanced.nii.gz")
)
low = torch.tensor(nibabel.load(thick).get_fdata())
linear = torch.nn.functional.interpolate(
    low[None, None], size=tuple(fine.shape), mode="trilinear", align_corners=False
)[0, 0]
psnr = PSNRMetric(max_val=float(fine.max()))
for name, image in (("linear interpolation", linear), ("the bundle", enhanced)):
    print(f"{name}: {psnr(image[None, None], fine[None, None]).item():.2f} dB")

# %%
# A coronal plane, feet down:

_, axes = plt.subplots(1, 3, figsize=(10, 4.2), layout="constrained")
white = float(fine.quantile(0.99))
images = {"linear interpolation": linear, "the bundle": enhanced, "reference": fine}
for ax, (title, image) in zip(axes, images.items(), strict=True):
    ax.imshow(image[:, 60, :].T, origin="lower", cmap="gray", vmin=0, vmax=white)
    ax.set_title(title)
    ax.set_axis_off()
plt.show()

# %%
# Parts of the bundle
# -------------------
#
# ``network_def`` computes the posterior mean of single slices. ``metadata.json`` says what its
# channels are: the slice, its neighbours, the position between the measured slices, and four
# numbers of the acquisition. The inferer prepares them for a whole scan; it also takes a path, a
# ``medsr.Volume`` or a MetaTensor.

network, inferer = workflow.parser.get_parsed_content("network"), workflow.inferer
print(f"{sum(p.numel() for p in network.parameters())} parameters")
print(inferer(thick, network).volume)

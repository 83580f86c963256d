"""
Training on your own data
=========================

From thin-slice scans to weights with a model card, and back to the command line.
"""

# %%
# medsr simulates the thick slices itself, so a training needs thin-slice scans only. The
# sample data has one head: its left half trains and its right half validates, *as if* they
# were two subjects. Your own configuration needs different people, and medsr refuses one that
# has a person on both sides.

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel

import medsr

head = nibabel.load("../../sample_data/head_T1w_reference.nii.gz")
folder = Path(tempfile.mkdtemp())
nibabel.save(head.slicer[:76, :, :], folder / "left.nii.gz")
nibabel.save(head.slicer[76:, :, :], folder / "right.nii.gz")

# %%
# The configuration is a page of YAML. This one makes a small network for a few steps, as
# ``configs/tiny.yaml`` does. A useful model takes thousands of steps and hours.

(folder / "example.yaml").write_text("""\
name: example
modality: MR
description: two halves of a head, for trying out
crop: 48
depth: 12
slices: 4
scenes: 4
data:
  root: .
  train:
    - {path: left.nii.gz, person: "01"}
  validate:
    - {path: right.nii.gz, person: "02"}
draw: {factor: [3, 5], noise_chance: 0, in_plane_chance: 0, contrast_chance: 0, invert_chance: 0}
network: {widths: [16, 24], blocks: [1, 1], strides: [[2, 2]]}
optimizer: {warmup_steps: 10, ema_steps: 10}
trainer: {steps: 60, validate_every: 30, checkpoint_every: 30, progress: false}
""")


def run(*words):
    """Run medsr as in a terminal, and show what it prints."""
    command = [sys.executable, "-m", "medsr", *words]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    print("$ medsr", *words)
    print(done.stdout)


# %%
# Train. A training that was stopped continues with ``--resume``.

run("train", "example.yaml")

# %%
# The losses are in a CSV file, and in a log for TensorBoard.

with (folder / "runs/example/csv/metrics.csv").open(encoding="utf-8", newline="") as lines:
    rows = [row for row in csv.DictReader(lines) if row["loss"]]
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot([int(row["step"]) for row in rows], [float(row["loss"]) for row in rows], "o-")
ax.set(xlabel="step", ylabel="loss")
plt.show()

# %%
# The weights stand beside their model card, and every command takes them with ``--model``.

medsr.degrade(folder / "right.nii.gz", 3.75, modality="MR").save(folder / "thick.nii.gz")
model = "runs/example/example.safetensors"
run("enhance", "thick.nii.gz", "-o", "enhanced.nii.gz", "--spacing", "0.9375", "--model", model)
card = medsr.models(folder / "runs/example")[-1]
print(card.name, "-", card.description)

# %%
# Compare it with interpolation on the half that it was not trained on.

enhanced = medsr.read(folder / "enhanced.nii.gz")
evaluation = medsr.evaluate(folder / "right.nii.gz", enhanced, low=folder / "thick.nii.gz")
print(evaluation.to_text())
figure = medsr.compare(
    medsr.read(folder / "thick.nii.gz"), enhanced, medsr.read(folder / "right.nii.gz")
)
# sphinx_gallery_thumbnail_number = -1

# %%
# So few steps teach the network little, and a comparison within one head flatters it.
# :doc:`Train on your data </tutorials/train-on-your-data>` goes on: longer trainings, starting
# from the bundled weights, and calibrating the intervals.

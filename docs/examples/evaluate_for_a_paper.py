"""
Evaluating for a paper
======================

Compare two methods over several subjects: table, statistics, and a figure.
"""

# %%
# A comparison needs thin-slice references of subjects that no method was trained on. The sample
# data has one head, so this example takes its quarters *as if* they were four subjects. That
# shows the steps; the numbers mean nothing, because quarters of one head are not independent.

import csv
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel

import medsr

head = nibabel.load("../../sample_data/head_T1w_reference.nii.gz")
folder = Path(tempfile.mkdtemp())
left_right, back_front = (slice(0, 70), slice(82, 152)), (slice(0, 100), slice(100, 200))
quarters = list(itertools.product(left_right, back_front))
for name in ("reference", "thick", "mean", "quick"):
    (folder / name).mkdir()
files = [f"sub-{number:02}_T1w.nii.gz" for number in range(1, 5)]
for file, (x, y) in zip(files, quarters, strict=True):
    nibabel.save(head.slicer[x, y, :], folder / "reference" / file)

# %%
# Simulate the thick slices, and run the two methods. Here both are medsr: its posterior mean,
# and the quicker one that looks at one orientation of the slices. Yours may come from any
# program, on the grid of the reference. The slice thickness is known here, so it is stated.
# ``medsr degrade`` and ``medsr batch`` do the same on folders.

enhancer = medsr.Enhancer.from_pretrained("mr-head")
for file in files:
    thick = medsr.degrade(folder / "reference" / file, 3.75)
    thick.save(folder / "thick" / file)
    for name, quick in (("mean", False), ("quick", True)):
        options = medsr.Options(spacing_mm=0.9375, slice_thickness_mm=3.75, quick=quick)
        enhancer.enhance(thick, options).volume.save(folder / name / file)

# %%
# Compare. The command pairs the files by their names, and adds cubic interpolation.

command = [sys.executable, "-m", "medsr", "evaluate", "--reference", "reference"]
command += ["--estimates", "mean", "quick", "--low", "thick"]
command += ["--csv", "all.csv", "--table", "table.md", "--report", "group.html"]
done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
print("$ medsr", *command[3:])
print(done.stdout)

# %%
# ``table.md`` goes into the paper (``table.tex`` for LaTeX). It begins with means and their 95 %
# bootstrap intervals. Below them are Wilcoxon tests with Holm's correction, for which four
# subjects are too few.

print((folder / "table.md").read_text().partition("\n\n")[0])

# %%
# ``all.csv`` has every metric of every case, for figures of your own.

with (folder / "all.csv").open(encoding="utf-8", newline="") as lines:
    rows = list(csv.DictReader(lines))
print(", ".join(rows[0]))

_, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
methods = list(dict.fromkeys(row["method"] for row in rows))
for ax, metric, title in zip(axes, ("psnr", "ssim_3d"), ("PSNR, dB", "SSIM 3-D"), strict=True):
    for case in dict.fromkeys(row["case"] for row in rows):
        values = {row["method"]: float(row[metric]) for row in rows if row["case"] == case}
        ax.plot(range(len(methods)), [values[m] for m in methods], "o-", color="0.6", mfc="C0")
    ax.set_xticks(range(len(methods)), methods)
    ax.set_title(title)
plt.show()

# %%
# State for every number its definition, mask, range, the number of subjects and the command.
# :doc:`Metrics </reference/metrics>` has the definitions, and the mistakes that move results by
# decibels.

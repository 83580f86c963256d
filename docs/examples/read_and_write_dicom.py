"""
Reading and writing DICOM
=========================

Enhance a DICOM series into a new series of the same study, and see what its headers say.
"""

# %%
# A series is a folder, a zip, or any one of its files. medsr sorts the slices by their
# position in the patient, and refuses a series with a missing slice.

import subprocess
import sys
import tempfile
from pathlib import Path

import pydicom

import medsr

series = Path("../../sample_data/head_T1w_thick_dicom").resolve()
folder = Path(tempfile.mkdtemp())
thick = medsr.read(series)
print(thick)
print(thick.affine.round(3))


def run(*words):
    """Run medsr as in a terminal, and show what it prints."""
    command = [sys.executable, "-m", "medsr", *map(str, words)]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    print("$ medsr", *(Path(word).name for word in words))
    print(done.stdout)


# %%
# What is in the folder, and what would be done with it?

run("info", series)

# %%
# ``medsr enhance`` writes DICOM when the output is a folder.

run("enhance", series, "-o", "enhanced", "--spacing", "1.5")

# %%
# The derived series belongs to the same patient and study and frame of reference, so a viewer
# shows it beside its source. It has UIDs of its own, says that it is derived, and that it is for
# research only.

before = pydicom.dcmread(sorted(series.glob("*.dcm"))[0])
after = pydicom.dcmread(sorted((folder / "enhanced").glob("*.dcm"))[0])
for keyword in (
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "SeriesInstanceUID",
    "ImageType",
    "SeriesDescription",
    "SliceThickness",
    "SpacingBetweenSlices",
    "DerivationDescription",
):
    print(keyword)
    print("   before:", before.get(keyword, "-"))
    print("   after: ", after.get(keyword, "-"))

# %%
# Both cover the same place in the patient. Look at a plane that contains the slice axis.

figure = medsr.compare(thick, medsr.read(folder / "enhanced"))

# %%
# The same from Python, without files: `Enhancer.enhance` takes the series and gives a
# `Volume`, which `save` writes as NIfTI. DICOM output, with its headers, is written by the
# command line, the batch and the node. :doc:`DICOM attributes </reference/dicom>` lists what
# is changed, kept and dropped.

"""The Debian packages that judge what medsr writes; tests that need one skip without it."""

import os
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medsr.volume.dicom.read.series import open_series
from medsr.volume.dicom.write.derive import Derivation

PACKAGES = {
    "dciodvfy": "dicom3tools",
    "dcm2niix": "dcm2niix",
    "storescu": "dcmtk",
    "echoscu": "dcmtk",
    "getscu": "dcmtk",
    "Orthanc": "orthanc",
}


def program(name):
    """Path of an installed tool; not of pynetdicom's scripts, which borrow DCMTK's names."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder) / name
        if os.access(path, os.X_OK) and path.is_file():
            with path.open("rb") as stream:
                if stream.read(2) != b"#!":
                    return str(path)
    return None


def needs(*tools):
    """Skip where a tool is not installed."""
    absent = [tool for tool in tools if program(tool) is None]
    words = ", ".join(f"{tool} (Debian package {PACKAGES[tool]})" for tool in absent)
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {words}")


def errors_of(path: Path) -> set[str]:
    """The lines of dciodvfy that begin with Error."""
    run = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace")
    lines = (run.stdout + run.stderr).splitlines()
    return {line for line in lines if line.startswith("Error")}


def new_errors(folder: Path, source: Path) -> set[str]:
    """Errors of any file under a folder that no file of its source has."""
    old = set().union(*(errors_of(f) for f in source.rglob("*") if f.is_file()))
    return set().union(*(errors_of(f) for f in folder.glob("*.dcm"))) - old


def with_dcm2niix(folder: Path, out: Path) -> nibabel.Nifti1Image:
    """The one volume that dcm2niix makes of a folder, axes nearest to RAS+."""
    out.mkdir()
    subprocess.run(
        ["dcm2niix", "-b", "n", "-z", "n", "-f", "out", "-o", out, folder],
        check=True,
        capture_output=True,
    )
    (made,) = out.glob("*.nii")
    return nibabel.as_closest_canonical(nibabel.load(made))


def same_grid_mm(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> float:
    """The largest distance between two affines' entries, and between their far corners, mm."""
    corner = [*(n - 1 for n in shape), 1]
    return float(max(np.abs(a - b).max(), np.abs((a - b) @ corner).max()))


def derivation(kind="enhanced", identity="test"):
    """A derivation of no particular model."""
    return Derivation(kind, identity, "small", "a" * 64, "0.0", "Made by a test.")


def read_source(path):
    """A series whose headers are read, as `open_series` gives it."""
    with open_series(path) as series:
        assert series.headers
        return series

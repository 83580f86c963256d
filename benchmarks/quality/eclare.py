"""ECLARE 1.0.1 as its users run it: a program in an environment of its own.

Remedios et al., ECLARE: efficient cross-planar learning for anisotropic resolution enhancement
(arXiv:2503.11787); https://pypi.org/project/eclare, GPL-3. It learns from the slices of the very
scan that it restores, by default from a million patches, which takes a GPU minutes and a CPU many
hours; here it gets as many patches as are asked for, in batches of 8 (128 by default) so that few
patches still make many steps. It is told the slice thickness and profile, which spares it the
estimation of the profile. The scan's voxels are said to be 1 x 1 x factor, so that its result lies
on the reference's grid.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import torch

from benchmarks.quality.conditions import Trial
from benchmarks.quality.scoring import Cost
from medsr.volume.nifti_write import write_nifti

__all__ = ["Eclare"]

VERSION = "1.0.1"
DEFAULT_PATCHES = 1_000_000
BATCH = 8

#: Its names of our slice profiles.
PROFILES = {"gaussian": "gaussian", "box": "rect"}


@dataclass(frozen=True)
class Eclare:
    """The program, with a number of patches.

    Attributes:
        home: folder for its environment; made where it is not there.
        patches: to learn from.
    """

    home: Path
    patches: int

    def __call__(self, trial: Trial) -> tuple[np.ndarray, Cost, str]:
        """The restored scan [X, Y, Z'], what the program took and a remark.

        Raises:
            RuntimeError: the program failed; its last words.
        """
        bin_folder = self._environment()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            factor = trial.condition.factor
            low = replace(trial.low, affine=np.diag([1.0, 1.0, float(factor), 1.0]))
            write_nifti(low, folder / "low.nii.gz", {})
            coarse = trial.assumed.axes[2]
            words = [
                bin_folder / "run-eclare",
                *("--in-fpath", folder / "low.nii.gz", "--out-dir", folder / "out"),
                *("--relative-slice-thickness", coarse.width_mm / coarse.fine_mm),
                *("--relative-slice-profile-type", PROFILES[coarse.profile]),
                *("--batch-size", BATCH, "--n-patches", self.patches),
            ]
            cost, said = _run([str(word) for word in words], folder / "log")
            image = nibabel.load(folder / "out" / "low_eclare.nii.gz")
            voxels = np.asarray(image.get_fdata(dtype=np.float32))
        return voxels, cost, self._remark(said)

    def _environment(self) -> Path:
        """Make the environment, with the torch that this process runs; its bin folder."""
        bin_folder = (self.home / "venv" / "bin").absolute()
        if (bin_folder / "run-eclare").exists():
            return bin_folder
        subprocess.run([sys.executable, "-m", "venv", self.home / "venv"], check=True)
        torch_pin = f"torch=={torch.__version__.split('+')[0]}"
        (self.home / "constraints.txt").write_text(torch_pin + "\n")
        install = [bin_folder / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, torch_pin], check=True)
        held = ["-c", self.home / "constraints.txt"]
        subprocess.run([*install, *held, f"eclare=={VERSION}"], check=True)
        return bin_folder

    def _remark(self, said: str) -> str:
        """How long it learned, and how long the default would take at that pace."""
        seconds = training_seconds(said, self.patches)
        if seconds is None:
            return f"learned from {self.patches} patches instead of {DEFAULT_PATCHES}"
        hours = seconds / self.patches * DEFAULT_PATCHES / 3600
        return (
            f"learned from {self.patches} patches in {seconds} s (wall clock, beside other work); "
            f"its default of {DEFAULT_PATCHES} would take {hours:.0f} h at that pace"
        )


def training_seconds(said: str, patches: int) -> int | None:
    """What the last state of the training's progress bar says, seconds."""
    found = re.findall(rf"/{patches} \[(?:(\d+):)?(\d+):(\d+)<", said)
    if not found:
        return None
    hours, minutes, seconds = found[-1]
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds)


def _run(words: list[str], log: Path) -> tuple[Cost, str]:
    """Run a program: what it took (memory: its peak), and what it said."""
    with log.open("w") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    said = log.read_text(errors="replace")
    if status != 0:
        raise RuntimeError(f"run-eclare failed: {said.strip().splitlines()[-1]}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Cost(usage.ru_utime + usage.ru_stime, round(kilobytes / 1024)), said

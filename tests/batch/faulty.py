"""Stubs that stand for a model under which a worker suffers; importable by Dask workers."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from tests.batch.studies import stub_restore


def deadly_once(volume, job):
    """Kills its worker the first time that it sees scan00."""
    mark = Path(job.out).parent / "killed"
    if volume.name == "scan00.nii.gz" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return stub_restore(volume, job)


def deadly(volume, job):
    """Kills its worker each time that it sees scan00, and leaves a line."""
    if volume.name == "scan00.nii.gz":
        with (Path(job.out).parent / "deaths").open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return stub_restore(volume, job)


def hungry(volume, job):
    """Takes memory without end when it sees scan00."""
    hoard = []
    while volume.name == "scan00.nii.gz" and len(hoard) < 400:
        hoard.append(np.ones(2_000_000))
        time.sleep(0.01)
    return stub_restore(volume, job)


def counted(volume, job):
    """Leaves a line for each scan that it restores, slowly."""
    with (Path(job.out).parent / "restored").open("a") as stream:
        stream.write(f"{volume.name}\n")
    time.sleep(0.05)
    return stub_restore(volume, job)

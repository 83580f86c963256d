"""The fine grid of a result, from --spacing or --scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import psutil

from medsr.acquisition.acquisition import Acquisition
from medsr.errors import NothingToDo, Refused, UsageError
from medsr.remarks import Meaning, Remark
from medsr.volume.volume import Volume

__all__ = ["MAX_FACTOR", "Target", "choose_spacing", "choose_target"]

#: No axis is made finer than this many times: past it the scan says too little.
MAX_FACTOR = 8.0

#: Peak memory an output voxel, with some room: 210 million took 3.3 GB, of a sample about
#: 0.5 GB more (docs/development/speed.md).
BYTES_PER_VOXEL = 20

#: The same where no axis was left alone, so that nothing can be done in chunks.
BYTES_PER_VOXEL_AT_ONCE = 60

#: A scan whose spacings agree within this ratio is isotropic.
ISOTROPIC_RATIO = 1.1


@dataclass(frozen=True)
class Target:
    """The spacing to restore to, mm, and remarks for the user."""

    spacing_mm: tuple[float, float, float]
    remarks: tuple[Remark, ...] = ()


def choose_target(
    volume: Volume, *, spacing_mm: float | None = None, scale: float | None = None
) -> Target:
    """The fine spacing along each axis.

    By default the coarsest axis gets the spacing of the finer of the other two. `spacing_mm`
    brings every axis coarser than it to it; `scale` makes every axis that many times finer.

    Raises:
        UsageError: both are given, or one is out of range.
        NothingToDo: the scan is already that fine.
    """
    return choose_spacing(volume.spacing_mm, volume.name, spacing_mm=spacing_mm, scale=scale)


def choose_spacing(
    have: tuple[float, float, float],
    name: str,
    *,
    spacing_mm: float | None = None,
    scale: float | None = None,
) -> Target:
    """As `choose_target`, from the spacing `have` (mm) alone; `name` is for messages."""
    if spacing_mm is not None and scale is not None:
        raise UsageError("Give either --spacing or --scale, not both.")
    if scale is not None:
        if not 1 < scale <= MAX_FACTOR:
            raise UsageError(f"--scale must be above 1 and at most 8, not {scale:g}.")
        return Target((have[0] / scale, have[1] / scale, have[2] / scale))
    if spacing_mm is not None:
        if not spacing_mm > 0:
            raise UsageError(f"--spacing must be a positive number of mm, not {spacing_mm:g}.")
        wanted = [min(mm, spacing_mm) for mm in have]
    else:
        coarse = max(range(3), key=lambda k: have[k])
        wanted = list(have)
        wanted[coarse] = min(have[k] for k in range(3) if k != coarse)
        if have[coarse] <= ISOTROPIC_RATIO * wanted[coarse]:
            words = " x ".join(f"{mm:.3g}" for mm in have)
            raise NothingToDo(
                f"{name}: is already isotropic ({words} mm). Use --spacing or --scale to "
                "make it finer."
            )
    return _limited(have, wanted, name)


def _limited(have: tuple[float, float, float], wanted: list[float], name: str) -> Target:
    remarks = []
    for k in range(3):
        if have[k] / wanted[k] > MAX_FACTOR * (1 + 1e-6):
            words = (
                f"{have[k]:.3g} mm to {wanted[k]:.3g} mm is more than 8 times finer, the "
                f"limit of medsr; the result has {have[k] / MAX_FACTOR:.3g} mm."
            )
            remarks.append(Remark(Meaning.NOTE, words))
            wanted[k] = have[k] / MAX_FACTOR
    if all(abs(have[k] / wanted[k] - 1) < 1e-6 for k in range(3)):
        raise NothingToDo(
            f"{name}: no axis is coarser than the requested spacing, so there is nothing to "
            "enhance. Give a smaller --spacing."
        )
    return Target((wanted[0], wanted[1], wanted[2]), tuple(remarks))


def check_memory(acquisition: Acquisition, name: str) -> None:
    """Refuse a result that cannot fit into this machine.

    Raises:
        Refused: it needs more than the physical memory.
    """
    in_chunks = any(axis.is_identity for axis in acquisition.axes)
    bytes_each = BYTES_PER_VOXEL if in_chunks else BYTES_PER_VOXEL_AT_ONCE
    needed = math.prod(acquisition.fine_shape) * bytes_each
    there = psutil.virtual_memory().total
    if needed > there:
        shape = " x ".join(str(n) for n in acquisition.fine_shape)
        raise Refused(
            f"{name}: the result would have {shape} voxels and need about "
            f"{needed / 1e9:.0f} GB of memory, more than the {there / 1e9:.0f} GB of this "
            "machine. Use a coarser --spacing or a smaller --scale, or crop the scan."
        )

"""One enhanced scan on the grid of another: registered, in that one's intensities."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.stacks import Stack, moved_to, stack_of
from medsr.errors import Refused
from medsr.intensity import Scaling, scaling_for
from medsr.restore.enhancer import Enhanced
from medsr.restore.record import StackUsed
from medsr.volume.modality import Modality
from medsr.volume.registration import Motion, register
from medsr.volume.volume import Volume

__all__ = ["Laid", "lay"]

#: A lower correlation with the first scan is refused: another person or another contrast
#: (docs/development/stacks.md).
REFUSED = 0.5

#: A voxel lies within a scan where this share of it does.
INSIDE = 0.99

#: The first scan against itself.
STILL = Motion(np.eye(4), 1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Laid:
    """A scan on the grid of the first, in the network's range of the first.

    Attributes:
        image: enhanced, [X', Y', Z'].
        inside: how far it reaches: 1 inside, 0 outside.
        stack: as measured.
        noise: standard deviation of its noise.
        used: what the record will say; the residual is not known yet.
    """

    image: NDArray[np.float32]
    inside: NDArray[np.float32]
    stack: Stack
    noise: float
    used: StackUsed


def lay(scan: Enhanced, first: Enhanced, scaling: Scaling, *, registered: bool) -> Laid:
    """Register a scan, match its intensities, and lay its image onto the first one's grid.

    Args:
        scan: enhanced by itself.
        first: whose grid and intensities count; may be the same.
        scaling: of the first.
        registered: believe the headers.

    Raises:
        Refused: it is of another modality, hardly overlaps the first, or does not look like it.
        UsageError: SimpleITK is not installed.
    """
    fixed, moving = first.volume, scan.volume
    motion = STILL if scan is first else register(moving, fixed, refine=not registered)
    _check(motion, scan, first)
    index = motion.index(moving.affine, fixed.affine)
    image, inside = moved_to(np.asarray(moving.voxels), index, fixed.shape)
    scale = 1.0 if scan is first else _scale(image, inside, first)

    def in_range(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
        return (voxels * np.float32(scale) - np.float32(scaling.offset)) / np.float32(scaling.gain)

    measured = torch.from_numpy(in_range(np.asarray(scan.measured.voxels)))
    acquisition = _as_used(scan)
    return Laid(
        image=in_range(image),
        inside=inside,
        stack=stack_of(measured, acquisition, np.asarray(np.linalg.inv(index)), fixed.shape),
        noise=_noise(scan) * scale / scaling.gain,
        used=_used(scan, motion, scale, fixed),
    )


def _check(motion: Motion, scan: Enhanced, first: Enhanced) -> None:
    """Refuse scans that cannot show the same anatomy in the same contrast."""
    name, other = scan.measured.name, first.measured.name
    if scan.record.modality != first.record.modality:
        raise Refused(
            f"{name} is {scan.record.modality} and {other} is {first.record.modality}: only "
            "scans of one contrast can be joined."
        )
    motion.check_overlap(name, other, "to join them.")
    if motion.after < REFUSED:
        raise Refused(
            f"{name} does not look like {other} where both are (correlation {motion.after:.2f}, "
            f"at least {REFUSED:g} is needed). Scans of one person and one contrast can be "
            "joined; leave this one out."
        )


def _scale(image: NDArray[np.float32], inside: NDArray[np.float32], first: Enhanced) -> float:
    """By how much the intensities of a scan differ from the first one's; 1 for HU."""
    if first.record.modality == Modality.CT:
        return 1.0
    fixed = np.asarray(first.volume.voxels)
    body = (inside > INSIDE) & (fixed > fixed.mean())
    own = image[body].astype(np.float64)
    return float((own * fixed[body]).sum() / max((own * own).sum(), 1e-30))


def _noise(scan: Enhanced) -> float:
    """Standard deviation of a scan's noise, in its own unit."""
    findings, modality = scan.record.findings, Modality(scan.record.modality)
    gain = scaling_for(modality, np.asarray(scan.measured.voxels)).gain
    return 0.0 if findings is None else findings.noise * gain


def _as_used(scan: Enhanced) -> Acquisition:
    """The acquisition of a scan, with the slice thickness that data consistency used."""
    axes, k = list(scan.record.axes), scan.record.coarse_axis
    if scan.record.findings is not None:
        axes[k] = replace(axes[k], width_mm=scan.record.findings.consistency_thickness_mm)
    return Acquisition((axes[0], axes[1], axes[2]))


def _used(scan: Enhanced, motion: Motion, scale: float, fixed: Volume) -> StackUsed:
    return StackUsed(
        digest=scan.record.input_digest,
        spacing_mm=scan.record.input_spacing_mm,
        thickness_mm=_as_used(scan).axes[scan.record.coarse_axis].width_mm,
        angle_deg=motion.angle_deg,
        shift_mm=motion.shift_mm(fixed),
        before=motion.before,
        after=motion.after,
        overlap=motion.overlap,
        scale=scale,
    )

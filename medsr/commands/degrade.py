"""`medsr degrade`: simulate a thick-slice scan from a fine one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medsr.acquisition.acquisition import in_plane_profile
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.errors import OutputError, UsageError
from medsr.remarks import Remark
from medsr.version import __version__
from medsr.volume import formats, nifti_write
from medsr.volume.modality import Modality
from medsr.volume.recognise import with_modality
from medsr.volume.volume import Volume

__all__ = ["Request", "degraded", "facts_of", "run"]


@dataclass(frozen=True)
class Request:
    """How to degrade a scan.

    Attributes:
        slice_spacing_mm: distance between the slices to make.
        slice_thickness_mm: width of their profile; the spacing when None.
        in_plane: how many times coarser the other axes become.
        noise: standard deviation, in the scan's unit.
        profile: gaussian or box.
        axis: to thicken; the scan's own slice axis when None, the last one where it has none.
        seed: of the noise.
        modality: if the file does not state it.
    """

    slice_spacing_mm: float
    slice_thickness_mm: float | None = None
    in_plane: float = 1.0
    noise: float = 0.0
    profile: str = "gaussian"
    axis: int | None = None
    seed: int = 0
    modality: Modality | None = None


def run(
    source: Path, output: Path, request: Request, *, overwrite: bool = False
) -> tuple[Volume, tuple[Remark, ...]]:
    """Degrade and write, with a sidecar that says how; returns the result and remarks.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    if not formats.is_nifti(output):
        raise UsageError(f"{output.name}: the output must end in .nii or .nii.gz.")
    if output.exists() and not overwrite:
        raise OutputError(f"{output.name}: already exists; use --overwrite to replace it.")
    low, remarks = degraded(formats.read(source), request)
    nifti_write.write_nifti(low, output, facts_of(low, request))
    return low, remarks


def facts_of(low: Volume, request: Request) -> dict[str, Any]:
    """The sidecar of a degraded scan: how it was made."""
    return {
        "SliceThickness": low.slice_thickness_mm,
        "SpacingBetweenSlices": request.slice_spacing_mm,
        "SliceProfile": request.profile,
        "InPlaneFactor": request.in_plane,
        "NoiseSigma": request.noise,
        "Seed": request.seed,
        "MedsrVersion": __version__,
        "Modality": low.modality,
    }


def degraded(volume: Volume, request: Request) -> tuple[Volume, tuple[Remark, ...]]:
    """The scan with simulated thick slices, and remarks.

    Raises:
        UsageError: slices thinner than the scan's, or settings out of range.
    """
    volume = with_modality(volume, request.modality)
    axis = request.axis
    if axis is None:
        axis = 2 if volume.slice_axis is None else volume.slice_axis
    plan = plan_degradation(
        volume.shape,
        volume.spacing_mm,
        slice_axis=axis,
        slice_spacing_mm=request.slice_spacing_mm,
        slice_thickness_mm=request.slice_thickness_mm,
        profile=request.profile,
        in_plane=request.in_plane,
        in_plane_profile=in_plane_profile(volume.modality),
    )
    low = degrade(volume, plan, slice_axis=axis, noise=request.noise, seed=request.seed)
    low = replace(low, slice_axis=axis, slice_thickness_mm=plan.axes[axis].width_mm)
    return low, volume.remarks

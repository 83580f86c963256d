"""`medsr degrade`: a thick-slice scan out of a fine one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medsr.acquisition.acquisition import in_plane_profile
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.errors import OutputError, UsageError
from medsr.restore.enhancer import modality_of
from medsr.version import __version__
from medsr.volume import formats, nifti
from medsr.volume.volume import Modality, Volume

__all__ = ["run"]


def run(
    source: Path,
    output: Path,
    *,
    slice_spacing_mm: float,
    slice_thickness_mm: float | None,
    in_plane: float,
    noise: float,
    profile: str,
    seed: int,
    axis: int | None,
    overwrite: bool,
    modality: Modality | None = None,
) -> tuple[Volume, str | None]:
    """Degrade and write, with a sidecar that says how; returns the result and a remark.

    The axis is the scan's own slice axis, the last one where the scan has none.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    if not formats.is_nifti(output):
        raise UsageError(f"{output.name}: the output must end in .nii or .nii.gz.")
    if output.exists() and not overwrite:
        raise OutputError(f"{output.name}: exists already; give --overwrite to replace it.")
    volume = formats.read(source)
    known, remark = modality_of(volume, volume.modality or modality)
    volume = replace(volume, modality=known, unit="HU" if known == "CT" else volume.unit)
    if axis is None:
        axis = 2 if volume.slice_axis is None else volume.slice_axis
    plan = plan_degradation(
        volume.shape,
        volume.spacing_mm,
        slice_axis=axis,
        slice_spacing_mm=slice_spacing_mm,
        slice_thickness_mm=slice_thickness_mm,
        profile=profile,
        in_plane=in_plane,
        in_plane_profile=in_plane_profile(volume.modality),
    )
    low = degrade(volume, plan, slice_axis=axis, noise=noise, seed=seed)
    facts = {
        "SliceThickness": plan.axes[axis].width_mm,
        "SpacingBetweenSlices": slice_spacing_mm,
        "SliceProfile": profile,
        "InPlaneFactor": in_plane,
        "NoiseSigma": noise,
        "Seed": seed,
        "MedsrVersion": __version__,
        "Modality": volume.modality,
    }
    nifti.write_nifti(replace(low, slice_axis=axis), output, facts)
    return low, remark

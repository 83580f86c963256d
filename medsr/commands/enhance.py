"""`medsr enhance`: one scan in, its enhanced version and a sidecar out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medsr.acquisition.acquisition import for_scan
from medsr.errors import OutputError, UsageError
from medsr.network.checkpoint import weights_digest
from medsr.restore.enhancer import (
    DEFAULT_SAMPLER,
    Enhancer,
    Options,
    modality_of,
    model_for,
    model_path,
)
from medsr.restore.ranges import remarks_on_range
from medsr.restore.target import choose_target
from medsr.version import __version__
from medsr.volume import files, nifti
from medsr.volume.volume import Modality

__all__ = ["Request", "run"]


@dataclass(frozen=True)
class Request:
    """One call of `medsr enhance`."""

    source: Path
    output: Path
    options: Options
    model: str | None = None
    modality: Modality | None = None
    series_uid: str | None = None
    device: str = "auto"
    threads: int = 0
    dry_run: bool = False
    overwrite: bool = False


def run(request: Request, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """Enhance and write; returns what the sidecar records.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    began = time.monotonic()
    if not files.is_nifti(request.output):
        raise UsageError(f"{request.output.name}: the output must end in .nii or .nii.gz.")
    if request.output.exists() and not request.overwrite and not request.dry_run:
        raise OutputError(
            f"{request.output.name}: exists already; give --overwrite to replace it."
        )
    if request.threads:
        torch.set_num_threads(request.threads)
    volume = files.read(request.source, series_uid=request.series_uid)
    modality, remark = modality_of(volume, request.modality)
    volume = replace(volume, modality=modality, unit="HU" if modality == "CT" else volume.unit)
    weights = model_path(request.model or model_for(modality))
    enhancer = Enhancer.from_pretrained(
        request.model or model_for(modality), device=request.device
    )
    if enhancer.card.modality != modality:
        raise UsageError(
            f"{volume.name}: is {modality}, but model {enhancer.card.name} is for "
            f"{enhancer.card.modality}. Choose another with --model, or correct --modality."
        )
    options = request.options
    target = choose_target(volume, spacing_mm=options.spacing_mm, scale=options.scale)
    acquisition = for_scan(
        volume,
        target.spacing_mm,
        slice_thickness_mm=options.slice_thickness_mm,
        profile=options.profile,
    )
    outside = remarks_on_range(acquisition, enhancer.card.ranges)
    facts: dict[str, Any] = {
        "Description": "Enhanced by medsr. Research use only, not for diagnosis.",
        "Modality": modality,
        "Model": enhancer.card.name,
        "ModelSHA256": weights_digest(weights),
        "MedsrVersion": __version__,
        "InputSHA256": files.digest(request.source),
        "InputSpacing": volume.spacing_mm,
        "OutputSpacing": target.spacing_mm,
        "Factor": [a / b for a, b in zip(volume.spacing_mm, target.spacing_mm, strict=True)],
        "AssumedSliceProfile": options.profile,
        "AssumedSliceThickness": options.slice_thickness_mm or volume.slice_thickness_mm,
        "Sampler": DEFAULT_SAMPLER,
        "Steps": options.steps,
        "Samples": options.samples,
        "Seed": options.seed,
        "Device": str(enhancer.device),
        "Remarks": [r for r in (remark, *target.remarks, *outside) if r],
    }
    if request.dry_run:
        return facts
    result = enhancer.run(volume, options, progress)
    facts["SliceThickness"] = min(target.spacing_mm)
    facts["Seconds"] = round(time.monotonic() - began, 2)
    if result.spread is not None:
        name = nifti.strip_suffix(request.output)
        suffix = request.output.name[len(name) :]
        nifti.write_nifti(result.spread, request.output.with_name(f"{name}_std{suffix}"))
    nifti.write_nifti(result.volume, request.output, facts)
    return facts

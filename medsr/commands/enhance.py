"""`medsr enhance`: one scan in, its enhanced version and a sidecar out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medsr.errors import OutputError, UsageError
from medsr.network.checkpoint import weights_digest
from medsr.restore.enhancer import (
    DEFAULT_SAMPLER,
    Enhancer,
    Options,
    Plan,
    modality_of,
    model_for,
    model_path,
)
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
    name = request.model or model_for(modality)
    enhancer = Enhancer.from_pretrained(name, device=request.device)
    plan = enhancer.plan(volume, request.options)
    facts = _facts(request, enhancer, plan, weights_digest(model_path(name)))
    facts["Remarks"] = [r for r in (remark, *plan.remarks) if r]
    if request.dry_run:
        return facts
    result = enhancer.run(plan, request.options, progress)
    facts["Seconds"] = round(time.monotonic() - began, 2)
    if result.spread is not None:
        name = nifti.strip_suffix(request.output)
        suffix = request.output.name[len(name) :]
        nifti.write_nifti(result.spread, request.output.with_name(f"{name}_std{suffix}"))
    nifti.write_nifti(result.volume, request.output, facts)
    return facts


def _facts(request: Request, enhancer: Enhancer, plan: Plan, model_digest: str) -> dict[str, Any]:
    """What the sidecar records of an enhancement before it is done."""
    options, axes = request.options, plan.acquisition.axes
    coarse = axes[plan.acquisition.coarse_axis]
    return {
        "Description": "Enhanced by medsr. Research use only, not for diagnosis.",
        "Modality": enhancer.modality,
        "Model": enhancer.card.name,
        "ModelSHA256": model_digest,
        "MedsrVersion": __version__,
        "InputSHA256": files.digest(request.source),
        "InputSpacing": [axis.low_mm for axis in axes],
        "OutputSpacing": [axis.fine_mm for axis in axes],
        "Factor": [axis.factor for axis in axes],
        "AssumedSliceProfile": coarse.profile,
        "AssumedSliceThickness": coarse.width_mm,
        "SliceThickness": coarse.fine_mm,
        "Sampler": DEFAULT_SAMPLER,
        "Steps": options.steps,
        "Samples": options.samples,
        "Seed": options.seed,
        "Device": str(enhancer.device),
    }

"""What a sidecar records of an enhancement: the model, the physics assumed, the settings."""

from __future__ import annotations

from typing import Any

from medsr.acquisition.acquisition import AxisSampling
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import DEFAULT_SAMPLER, Options
from medsr.restore.pipeline import Enhanced
from medsr.restore.plan import Plan
from medsr.version import __version__

__all__ = ["facts_of", "result_facts"]


def facts_of(
    enhancer: Enhancer, plan: Plan, options: Options, *, model_digest: str, input_digest: str
) -> dict[str, Any]:
    """The record of a planned enhancement, ready for JSON; spacings and widths in mm."""
    axes = plan.acquisition.axes
    coarse = axes[plan.acquisition.coarse_axis]
    return {
        "Description": "Enhanced by medsr. Research use only, not for diagnosis.",
        "Modality": enhancer.modality,
        "Model": enhancer.card.name,
        "ModelSHA256": model_digest,
        "ModelSettingsSHA256": enhancer.card.settings_digest,
        "MedsrVersion": __version__,
        "InputSHA256": input_digest,
        "InputSpacing": [axis.low_mm for axis in axes],
        "OutputSpacing": [axis.fine_mm for axis in axes],
        "Factor": [axis.factor for axis in axes],
        "AssumedSliceProfile": coarse.profile,
        "AssumedSliceThickness": coarse.width_mm,
        "SliceThickness": coarse.fine_mm,
        "Sampler": DEFAULT_SAMPLER,
        "Steps": options.steps,
        "Samples": options.samples,
        "Quick": options.quick,
        "Seed": options.seed,
        "Consistency": options.consistency.value,
        "Forced": options.force,
        "Device": str(enhancer.device),
        "Precision": "bfloat16" if enhancer.half else "float32",
    }


def result_facts(plan: Plan, result: Enhanced) -> dict[str, Any]:
    """What is added once the result is there: noise, consistency, null-space share, remarks.

    `Remarks` are those of the plan and of the result.
    """
    remarks = list(plan.remarks)
    if result.better_profile is not None:
        remarks.append(_misfit_words(plan, result.better_profile))
    return {
        "Remarks": remarks,
        "EstimatedNoise": round(result.noise, 4),
        "InconsistencyBySlice": [round(v, 6) for v in result.inconsistency],
        "NullSpaceShare": round(result.null_space.share, 5),
        "NullSpaceShareOfCubic": round(result.null_space.share_of_interpolation, 5),
    }


def _misfit_words(plan: Plan, better: AxisSampling) -> str:
    assumed = plan.acquisition.axes[plan.acquisition.coarse_axis]
    return (
        f"the scan does not look like slices with a {assumed.profile} profile of "
        f"{assumed.width_mm:.3g} mm; a {better.profile} profile of {better.width_mm:.3g} mm "
        f"explains it far better (--profile {better.profile} --slice-thickness "
        f"{better.width_mm:.3g}). With --consistency noise the result was therefore not held to "
        "the scan."
    )

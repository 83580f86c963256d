"""The record of an enhancement: model, assumed physics, options, findings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from medsr.acquisition.acquisition import AxisSampling
from medsr.network.checkpoint import ModelCard
from medsr.remarks import Remark, in_order
from medsr.restore.adaptation import Adaptation
from medsr.restore.guide_used import GuideUsed
from medsr.restore.options import DEFAULT_SAMPLER, Options
from medsr.restore.plan import Plan
from medsr.restore.slice_profile import SliceProfile
from medsr.restore.verdict import SelfCheck
from medsr.version import __version__

__all__ = ["Findings", "ModelUsed", "Record", "StackUsed", "record_of"]

DESCRIPTION = "Enhanced by medsr. Research use only, not for diagnosis."


@dataclass(frozen=True)
class ModelUsed:
    """Which model, on which processor.

    Attributes:
        name: of the model.
        digest: SHA-256 of its weights.
        settings_digest: SHA-256 of the card's settings that change results.
        device: where it ran.
        precision: of the convolutions, bfloat16, float32 or int8.
    """

    name: str
    digest: str
    settings_digest: str
    device: str = "cpu"
    precision: str = "float32"

    @classmethod
    def of(cls, card: ModelCard, digest: str, device: str, precision: str) -> ModelUsed:
        """The model of a card."""
        return cls(card.name, digest, card.settings_digest, device, precision)


@dataclass(frozen=True)
class Findings:
    """Findings about a finished result.

    Attributes:
        noise: estimated standard deviation of the scan's noise, over the intensity gain.
        consistency_thickness_mm: the slice thickness that data consistency used; the assumed one,
            unless another explains the result better.
        inconsistency: root mean square of A x - y in each measured slice, over the gain.
        largest_residual, rms_residual: ``|A x - y|`` at the worst measured voxel, and root mean
            square over all, over the gain.
        null_space_share: energy of the part of the result that the scan did not measure,
            over the energy of the result about its mean.
        null_space_share_of_cubic: the same of cubic interpolation.
        self_check: what the model gains on the scan's own slices; None where that is not known.
        psnr_bound: a PSNR, dB, that the result reaches at least, in nine people of ten; None where
            the model promises none.
    """

    noise: float
    consistency_thickness_mm: float
    inconsistency: tuple[float, ...]
    largest_residual: float
    rms_residual: float
    null_space_share: float
    null_space_share_of_cubic: float
    self_check: SelfCheck | None = None
    psnr_bound: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For the sidecar."""
        return {
            "EstimatedNoise": round(self.noise, 4),
            "ConsistencySliceThickness": round(self.consistency_thickness_mm, 4),
            "InconsistencyBySlice": [round(v, 6) for v in self.inconsistency],
            "LargestResidual": round(self.largest_residual, 6),
            "RootMeanSquareResidual": round(self.rms_residual, 6),
            "NullSpaceShare": round(self.null_space_share, 5),
            "NullSpaceShareOfCubic": round(self.null_space_share_of_cubic, 5),
            **({} if self.self_check is None else {"SelfCheck": self.self_check.to_json()}),
            **({} if self.psnr_bound is None else {"PSNRLowerBound": round(self.psnr_bound, 2)}),
        }


@dataclass(frozen=True)
class StackUsed:
    """What became of one scan that was joined; for the sidecar.

    Attributes:
        digest: SHA-256 of its files; "" for a volume made in memory.
        spacing_mm, thickness_mm: of the scan, and the slice thickness that was assumed.
        angle_deg, shift_mm: how it had moved against the first scan, at the middle of that.
        before, after: correlation with the first scan by the headers, and after registration.
        overlap: share of the first scan's foreground that it covers.
        scale: its intensities were multiplied by this.
        residual: root mean square of A x - y, over the intensity gain of the first scan.
    """

    digest: str
    spacing_mm: tuple[float, ...]
    thickness_mm: float
    angle_deg: float
    shift_mm: float
    before: float
    after: float
    overlap: float
    scale: float
    residual: float = math.nan

    def to_json(self) -> dict[str, Any]:
        """Keys as BIDS writes them."""
        return {
            **({"InputSHA256": self.digest} if self.digest else {}),
            "InputSpacing": list(self.spacing_mm),
            "AssumedSliceThickness": round(self.thickness_mm, 4),
            "RotationDegrees": round(self.angle_deg, 3),
            "ShiftMillimetres": round(self.shift_mm, 3),
            "CorrelationBefore": round(self.before, 4),
            "CorrelationAfter": round(self.after, 4),
            "Overlap": round(self.overlap, 4),
            "IntensityScale": round(self.scale, 5),
            "RootMeanSquareResidual": round(self.residual, 6),
        }


@dataclass(frozen=True)
class Record:
    """The record of an enhancement: content of the sidecar and source of derived UIDs.

    Attributes:
        model: which, and where it ran.
        options: the options of the enhancement.
        modality: MR or CT.
        input_digest: SHA-256 of the files that were read; "" for a volume made in memory.
        axes: how the scanner sampled each axis, as assumed; mm.
        coarse_axis: the one that was restored most.
        remarks: for the reader; in order.
        findings: of the result; None of a plan.
        slice_profile: how the slice profile was chosen; None where the plan was given one.
        adaptation: how the model was adapted to the scan; None where nobody asked for it.
        stacks: the scans that were joined, the first one first; none where it is one scan.
        guides: other scans of the person that helped, or did not.
        version: of medsr.
    """

    model: ModelUsed
    options: Options
    modality: str
    input_digest: str
    axes: tuple[AxisSampling, AxisSampling, AxisSampling]
    coarse_axis: int
    remarks: tuple[Remark, ...] = ()
    findings: Findings | None = None
    slice_profile: SliceProfile | None = None
    adaptation: Adaptation | None = None
    stacks: tuple[StackUsed, ...] = ()
    guides: tuple[GuideUsed, ...] = ()
    version: str = __version__

    def __post_init__(self) -> None:
        object.__setattr__(self, "remarks", in_order(self.remarks))

    @property
    def is_adapted(self) -> bool:
        """Whether an adapted network made the result."""
        return self.adaptation is not None and self.adaptation.kept

    @property
    def input_spacing_mm(self) -> tuple[float, ...]:
        """Of the scan."""
        return tuple(axis.low_mm for axis in self.axes)

    @property
    def output_spacing_mm(self) -> tuple[float, ...]:
        """Of the result."""
        return tuple(axis.fine_mm for axis in self.axes)

    def to_json(self) -> dict[str, Any]:
        """The sidecar, with keys as BIDS writes them; spacings and widths in mm."""
        coarse = self.axes[self.coarse_axis]
        return {
            "Description": DESCRIPTION,
            "Modality": str(self.modality),
            "Model": self.model.name,
            "ModelSHA256": self.model.digest,
            "ModelSettingsSHA256": self.model.settings_digest,
            **({} if self.adaptation is None else self.adaptation.to_json()),
            "MedsrVersion": self.version,
            **({"InputSHA256": self.input_digest} if self.input_digest else {}),
            "InputSpacing": list(self.input_spacing_mm),
            "OutputSpacing": list(self.output_spacing_mm),
            "Factor": [axis.factor for axis in self.axes],
            "AssumedSliceProfile": str(coarse.profile),
            "AssumedSliceThickness": coarse.width_mm,
            **({} if self.slice_profile is None else self.slice_profile.to_json()),
            "SliceThickness": coarse.fine_mm,
            "Sampler": DEFAULT_SAMPLER,
            "Steps": self.options.steps,
            "Samples": self.options.samples,
            "Quick": self.options.quick,
            "Grain": self.options.grain,
            "Seed": self.options.seed,
            "Consistency": self.options.consistency.value,
            "Forced": self.options.force,
            "Device": self.model.device,
            "Precision": self.model.precision,
            **({"Stacks": [part.to_json() for part in self.stacks]} if self.stacks else {}),
            **({"Guides": [part.to_json() for part in self.guides]} if self.guides else {}),
            "Remarks": [remark.to_json() for remark in self.remarks],
            **({} if self.findings is None else self.findings.to_json()),
        }


def record_of(plan: Plan, model: ModelUsed) -> Record:
    """The record of a plan."""
    return Record(
        model=model,
        options=plan.options,
        modality=str(plan.volume.modality),
        input_digest=plan.volume.digest,
        axes=plan.acquisition.axes,
        coarse_axis=plan.acquisition.coarse_axis,
        remarks=plan.remarks,
        slice_profile=plan.slice_profile,
    )

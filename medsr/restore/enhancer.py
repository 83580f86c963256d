"""`Enhancer`: a model ready to use, for Python programs, the commands, the batch and the node."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medsr.diffusion.denoiser import Denoiser
from medsr.errors import MedsrWarning
from medsr.network.bundled import model_for, model_path
from medsr.network.checkpoint import (
    ModelCard,
    load_model,
    save_model,
    weights_bytes,
    weights_digest,
)
from medsr.network.device import choose_device
from medsr.remarks import Remark
from medsr.restore.adapt import Budget, adapt
from medsr.restore.adaptation import Adaptation, adapted_card
from medsr.restore.choices import Precision
from medsr.restore.guides import plan_with, remarks_on_guides
from medsr.restore.options import Options, options_from
from medsr.restore.pipeline import Restored, restore
from medsr.restore.plan import Plan, check_strict, make_plan
from medsr.restore.precision import running_on
from medsr.restore.profile_check import remarks_on_profile
from medsr.restore.record import Findings, ModelUsed, Record, record_of
from medsr.restore.running import Progress, Running, halves
from medsr.volume.convert import as_volume
from medsr.volume.modality import Modality
from medsr.volume.recognise import with_modality
from medsr.volume.volume import Volume

__all__ = ["Enhanced", "Enhancer", "Models"]


@dataclass(frozen=True, eq=False)
class Enhanced:
    """An enhanced scan with its record.

    Attributes:
        volume: the result, [X', Y', Z'] on the fine grid, in the scan's unit.
        record: the record of the enhancement; `record.to_json()` is the sidecar.
        measured: the measured scan, with its modality resolved.
        std: standard deviation of the samples, where there are several.
        half_width: of the calibrated interval, if requested.
        null_space_map: the part that the scan did not measure, if requested.
        guides: those that were used, on the grid of the result, over their range of intensities.
    """

    volume: Volume
    record: Record
    measured: Volume
    std: Volume | None = None
    half_width: Volume | None = None
    null_space_map: Volume | None = None
    guides: tuple[Volume, ...] = ()

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """For the reader, sorted by what they mean for the result."""
        return self.record.remarks


class Enhancer:
    """A model ready to enhance scans.

    Attributes:
        card: the model card: what the model is and what it was trained on.
        denoiser: its network, in evaluation mode.
        device: where it runs.
        digest: SHA-256 of its weights; "" for a model made in memory.
        adaptation: how it was adapted to the scan that it is for; None where it was not.

    Example:
        >>> enhancer = Enhancer.from_pretrained("mr-head")  # doctest: +SKIP
        >>> enhancer.enhance("scan.nii.gz").volume.save("out.nii.gz")  # doctest: +SKIP
    """

    def __init__(
        self,
        denoiser: Denoiser,
        card: ModelCard,
        device: torch.device,
        digest: str = "",
        adaptation: Adaptation | None = None,
    ) -> None:
        self.card, self.device, self.digest = card, device, digest
        self.adaptation = adaptation
        self.denoiser = denoiser.to(device).to(  # type: ignore[call-overload]
            memory_format=torch.channels_last
        )

    @classmethod
    def from_pretrained(cls, name: str | Path, *, device: str = "auto") -> Enhancer:
        """A model that is ready to use.

        Args:
            name: of a bundled model; or the path of a `.safetensors` file with its card beside
                it, or of a folder of a model hub (`model.safetensors` and `config.json`).
            device: auto, cpu, cuda[:N] or mps.

        Raises:
            InputError: there is no such model, or it is damaged.
            UsageError: the device is not available.
        """
        path = model_path(str(name))
        denoiser, card = load_model(path)
        return cls(denoiser, card, choose_device(device), weights_digest(path))

    def enhance(
        self,
        scan: Any,
        options: Options | None = None,
        *,
        affine: Any = None,
        spacing_mm: Any = None,
        guides: Sequence[Any] = (),
        registered: bool = False,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Enhanced:
        """Enhance one scan.

        Args:
            scan: a path (NIfTI, DICOM folder, zip or file), a `Volume`, a nibabel image, a NumPy
                array or torch tensor [X, Y, Z], a MONAI MetaTensor, or a SimpleITK image.
            options: what to do.
            affine: [4, 4], voxel -> RAS+ mm, of an array.
            spacing_mm: of an array without an affine, along each axis.
            guides: other scans of the person, at most three; each like `scan`, but no bare array.
            registered: believe the guides' frames of reference instead of registering them.
            progress: called with the share of the work that is done, 0 to 1.
            settings: any fields of `Options`, over those of `options`.

        Returns:
            The result with its record. Python warns (`MedsrWarning`) of doubts and assumptions.

        Raises:
            InputError: the scan cannot be read.
            Refused: there is nothing to do, the scan has another modality than the model, it is
                very unlike the training scans and `force` is not given, or a guide does not fit.
            UsageError: options that do not make sense here.
        """
        chosen = options_from(settings, options)
        volume = as_volume(scan, affine=affine, spacing_mm=spacing_mm)
        plan, others = self.plan(volume, chosen), [as_volume(guide) for guide in guides]
        plan = plan_with(plan, others, self.card, registered=registered)
        enhanced = self.run(plan, progress)
        for remark in enhanced.remarks:
            if remark.is_python_warning:
                warnings.warn(f"{volume.name}: {remark.text}", MedsrWarning, stacklevel=2)
        return enhanced

    def plan(self, volume: Volume, options: Options) -> Plan:
        """What would be done to a scan, without doing it.

        Raises:
            Refused, UsageError: as `enhance`.
        """
        self.running(options.precision)
        return make_plan(volume, options, self.card)

    def record(self, plan: Plan) -> Record:
        """The record of a plan, as far as it is known before anything is done."""
        precision = self.running(plan.options.precision).precision
        model = ModelUsed.of(self.card, self.digest, str(self.device), precision)
        return replace(record_of(plan, model), adaptation=self.adaptation)

    def adapted(
        self, plans: Sequence[Plan], seconds: float, progress: Progress | None = None
    ) -> Enhancer:
        """This model after its posterior-mean network was adapted to scans; itself stays as it is.

        Args:
            plans: of one scan, or of a few of one protocol.
            seconds: that it may take.
            progress: called with the share of them that is used, 0 to 1.

        Returns:
            The adapted model; with the weights of this one where slices that were kept aside did
            not gain. Its `adaptation` says which.
        """
        budget = Budget(seconds)
        running = replace(self.running(plans[0].options.precision), progress=progress)
        tuned = adapt(plans, self.denoiser, self.card, running, budget)
        made = (budget.used, tuned.steps, tuned.gain_db, tuned.kept, len(plans))
        found = Adaptation(self.card.name, self.digest, *made)
        if not tuned.kept:
            return Enhancer(self.denoiser, self.card, self.device, self.digest, found)
        digest = hashlib.sha256(weights_bytes(tuned.denoiser)).hexdigest()
        card = adapted_card(self.card, found)
        return Enhancer(tuned.denoiser, card, self.device, digest, found)

    def save(self, path: Path) -> None:
        """Write the model, called as the file is: `NAME.safetensors` and its card `NAME.json`.

        Raises:
            OutputError: the folder cannot be written.
        """
        save_model(self.denoiser, replace(self.card, name=path.stem), path)

    def run(self, plan: Plan, progress: Progress | None = None) -> Enhanced:
        """Carry out a plan; where it asks for that, a model is adapted first, once.

        Args:
            plan: from `plan`.
            progress: called with the share of the work that is done, 0 to 1.

        Raises:
            Refused: the scan is empty, the model has no interval for this mode, or the result is
                in doubt and the options are strict.
        """
        if plan.options.adapt_s is not None and self.adaptation is None:
            first, then = halves(progress)
            return self.adapted([plan], plan.options.adapt_s, first).run(plan, then)
        running = replace(self.running(plan.options.precision), progress=progress)
        found = restore(plan, self.denoiser, self.card, running)
        adapted = [] if self.adaptation is None else [self.adaptation.remark]
        remarks = (*plan.remarks, *adapted, *_remarks_on_result(plan, found))
        check_strict(remarks, plan.options, plan.volume.name)
        return Enhanced(
            volume=found.volume,
            record=replace(
                self.record(plan),
                remarks=remarks,
                findings=_findings(found, plan.acquisition.coarse_axis),
                guides=found.guides,
            ),
            measured=plan.volume,
            std=found.std,
            half_width=found.half_width,
            null_space_map=found.null_space_map,
            guides=found.guide_images,
        )

    def running(self, precision: Precision = Precision.AUTO) -> Running:
        """Where and how the network runs.

        Raises:
            UsageError: the precision is not possible with this device or model.
        """
        return running_on(self.device, precision, self.card)


class Models:
    """The models of one program, each loaded when it is first needed and kept."""

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self._loaded: dict[tuple[Path, int], Enhancer] = {}

    def of_scan(self, volume: Volume, options: Options) -> Enhancer:
        """The model that the options name, or the bundled one of the scan's modality.

        Args:
            volume: a scan.
            options: with the name of a model, or without.

        Raises:
            InputError: there is no such model, or it is damaged.
            Refused: the modality is neither stated nor clear.
        """
        known = with_modality(volume, options.modality).modality
        name = options.model or model_for(Modality(str(known)))
        path = model_path(name)
        key = (path, path.stat().st_mtime_ns)
        if key not in self._loaded:
            self._loaded[key] = Enhancer.from_pretrained(name, device=self.device)
        return self._loaded[key]


def _findings(found: Restored, coarse_axis: int) -> Findings:
    return Findings(
        noise=found.noise,
        consistency_thickness_mm=found.used.axes[coarse_axis].width_mm,
        inconsistency=found.inconsistency,
        largest_residual=found.residual.largest,
        rms_residual=found.residual.rms,
        null_space_share=found.null_space.share,
        null_space_share_of_cubic=found.null_space.share_of_interpolation,
        self_check=found.self_check,
        psnr_bound=found.psnr_bound,
    )


def _remarks_on_result(plan: Plan, found: Restored) -> list[Remark]:
    """What a finished result adds to the remarks of its plan."""
    check = None if found.self_check is None else found.self_check.remark
    first = remarks_on_profile(plan.acquisition, found.used)
    last = [remark for remark in (found.unmet, check) if remark is not None]
    return [*first, *remarks_on_guides(found.guides), *last]

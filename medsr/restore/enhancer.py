"""`Enhancer`: a model ready to use, for Python programs and for the commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from medsr.acquisition.acquisition import Acquisition, for_scan
from medsr.audit.conformal import Interval
from medsr.audit.out_of_distribution import remarks_on_distribution, remarks_on_range
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.samplers import Sampler, multistep
from medsr.errors import Refused
from medsr.intensity import scaling_for
from medsr.network.bundled import model_path
from medsr.network.checkpoint import ModelCard, load_model
from medsr.network.device import choose_device, half_is_fast
from medsr.restore.options import DEFAULT_SAMPLER, DEFAULT_STEPS, Consistency, Options
from medsr.restore.output_grid import check_memory, choose_target, guess_modality
from medsr.restore.pipeline import Enhanced, Settings, enhance
from medsr.restore.plan import Plan
from medsr.volume.formats import read
from medsr.volume.volume import Modality, Volume

__all__ = ["DEFAULT_SAMPLER", "DEFAULT_STEPS", "Consistency", "Enhancer", "Options"]


class Enhancer:
    """A model ready to enhance scans: `Enhancer.from_pretrained("mr-head").enhance(path)`."""

    def __init__(self, denoiser: Denoiser, card: ModelCard, device: torch.device) -> None:
        self.card = card
        self.device = device
        self.denoiser = denoiser.to(device).to(  # type: ignore[call-overload]
            memory_format=torch.channels_last
        )

    @classmethod
    def from_pretrained(cls, name: str, *, device: str = "auto") -> Enhancer:
        """A bundled model by name, or a `.safetensors` file with its card beside it.

        Raises:
            InputError: there is no such model, or it is damaged.
            UsageError: the device is not there.
        """
        denoiser, card = load_model(model_path(name))
        return cls(denoiser, card, choose_device(device))

    def enhance(self, scan: Volume | str | Path, *, steps: int = DEFAULT_STEPS) -> Volume:
        """The enhanced scan at the default target; `plan` and `run` have all the options."""
        options = Options(steps=steps)
        return self.run(self.plan(scan, options), options).volume

    def plan(self, scan: Volume | str | Path, options: Options) -> Plan:
        """What would be done to a scan, without doing it.

        Args:
            scan: a volume, or the path of one.
            options: what to do.

        Raises:
            InputError: the scan cannot be read.
            Refused: there is nothing to do, the scan is of another modality than the model, or
                it is unlike all that the model learned on and `force` is not given.
            UsageError: options that do not make sense.
        """
        volume = scan if isinstance(scan, Volume) else read(scan)
        if volume.modality is None:
            unit = "HU" if self.modality == "CT" else volume.unit
            volume = replace(volume, modality=self.modality, unit=unit)
        if volume.modality != self.modality:
            raise Refused(
                f"{volume.name}: is {volume.modality}, but model {self.card.name} is for "
                f"{self.modality}. Choose another with --model, or correct --modality."
            )
        target = choose_target(volume, spacing_mm=options.spacing_mm, scale=options.scale)
        acquisition = for_scan(
            volume,
            target.spacing_mm,
            slice_thickness_mm=options.slice_thickness_mm,
            profile=options.profile,
        )
        check_memory(acquisition, volume.name)
        drawn = options.steps > 1
        remarks = target.remarks
        remarks += remarks_on_range(acquisition, self.card.ranges, samples=drawn)
        remarks += self._on_distribution(volume, acquisition.coarse_axis, options)
        return Plan(volume, acquisition, remarks)

    def run(
        self, plan: Plan, options: Options, progress: Callable[[float], None] | None = None
    ) -> Enhanced:
        """Carry out a plan.

        Args:
            plan: from `plan`, with the same options.
            options: what to do.
            progress: called with the share done, 0 to 1.

        Raises:
            Refused: the scan is empty.
        """
        settings = Settings(
            sampler=self.sampler,
            steps=options.steps,
            samples=options.samples,
            quick=options.quick,
            seed=options.seed,
            consistency=options.consistency,
            interval=interval_for(self.card, options) if options.interval else None,
            null_space_map=options.null_space_map,
            progress=progress,
        )
        return self.restore(plan.volume, plan.acquisition, settings)

    def restore(self, volume: Volume, acquisition: Acquisition, settings: Settings) -> Enhanced:
        """Restore a scan with settings that `Options` does not hold; `restore.enhance`.

        Args:
            volume: measured scan [X, Y, Z].
            acquisition: how it was made.
            settings: how to run; `half` and `device` are the model's; `detail_tolerance` is its
                card's.

        Raises:
            Refused: the scan is empty.
        """
        return enhance(
            volume,
            acquisition,
            self.denoiser,
            self.card.residual_std,
            int(self.card.network["context"]),
            self.modality,
            replace(
                settings,
                detail_tolerance=self.card.detail_tolerance,
                half=self.half,
                device=self.device,
            ),
        )

    def _on_distribution(self, volume: Volume, axis: int, options: Options) -> tuple[str, ...]:
        """Remarks on how the scan differs from the training's."""
        scaling = scaling_for(self.modality, np.asarray(volume.voxels), volume.name)
        scan = (np.asarray(volume.voxels) - scaling.offset) / scaling.gain
        return remarks_on_distribution(
            scan,
            axis,
            volume.spacing_mm,
            self.card.ranges.get("training_statistics", {}),
            volume.name,
            force=options.force,
        )

    @property
    def half(self) -> bool:
        """Whether the convolutions are in bfloat16, which pays on this device."""
        return half_is_fast(self.device)

    @property
    def sampler(self) -> Sampler:
        """`DEFAULT_SAMPLER`, with the spread of the model's data."""
        return partial(multistep, sigma_data=self.card.sigma_data)

    @property
    def modality(self) -> Modality:
        """What the model was trained on."""
        return "CT" if self.card.modality == "CT" else "MR"


def interval_for(card: ModelCard, options: Options) -> Interval:
    """The calibrated interval of the mode that the options ask for.

    Raises:
        Refused: the model has not been calibrated.
    """
    mode = mode_of(options.steps, options.samples)
    if mode not in card.intervals:
        raise Refused(
            f"Model {card.name} has no calibrated interval for this mode ({mode}); leave out "
            "--interval, or calibrate it (medsr calibrate)."
        )
    table = card.intervals[mode]
    return Interval(float(table["nominal"]), tuple(table["spreads"]), tuple(table["half_widths"]))


def mode_of(steps: int, samples: int) -> str:
    """Key of the card's intervals: what kind of result the settings give."""
    if samples > 1:
        return "samples"
    return "posterior_mean" if steps == 1 else "sample"


def modality_of(volume: Volume, said: Modality | None) -> tuple[Modality, str | None]:
    """The modality to use, and a remark when it had to be guessed."""
    if said is not None:
        return said, None
    if volume.modality is not None:
        return volume.modality, None
    guess = guess_modality(volume)
    return guess, f"nothing says the modality; guessed {guess} from the intensities (--modality)."

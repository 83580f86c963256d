"""One whole scan through the model.

The scan is lifted to the fine grid; the sampler walks the residual over it for the WHOLE volume at
once, from one noise field; each denoiser call goes slice by slice in both orientations that hold
the coarse axis and averages the two.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.describe import feature_vector, phase_channels
from medsr.acquisition.noise import estimate_noise
from medsr.acquisition.resample import lift
from medsr.audit.interval import Interval
from medsr.audit.unseen import Unseen, local_energy, unseen_part, unseen_share
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.samplers import Sampler
from medsr.diffusion.schedule import SIGMA_MIN, karras_sigmas
from medsr.errors import UsageError
from medsr.intensity import scaling_for
from medsr.restore.first_look import FirstLook
from medsr.restore.measured import Measured
from medsr.restore.options import Consistency
from medsr.restore.slices import Box, anatomy_boxes, condition_slices, orientations, to_slices
from medsr.volume import geometry
from medsr.volume.volume import Modality, Volume

__all__ = ["Enhanced", "Settings", "enhance"]

#: Voxels that go through the network at once; the result does not depend on it.
VOXELS_PER_CALL = 600_000

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Settings:
    """How to run a model.

    Attributes:
        sampler: see `diffusion.samplers`.
        steps: of the sampler; 1 is the posterior mean.
        sigma_min: the last noise level of several steps.
        samples: how many to average.
        seed: sample k uses seed + k.
        consistency: how strictly the result is held to the scan.
        interval: calibrated for this mode; asks for its half-widths.
        unseen_map: asks for the part that the scanner could not have seen.
        half: bfloat16 convolutions; float32 otherwise.
        voxels_per_call: memory against speed; no influence on the result.
        device: where the network runs.
        progress: called with the share of the work that is done, 0 to 1.
    """

    sampler: Sampler
    steps: int
    sigma_min: float = SIGMA_MIN
    samples: int = 1
    seed: int = 0
    consistency: Consistency = Consistency.NOISE
    interval: Interval | None = None
    unseen_map: bool = False
    half: bool = True
    voxels_per_call: int = VOXELS_PER_CALL
    device: torch.device = CPU
    progress: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.samples < 1:
            raise UsageError(
                f"steps and samples must be at least 1, not {self.steps} and {self.samples}."
            )


@dataclass(frozen=True, eq=False)
class Enhanced:
    """The result, and what is known about it.

    Attributes:
        volume: the mean of the samples.
        spread: their standard deviation, where there were several.
        half_width: of the interval that was asked for, at each voxel.
        unseen_map: the part of `volume` that the scanner could not have seen, if asked for.
        noise: estimated noise of the scan, over the intensity gain.
        inconsistency: root mean square of A x - y in each measured slice along the coarse axis,
            over the intensity gain.
        unseen: how much of it the scanner could not have seen.
        better_profile: the coarse axis as the scanner probably sampled it, where the assumed
            profile does not explain the scan and this one does.
    """

    volume: Volume
    spread: Volume | None
    half_width: Volume | None
    unseen_map: Volume | None
    noise: float
    inconsistency: tuple[float, ...]
    unseen: Unseen
    better_profile: AxisSampling | None


@torch.inference_mode()
def enhance(
    volume: Volume,
    acquisition: Acquisition,
    denoiser: Denoiser,
    residual_std: float,
    context: int,
    modality: Modality,
    settings: Settings,
) -> Enhanced:
    """Restore a scan on the fine grid of its acquisition.

    Args:
        volume: measured scan [X, Y, Z].
        acquisition: how it was made; `acquisition.for_scan`.
        denoiser: the model, in evaluation mode.
        residual_std: the model's unit of the residual, over the intensity gain.
        context: neighbouring slices that the model sees on each side.
        modality: decides the intensity scaling.
        settings: how to run.

    Returns:
        Volumes on the fine grid (outer corner and axes of the scan), in the scan's unit.

    Raises:
        Refused: the scan is empty.
    """
    low = np.asarray(volume.voxels)
    scaling = scaling_for(modality, low, volume.name)
    w_axis = acquisition.coarse_axis
    level = estimate_noise(low, w_axis, above=scaling.offset + 0.1 * scaling.gain) / scaling.gain
    scan = (torch.from_numpy(np.array(low)) - scaling.offset) / scaling.gain
    floor = float(scan.min()) if modality == "CT" or float(low.min()) >= 0 else None
    measured = Measured.of(scan, acquisition, noise=level, floor=floor, mode=settings.consistency)
    lifted = lift(scan, acquisition)
    denoise = _whole_volume(denoiser, lifted, acquisition, level, context, settings)
    look = FirstLook(denoise, lifted, residual_std, measured)
    mean, deviation = _samples(look, lifted, residual_std, settings)
    half_width = _half_width(mean, deviation, measured, settings.interval)
    projector = measured.projector
    unseen = Unseen(unseen_share(mean, projector), unseen_share(lifted, projector))
    inconsistency = tuple(measured.residual_by_slice(mean, w_axis))
    unseen_map = unseen_part(mean, projector) if settings.unseen_map else None
    maps = [
        None if values is None else _on_fine_grid(volume, acquisition, values.mul_(scaling.gain))
        for values in (deviation, half_width, unseen_map)
    ]
    values = mean.mul_(scaling.gain).add_(scaling.offset)
    result = replace(
        _on_fine_grid(volume, acquisition, values), stored_as_integers=volume.stored_as_integers
    )
    return Enhanced(result, maps[0], maps[1], maps[2], level, inconsistency, unseen, look.better)


def _half_width(
    mean: Tensor, deviation: Tensor | None, measured: Measured, interval: Interval | None
) -> Tensor | None:
    """Half-width of the interval, [X', Y', Z']; None where none is asked for."""
    if interval is None:
        return None
    ranking = unseen_part(mean, measured.projector) if deviation is None else deviation
    return interval.half_width(local_energy(ranking))


def _samples(
    look: FirstLook,
    lifted: Tensor,
    residual_std: float,
    settings: Settings,
) -> tuple[Tensor, Tensor | None]:
    """Mean of the samples and, of several, their standard deviation: [X', Y', Z'].

    One evaluation starts from no noise at all: the posterior mean has no seed, and zero is the
    mean of the fields that it would be averaged over (docs/experiments.md: better by 0.05 dB).
    """
    sigmas = karras_sigmas(settings.steps, sigma_min=settings.sigma_min)
    count = settings.samples
    total = torch.zeros_like(lifted)
    squares = torch.zeros_like(lifted) if count > 1 else None
    for k in range(count):
        generator = torch.Generator().manual_seed(settings.seed + k)
        noise = torch.randn(lifted.shape, generator=generator)
        if settings.steps == count == 1:
            noise.zero_()
        residual = settings.sampler(look, noise, sigmas).mul_(residual_std)
        sample = look.measured.hold(residual.add_(lifted))
        total += sample
        if squares is not None:
            squares += (sample - lifted).square()
    mean = total.div_(count)
    if squares is None:
        return mean, None
    variance = (squares - count * (mean - lifted).square()) / (count - 1)
    return mean, variance.clamp(min=0).sqrt()


def _whole_volume(
    denoiser: Denoiser,
    lifted: Tensor,
    acquisition: Acquisition,
    noise_level: float,
    context: int,
    settings: Settings,
) -> Callable[[Tensor, float], Tensor]:
    """A denoiser of the whole volume [X', Y', Z']: both orientations, averaged."""
    w_axis = acquisition.coarse_axis
    phase = phase_channels(acquisition.axes[w_axis])
    views = [
        _View(
            order,
            anatomy_boxes(to_slices(lifted, order)),
            feature_vector(acquisition, order[1], w_axis, noise_level),
        )
        for order in orientations(w_axis)
    ]
    total_calls = settings.samples * settings.steps
    calls = 0

    def denoise(x: Tensor, sigma: float) -> Tensor:
        nonlocal calls
        total = torch.zeros_like(x)
        for view in views:
            stack, noisy, out = (to_slices(v, view.order) for v in (lifted, x, total))
            for box in view.boxes:
                for index in _batches(box, settings.voxels_per_call):
                    part = (index, box.rows, box.columns)
                    cond = condition_slices(
                        stack[..., box.rows, box.columns], index, context, phase[:, box.columns]
                    )
                    out[part] += _denoised(
                        denoiser, noisy[part], cond, sigma, view.features, settings
                    )
        calls += 1
        if settings.progress is not None:
            settings.progress(calls / total_calls)
        return total / 2

    return denoise


@dataclass(frozen=True, eq=False)
class _View:
    """One orientation of the slices: axis order (stack, H, W), boxes, what the network is told."""

    order: tuple[int, int, int]
    boxes: list[Box]
    features: Tensor


def _batches(box: Box, voxels: int) -> list[Tensor]:
    """The slices of a box, in runs of about so many voxels."""
    count = max(1, voxels // box.voxels)
    runs = torch.split(torch.arange(box.stack.start, box.stack.stop), count)
    return list(runs)


def _denoised(
    denoiser: Denoiser,
    noisy: Tensor,
    cond: Tensor,
    sigma: float,
    features: Tensor,
    settings: Settings,
) -> Tensor:
    """One batch of slices [n, H, W] through the network."""
    device = settings.device
    levels = torch.full((len(noisy),), sigma, device=device)
    vectors = features.to(device).expand(len(noisy), -1)
    half = torch.autocast(device.type, dtype=torch.bfloat16) if settings.half else nullcontext()
    with half:
        out: Tensor = denoiser(noisy[:, None].to(device), levels, cond.to(device), vectors)
    return out[:, 0].cpu()


def _on_fine_grid(volume: Volume, acquisition: Acquisition, values: Tensor) -> Volume:
    spacing = [axis.fine_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(volume.affine, volume.shape, spacing)
    return replace(
        volume,
        voxels=values.numpy(),
        affine=affine,
        slice_thickness_mm=acquisition.axes[acquisition.coarse_axis].fine_mm,
        stored_as_integers=False,
    )

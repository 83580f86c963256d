"""One whole scan through the model.

The scan is upsampled to the fine grid. The sampler works on the residual of the whole volume at
once, from one noise field. The result is made consistent with the measured data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.noise import estimate_noise
from medsr.audit.conformal import Interval
from medsr.audit.null_space import NullSpace, local_energy, null_space_component, null_space_share
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.samplers import Sampler
from medsr.diffusion.schedule import sampling_sigmas
from medsr.intensity import scaling_for
from medsr.restore.data_consistency import Measured
from medsr.restore.detail_strength import match_detail_strength
from medsr.restore.options import Consistency, check_counts, takes_turns
from medsr.restore.profile_check import FirstLook
from medsr.restore.slice_denoiser import VOXELS_PER_CALL, Network, whole_volume
from medsr.restore.upsampled import STATE, Upsampled
from medsr.volume import geometry
from medsr.volume.volume import Modality, Volume

__all__ = ["Enhanced", "Settings", "enhance"]

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Settings:
    """How to run a model.

    Attributes:
        sampler: see `diffusion.samplers`.
        steps: of the sampler; 1 is the posterior mean.
        samples: how many to average.
        detail_tolerance: the finest detail of samples gets the strength that the scan shows,
            within this factor; None keeps the strength that the model learned.
        quick: one orientation of the slices also for a posterior mean, not both.
        seed: sample k uses seed + k.
        consistency: how strictly the result is held to the scan.
        interval: calibrated for this mode; asks for its half-widths.
        null_space_map: asks for the null-space component, which the scanner could not measure.
        half: bfloat16 convolutions; float32 otherwise.
        voxels_per_call: memory against speed; no influence on the result.
        device: where the sampler walks and the network runs; all else is done on the CPU.
        progress: called with the share of the work that is done, 0 to 1.
    """

    sampler: Sampler
    steps: int
    samples: int = 1
    detail_tolerance: float | None = None
    quick: bool = False
    seed: int = 0
    consistency: Consistency = Consistency.NOISE
    interval: Interval | None = None
    null_space_map: bool = False
    half: bool = True
    voxels_per_call: int = VOXELS_PER_CALL
    device: torch.device = CPU
    progress: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        check_counts(self.steps, self.samples)


@dataclass(frozen=True, eq=False)
class Enhanced:
    """The result, and what is known about it.

    Attributes:
        volume: the mean of the samples.
        spread: their standard deviation, where there were several.
        half_width: of the interval that was asked for, at each voxel.
        null_space_map: the null-space component of `volume`, if asked for.
        noise: estimated noise of the scan, over the intensity gain.
        inconsistency: root mean square of A x - y in each measured slice along the coarse axis,
            over the intensity gain.
        null_space: how much of it the scanner could not have seen.
        better_profile: the coarse axis as the scanner probably sampled it, where the assumed
            profile does not explain the scan and this one does.
    """

    volume: Volume
    spread: Volume | None
    half_width: Volume | None
    null_space_map: Volume | None
    noise: float
    inconsistency: tuple[float, ...]
    null_space: NullSpace
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
    upsampled = Upsampled.of(scan, acquisition, residual_std)
    dtype = torch.bfloat16 if settings.half else torch.float32
    network = Network(denoiser, context, dtype, settings.voxels_per_call, settings.device)
    in_turn = takes_turns(settings.steps, settings.quick)
    denoise = whole_volume(network, upsampled, level, _counted(settings), in_turn=in_turn)
    keep = settings.detail_tolerance is not None and settings.steps > 1
    look = FirstLook(denoise, upsampled, measured, keep=keep)
    mean, deviation = _samples(look, upsampled, settings)
    half_width = _half_width(mean, deviation, measured, settings.interval)
    null_space, inconsistency = _audit(mean, measured, upsampled)
    null_space_map = (
        null_space_component(mean, measured.projector) if settings.null_space_map else None
    )
    maps = [
        None if values is None else _on_fine_grid(volume, acquisition, values.mul_(scaling.gain))
        for values in (deviation, half_width, null_space_map)
    ]
    values = mean.mul_(scaling.gain).add_(scaling.offset)
    result = _on_fine_grid(volume, acquisition, values)
    padding = volume.padding and volume.padding.on_grid(volume.affine, result.affine, result.shape)
    result = replace(result, stored_as_integers=volume.stored_as_integers, padding=padding)
    return Enhanced(
        result, maps[0], maps[1], maps[2], level, inconsistency, null_space, look.better
    )


def _counted(settings: Settings) -> Callable[[], None]:
    """Reports the share of the evaluations that are done, each time it is called."""
    total, done = settings.samples * settings.steps, 0

    def count() -> None:
        nonlocal done
        done += 1
        if settings.progress is not None:
            settings.progress(done / total)

    return count


def _samples(
    look: FirstLook, upsampled: Upsampled, settings: Settings
) -> tuple[Tensor, Tensor | None]:
    """Mean of the samples and, of several, their standard deviation: [X', Y', Z'], float32."""
    count, shape = settings.samples, upsampled.acquisition.fine_shape
    if count == 1:
        return _sample(look, upsampled, settings, settings.seed), None
    total, squares = torch.zeros(shape), torch.zeros(shape)
    for k in range(count):
        change = _sample(look, upsampled, settings, settings.seed + k).sub_(upsampled.condition)
        total += change
        squares += change.square_()
    mean = total.div_(count)
    deviation = squares.sub_(mean.square(), alpha=count).div_(count - 1).clamp_(min=0).sqrt_()
    return mean.add_(upsampled.condition), deviation


def _sample(look: FirstLook, upsampled: Upsampled, settings: Settings, seed: int) -> Tensor:
    """One sample, or the posterior mean, held to the scan: [X', Y', Z'], float32.

    The posterior mean has no seed: the denoiser sees no noise there, so that none is drawn.
    """
    sigmas, shape = sampling_sigmas(settings.steps), upsampled.acquisition.fine_shape
    start = torch.zeros(shape, dtype=STATE) if settings.steps == 1 else _noise(shape, seed)
    residual = settings.sampler(look, start.to(settings.device), sigmas).cpu()
    if look.first is not None and settings.detail_tolerance is not None:
        tolerance = settings.detail_tolerance
        residual = match_detail_strength(residual, look.first, upsampled, look.measured, tolerance)
        look.first = None
    return _held(residual, look.measured, upsampled)


def _noise(shape: tuple[int, int, int], seed: int) -> Tensor:
    """Standard normal noise [X', Y', Z']."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.empty(shape, dtype=STATE)
    for plane in noise:
        plane.copy_(torch.randn(shape[1:], generator=generator))
    return noise


def _held(residual: Tensor, measured: Measured, upsampled: Upsampled) -> Tensor:
    """The image of a residual [X', Y', Z'], held to the scan; float32."""
    square = 0.0
    for chunk in upsampled.chunks if measured.is_noisy else ():
        share = measured.scan[chunk].numel() / measured.scan.numel()
        square += share * measured.at(chunk).residual_square(upsampled.image(residual, chunk))
    ratio = measured.ratio(square)
    held = torch.empty(residual.shape)
    for chunk in upsampled.chunks:
        held[chunk] = measured.at(chunk).hold(upsampled.image(residual, chunk), ratio)
    return held


def _audit(
    mean: Tensor, measured: Measured, upsampled: Upsampled
) -> tuple[NullSpace, tuple[float, ...]]:
    """What the scanner could not have seen, and the inconsistency of each measured slice."""
    axis, chunks = upsampled.acquisition.coarse_axis, upsampled.chunks
    null_space = NullSpace(
        null_space_share((mean[chunk] for chunk in chunks), measured.projector),
        null_space_share(
            (upsampled.condition[chunk].float() for chunk in chunks), measured.projector
        ),
    )
    squares = sum(
        (measured.at(chunk).square_by_slice(mean[chunk], axis) * measured.scan[chunk].numel())
        for chunk in chunks
    )
    root = torch.as_tensor(squares / measured.scan.numel()).sqrt()
    return null_space, tuple(float(v) for v in root)


def _half_width(
    mean: Tensor, deviation: Tensor | None, measured: Measured, interval: Interval | None
) -> Tensor | None:
    """Half-width of the interval, [X', Y', Z']; None where none is asked for."""
    if interval is None:
        return None
    ranking = null_space_component(mean, measured.projector) if deviation is None else deviation
    return interval.half_width(local_energy(ranking))


def _on_fine_grid(volume: Volume, acquisition: Acquisition, values: Tensor) -> Volume:
    spacing = [axis.fine_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(volume.affine, volume.shape, spacing)
    return replace(
        volume,
        voxels=values.numpy(),
        affine=affine,
        padding=None,
        slice_thickness_mm=acquisition.axes[acquisition.coarse_axis].fine_mm,
        stored_as_integers=False,
    )

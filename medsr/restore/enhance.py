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

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.describe import feature_vector, phase_channels
from medsr.acquisition.noise import estimate_noise
from medsr.acquisition.resample import lift
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.samplers import Sampler
from medsr.diffusion.schedule import karras_sigmas
from medsr.errors import UsageError
from medsr.intensity import scaling_for
from medsr.restore.slices import condition_slices, orientations, to_slices
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
        samples: how many to average.
        seed: sample k uses seed + k.
        half: bfloat16 convolutions; float32 otherwise.
        voxels_per_call: memory against speed; no influence on the result.
        device: where the network runs.
        progress: called with the share of the work that is done, 0 to 1.
    """

    sampler: Sampler
    steps: int
    samples: int = 1
    seed: int = 0
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
    """The result: the mean of the samples, and their spread where there were several."""

    volume: Volume
    spread: Volume | None


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
    lifted = (lift(torch.from_numpy(np.array(low)), acquisition) - scaling.offset) / scaling.gain
    denoise = _whole_volume(denoiser, lifted, acquisition, level, context, settings)
    sigmas = karras_sigmas(settings.steps)
    total = torch.zeros_like(lifted)
    squares = torch.zeros_like(lifted) if settings.samples > 1 else None
    for k in range(settings.samples):
        generator = torch.Generator().manual_seed(settings.seed + k)
        noise = torch.randn(lifted.shape, generator=generator)
        residual = settings.sampler(denoise, noise, sigmas) * residual_std
        total += residual
        if squares is not None:
            squares += residual.square()
    mean = total / settings.samples
    values = (lifted + mean) * scaling.gain + scaling.offset
    floor = float(low.min())
    values = values.clamp(min=floor) if modality == "CT" or floor >= 0 else values
    result = _on_fine_grid(volume, acquisition, values)
    if squares is None:
        return Enhanced(result, None)
    variance = (squares - settings.samples * mean.square()) / (settings.samples - 1)
    spread = variance.clamp(min=0).sqrt() * scaling.gain
    return Enhanced(
        result, replace(_on_fine_grid(volume, acquisition, spread), stored_as_integers=False)
    )


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
    phase = phase_channels(acquisition.axes[w_axis]).to(settings.device)
    calls = 0

    @torch.inference_mode()
    def denoise(x: Tensor, sigma: float) -> Tensor:
        nonlocal calls
        total = torch.zeros_like(x)
        for order in orientations(w_axis):
            features = feature_vector(acquisition, order[1], w_axis, noise_level)
            stack, noisy, out = (to_slices(v, order) for v in (lifted, x, total))
            count = max(1, settings.voxels_per_call // (stack.shape[1] * stack.shape[2]))
            for start in range(0, len(stack), count):
                index = torch.arange(start, min(start + count, len(stack)))
                out[start : start + count] += _slices(
                    denoiser, noisy[index], stack, index, sigma, features, phase, context, settings
                )
        calls += 1
        if settings.progress is not None:
            settings.progress(calls / (settings.samples * settings.steps))
        return total / 2

    return denoise


def _slices(
    denoiser: Denoiser,
    noisy: Tensor,
    stack: Tensor,
    index: Tensor,
    sigma: float,
    features: Tensor,
    phase: Tensor,
    context: int,
    settings: Settings,
) -> Tensor:
    """One batch of slices [n, H, W] through the network."""
    device = settings.device
    cond = condition_slices(stack, index, context, phase.cpu()).to(device)
    levels = torch.full((len(index),), sigma, device=device)
    vectors = features.to(device).expand(len(index), -1)
    half = torch.autocast(device.type, dtype=torch.bfloat16) if settings.half else nullcontext()
    with half:
        out: Tensor = denoiser(noisy[:, None].to(device), levels, cond, vectors)
    return out[:, 0].cpu()


def _on_fine_grid(volume: Volume, acquisition: Acquisition, values: Tensor) -> Volume:
    spacing = [axis.fine_mm for axis in acquisition.axes]
    affine, _ = geometry.refined_grid(volume.affine, volume.shape, spacing)
    return replace(
        volume,
        voxels=values.numpy(),
        affine=affine,
        slice_thickness_mm=acquisition.axes[acquisition.coarse_axis].fine_mm,
    )

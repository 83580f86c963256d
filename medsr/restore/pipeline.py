"""The enhancement of one whole scan, step by step.

The scan is upsampled to the fine grid. The posterior mean of the residual is computed once: the
assumed slice profile is held against it, and samples begin with it. A sampler works on the
residual of the whole volume at once, from one noise field. The result is made consistent with the
measured data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from medsr.acquisition.acquisition import Acquisition
from medsr.acquisition.noise import estimate_noise
from medsr.audit.null_space import NullSpace, null_space_component, null_space_share
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.samplers import Denoise, Sampler, multistep
from medsr.diffusion.schedule import sampling_sigmas
from medsr.intensity import FOREGROUND, Scaling, scaling_for
from medsr.network.checkpoint import ModelCard
from medsr.remarks import Remark
from medsr.restore.data_consistency import DataConsistency, Residual, remark_on_residual
from medsr.restore.detail_strength import match_detail_strength
from medsr.restore.edge_strength import strengthen
from medsr.restore.grain import add_grain
from medsr.restore.guide_used import GuideUsed
from medsr.restore.guides import guided
from medsr.restore.intervals import (
    AnyInterval,
    half_width_of,
    interval_for,
    interval_of_mean,
    psnr_bound,
)
from medsr.restore.options import Options, takes_turns
from medsr.restore.plan import Plan
from medsr.restore.profile_check import check_profile
from medsr.restore.running import Running
from medsr.restore.self_check import self_check
from medsr.restore.slice_denoiser import Network, slice_denoiser
from medsr.restore.upsampled import Upsampled, noise_field, on_fine_grid
from medsr.restore.verdict import SelfCheck
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["Restored", "restore"]


@dataclass(frozen=True, eq=False)
class Restored:
    """The result on the fine grid, and what was found.

    Attributes:
        volume: the posterior mean, or the mean of the samples.
        std: standard deviation of the samples, where there are several.
        half_width: of the interval that was asked for, at each voxel.
        null_space_map: the part of `volume` that the scanner could not measure, if asked for.
        noise: estimated noise of the scan, over the intensity gain.
        inconsistency: root mean square of A x - y in each measured slice along the coarse axis,
            over the intensity gain.
        residual: |A x - y| of the result at its worst voxel and as a root mean square.
        unmet: why the result does not agree with its scan everywhere; None where it does as
            promised.
        null_space: the share of the result that the scan did not measure.
        used: the acquisition of data consistency: as assumed, or with the slice thickness that
            explains the posterior mean better.
        self_check: what the model gains on the scan's own slices; None where it was not asked for
            or the slices show too little.
        psnr_bound: a PSNR, dB, that a posterior mean reaches at least; None where the model
            promises none.
        guides: what became of the guides; guide_images those that were used, on the fine grid.
    """

    volume: Volume
    std: Volume | None
    half_width: Volume | None
    null_space_map: Volume | None
    noise: float
    inconsistency: tuple[float, ...]
    residual: Residual
    unmet: Remark | None
    null_space: NullSpace
    used: Acquisition
    self_check: SelfCheck | None
    psnr_bound: float | None = None
    guides: tuple[GuideUsed, ...] = ()
    guide_images: tuple[Volume, ...] = ()


@dataclass(frozen=True, eq=False)
class _Case:
    """One scan, ready for the network.

    Attributes:
        denoise: the model over the whole volume.
        first: the posterior mean of the residual, [X', Y', Z'], on the CPU.
        scale: of its error, over the intensity gain, like it; None where the model gives none.
        upsampled: the scan on the fine grid.
        measured: the scan and what a result may not contradict.
        tolerance: of the strength of detail of samples; see `detail_strength`.
        network: the model and how it runs.
        modality: whose noise grain is like.
        strength: of the edges of samples, over those of the posterior mean.
        guides: what became of the guides.
    """

    denoise: Denoise
    first: Tensor
    scale: Tensor | None
    upsampled: Upsampled
    measured: DataConsistency
    tolerance: float | None
    network: Network
    modality: Modality
    guides: tuple[GuideUsed, ...] = ()
    strength: float = 1.0


@torch.inference_mode()
def restore(
    plan: Plan,
    denoiser: Denoiser,
    card: ModelCard,
    running: Running,
    *,
    sampler: Sampler | None = None,
) -> Restored:
    """Restore a scan on the fine grid of its acquisition.

    Args:
        plan: the scan, how it was made, and what is asked for.
        denoiser: the model, in evaluation mode.
        card: of the model.
        running: where and how it runs.
        sampler: in place of `multistep` with the model's `sigma_data`.

    Returns:
        Volumes on the fine grid (outer corner and axes of the scan), in the scan's unit.

    Raises:
        Refused: the scan is empty, or the model has no interval for this mode.
    """
    interval = interval_for(card, plan.options) if plan.options.interval else None
    scaling = scaling_for(Modality(card.modality), plan.volume.voxels, plan.volume.name)
    case = _case(plan, scaling, denoiser, card, running)
    chosen = sampler or partial(multistep, sigma_data=card.sigma_data)
    mean, deviation = _consistent(case.first, case.measured, case.upsampled), None
    of_mean = interval_of_mean(card) if plan.options.steps == 1 else None
    check = None
    if not plan.options.no_self_check:
        seen = case.upsampled, case.measured, case.network
        check = self_check(mean, *seen, quick=plan.options.quick, interval=of_mean)
    if plan.options.steps > 1:
        case = replace(case, strength=(check and check.edge_strength) or 1.0)
        mean, deviation = _mean_and_std(case, plan.options, chosen)
    own = None if check is None else check.interval_scale
    bound = psnr_bound(mean, case.scale, of_mean, own)
    found = _restored(plan, scaling, case, mean, deviation, interval, check)
    images = [on_fine_grid(plan.volume, plan.acquisition, v) for v, _ in case.upsampled.images]
    return replace(found, psnr_bound=bound, guides=case.guides, guide_images=tuple(images))


def _case(
    plan: Plan, scaling: Scaling, denoiser: Denoiser, card: ModelCard, running: Running
) -> _Case:
    """The scan in the network's range, on the fine grid, with the posterior mean."""
    acquisition, options = plan.acquisition, plan.options
    low = np.asarray(plan.volume.voxels)
    above = scaling.offset + FOREGROUND * scaling.gain
    level = estimate_noise(low, acquisition.coarse_axis, above=above) / scaling.gain
    scan = (torch.from_numpy(np.array(low)) - scaling.offset) / scaling.gain
    floor = float(scan.min()) if card.modality == "CT" or float(low.min()) >= 0 else None
    upsampled = Upsampled.of(scan, acquisition, card.residual_std)
    network = Network(denoiser, int(card.network["context"]), running)
    of_scan = partial(DataConsistency.of, scan, noise=level, floor=floor, mode=options.consistency)
    upsampled, guides = guided(plan, upsampled, of_scan(acquisition), network)
    denoise = slice_denoiser(
        network,
        upsampled,
        level,
        running.counted(1 + options.samples * (options.steps - 1)),
        in_turn=takes_turns(options.steps, options.quick),
    )
    mean, scale = denoise.mean_and_scale()
    first, scale = mean.cpu(), None if scale is None else scale.mul_(card.residual_std).cpu()
    used = check_profile(first, upsampled)
    kind, measured, tolerance = Modality(card.modality), of_scan(used), card.detail_tolerance
    return _Case(denoise, first, scale, upsampled, measured, tolerance, network, kind, guides)


def _restored(
    plan: Plan,
    scaling: Scaling,
    case: _Case,
    mean: Tensor,
    deviation: Tensor | None,
    interval: AnyInterval | None,
    check: SelfCheck | None,
) -> Restored:
    """The result in the scan's unit, its maps, and what they say of it."""
    volume, acquisition, measured = plan.volume, plan.acquisition, case.measured
    own = None if check is None else check.interval_scale
    half_width = half_width_of(mean, deviation, measured, interval, scale=case.scale, check=own)
    null_space, inconsistency = _audit(mean, measured, case.upsampled)
    residual = measured.residual(mean, case.upsampled.chunks)
    wanted = plan.options.null_space_map
    component = null_space_component(mean, measured.projector) if wanted else None
    std, width, null_space_map = (
        None if values is None else on_fine_grid(volume, acquisition, values.mul_(scaling.gain))
        for values in (deviation, half_width, component)
    )
    result = on_fine_grid(volume, acquisition, mean.mul_(scaling.gain).add_(scaling.offset))
    padding = volume.padding and volume.padding.on_grid(volume.affine, result.affine, result.shape)
    result = replace(result, stored_as_integers=volume.stored_as_integers, padding=padding)
    return Restored(
        volume=result,
        std=std,
        half_width=width,
        null_space_map=null_space_map,
        noise=measured.noise,
        inconsistency=inconsistency,
        residual=residual,
        unmet=remark_on_residual(measured, residual),
        null_space=null_space,
        used=measured.projector.acquisition,
        self_check=check,
    )


def _mean_and_std(case: _Case, options: Options, sampler: Sampler) -> tuple[Tensor, Tensor | None]:
    """Mean of the samples and, of several, their standard deviation: [X', Y', Z'], float32."""
    count, shape = options.samples, case.upsampled.acquisition.fine_shape
    if count == 1:
        return _sample(case, options, options.seed, sampler), None
    total, squares = torch.zeros(shape), torch.zeros(shape)
    for k in range(count):
        change = _sample(case, options, options.seed + k, sampler)
        change.sub_(case.upsampled.condition)
        total += change
        squares += change.square_()
    mean = total.div_(count)
    deviation = squares.sub_(mean.square(), alpha=count).div_(count - 1).clamp_(min=0).sqrt_()
    return case.measured.above_floor(mean.add_(case.upsampled.condition)), deviation


def _sample(case: _Case, options: Options, seed: int, sampler: Sampler) -> Tensor:
    """One sample, consistent with the scan: [X', Y', Z'], float32."""
    device, sigmas = case.network.running.device, sampling_sigmas(options.steps)
    noise = noise_field(case.upsampled.acquisition.fine_shape, seed).to(device)
    residual = sampler(case.denoise, case.first.to(device), noise, sigmas).cpu()
    if case.tolerance is None:
        residual = strengthen(residual, case.first, case.upsampled, case.strength)
    else:
        residual = match_detail_strength(
            residual, case.first, case.upsampled, case.measured, case.tolerance
        )
    image = _consistent(residual, case.measured, case.upsampled)
    if options.grain:
        add_grain(image, case.measured, case.upsampled.chunks, case.modality, seed)
    return image


def _consistent(residual: Tensor, measured: DataConsistency, upsampled: Upsampled) -> Tensor:
    """The image of a residual [X', Y', Z'], consistent with the scan; float32."""
    square = 0.0
    for chunk in upsampled.chunks if measured.is_noisy else ():
        share = measured.scan[chunk].numel() / measured.scan.numel()
        square += share * measured.at(chunk).residual_square(upsampled.image(residual, chunk))
    ratio = measured.ratio(square)
    image = torch.empty(residual.shape)
    for chunk in upsampled.chunks:
        image[chunk] = measured.at(chunk).apply(upsampled.image(residual, chunk), ratio)
    return image


def _audit(
    mean: Tensor, measured: DataConsistency, upsampled: Upsampled
) -> tuple[NullSpace, tuple[float, ...]]:
    """The null-space component, and the inconsistency of each measured slice."""
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
    return null_space, tuple(torch.as_tensor(squares / measured.scan.numel()).sqrt().tolist())

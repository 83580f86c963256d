"""Fine-tunes the posterior-mean network on one scan, within a given time.

A plain loop: Adam (Kingma and Ba 2015, arXiv:1412.6980) whose rate falls as a cosine of the time
that is used. Without weight decay, so that a scale head stays what it is. The weights in use are
an average of those before and after: on images unlike the pairs, such an average does better than
either (Wortsman et al. 2022, arXiv:2109.01903, section 3). They are kept only if slices that were
kept aside gain by them.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from medsr.diffusion.denoiser import Denoiser, denoising_loss
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.intensity import scaling_for
from medsr.network.checkpoint import ModelCard
from medsr.restore.adapt_pairs import Stack, can_be_adapted, central_part, random_rows, stacks_of
from medsr.restore.options import Options
from medsr.restore.own_reference import own_volume
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.volume.modality import Modality

__all__ = ["Budget", "Tuned", "adapt", "pairs_of", "tune"]

#: Residual [n, 1, h, W], condition [n, C, h, W] and features [n, F] of some slices.
Batch = tuple[Tensor, Tensor, Tensor]

RATE, WARM_UP, CLIP = 1e-3, 5, 1.0

#: The posterior mean and nothing else.
PLAIN = Options(no_self_check=True)

#: Windows of a batch, and slices of each.
WINDOWS, SLICES = 6, 8

#: The share of the tuned weights in those that are used.
SHARE = 0.4

#: Slices that were kept aside must gain so much, dB.
LEAST_GAIN_DB = 0.03

#: Voxels of the part of the scan that is learned from, for each second, and at most.
VOXELS_A_SECOND, MOST_VOXELS = 30_000, 4_000_000

#: A step, or the check at the end, may take so much longer than the longest before.
RESERVE = 1.3


class OutOfTimeError(Exception):
    """The time of an adaptation is used; never leaves this module."""


@dataclass(frozen=True)
class Budget:
    """How long an adaptation may go on.

    Attributes:
        seconds: from `began` on.
        steps: of the optimiser, at most; None for as many as there is time for.
        began: time.monotonic() of the start.
    """

    seconds: float
    steps: int | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def used(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def check(self, _share: float = 0.0) -> None:
        """Raise `OutOfTimeError` when nothing is left."""
        if self.used >= self.seconds:
            raise OutOfTimeError

    def share(self, step: int, reserved: float) -> float:
        """Which share of the time, or of the steps, is used; 1 at the end."""
        of_steps = step / self.steps if self.steps else 0.0
        return max(of_steps, self.used / max(1e-6, self.seconds - reserved))


@dataclass(frozen=True, eq=False)
class Tuned:
    """A model after an adaptation.

    Attributes:
        denoiser: the adapted one; after 0 steps the one that was given.
        steps: of the optimiser.
        gain_db: on the slices that were kept aside.
        kept: whether they gained enough for it to be used.
    """

    denoiser: Denoiser
    steps: int
    gain_db: float
    kept: bool


def adapt(
    plans: Sequence[Plan],
    denoiser: Denoiser,
    card: ModelCard,
    running: Running,
    budget: Budget,
) -> Tuned:
    """Adapt a model to one scan, or to a few of one protocol.

    Args:
        plans: of the scans.
        denoiser: the model, in evaluation mode; it is not changed.
        card: of the model.
        running: where it runs; `progress` is called with the share of the time that is used.
        budget: how long it may take, all in all.
    """
    kept_as_it_is = Tuned(denoiser, 0, 0.0, kept=False)
    suited = [plan for plan in plans if can_be_adapted(plan.acquisition)]
    try:
        stacks = [
            stack
            for plan in suited
            for stack in pairs_of(plan, denoiser, card, running, budget, len(suited))
        ]
        if not stacks:
            return kept_as_it_is
        return tune(stacks, denoiser, card, running, budget)
    except OutOfTimeError:
        return kept_as_it_is


def pairs_of(
    plan: Plan, denoiser: Denoiser, card: ModelCard, running: Running, budget: Budget, among: int
) -> list[Stack]:
    """The pairs of the central part of a scan, which is enhanced first.

    Args:
        plan: of the scan.
        denoiser, card, running: the model.
        budget: of the adaptation.
        among: how many scans share it.
    """
    part = central_part(plan, min(MOST_VOXELS, VOXELS_A_SECOND * budget.seconds) / among)
    first = replace(running, progress=budget.check)
    enhanced = restore(replace(part, options=PLAIN), denoiser, card, first).volume
    scan, fine = (torch.from_numpy(np.array(v.voxels)) for v in (part.volume, enhanced))
    scaling = scaling_for(Modality(card.modality), np.asarray(plan.volume.voxels))
    return stacks_of(own_volume(fine, scan, part.acquisition), part.acquisition, scaling)


def tune(
    stacks: Sequence[Stack],
    denoiser: Denoiser,
    card: ModelCard,
    running: Running,
    budget: Budget,
) -> Tuned:
    """Fine-tune a copy of the posterior-mean network on pairs, and check what it is worth.

    Args:
        stacks: the pairs.
        denoiser: the model, in evaluation mode; it is not changed.
        card: of the model.
        running: where it runs.
        budget: how long it may take; what it took until now counts.
    """
    began = budget.used
    before = kept_aside_error(stacks, denoiser, card, running, budget)
    reserved = RESERVE * (budget.used - began)
    tuned, steps = _trained(stacks, denoiser, card, running, budget, reserved)
    if steps == 0:
        return Tuned(denoiser, 0, 0.0, kept=False)
    averaged = _average(denoiser, tuned)
    try:
        after = kept_aside_error(stacks, averaged, card, running, budget)
    except OutOfTimeError:
        return Tuned(averaged, steps, 0.0, kept=False)
    gain = 10 * math.log10(max(before, 1e-20) / max(after, 1e-20))
    return Tuned(averaged, steps, gain, kept=gain >= LEAST_GAIN_DB)


def _trained(
    stacks: Sequence[Stack],
    denoiser: Denoiser,
    card: ModelCard,
    running: Running,
    budget: Budget,
    reserved: float,
) -> tuple[Denoiser, int]:
    """A tuned copy of a model, and after how many steps; `reserved` seconds are left over."""
    tuned = copy.deepcopy(denoiser).requires_grad_(False)
    weights = list(_mean_network(tuned).requires_grad_(True).parameters())
    optimizer = torch.optim.Adam(weights, lr=RATE, betas=(0.9, 0.98))
    batches = _batches(stacks, card, running)
    # Errors count relative to the residual, so that the rate means the same for every scan.
    squares = [float(stack.residual.square().mean()) for stack in stacks]
    power = max(float(np.mean(squares)) / card.residual_std**2, 1e-9)
    step, longest, share = 0, 0.0, budget.share(0, reserved)
    while share < 1 and budget.used + RESERVE * longest + reserved < budget.seconds:
        began = budget.used
        rate = RATE * 0.5 * (1 + math.cos(math.pi * share)) * min(1.0, (step + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        for _ in range(WINDOWS):
            if budget.used + reserved > budget.seconds:  # the first step is longer than thought
                return tuned.requires_grad_(False), step
            with torch.enable_grad():
                loss = _loss(tuned, next(batches)).mean() / (WINDOWS * power)
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, CLIP)
        optimizer.step()
        step, longest = step + 1, max(longest, budget.used - began)
        share = budget.share(step, reserved)
        if running.progress is not None:
            running.progress(min(share, 1.0))
    return tuned.requires_grad_(False), step


def _mean_network(denoiser: Denoiser) -> nn.Module:
    return denoiser.network if denoiser.mean_network is None else denoiser.mean_network


def _average(before: Denoiser, after: Denoiser) -> Denoiser:
    """The weights between two models."""
    averaged, old = copy.deepcopy(after), before.state_dict()
    averaged.load_state_dict(
        {name: torch.lerp(old[name], value, SHARE) for name, value in after.state_dict().items()}
    )
    return averaged


def kept_aside_error(
    stacks: Sequence[Stack],
    denoiser: Denoiser,
    card: ModelCard,
    running: Running,
    budget: Budget,
) -> float:
    """Mean square error of the posterior mean on the slices that were kept aside.

    Raises:
        OutOfTimeError: before it is known.
    """
    total, count = 0.0, 0
    context = int(card.network["context"])
    with torch.no_grad():
        for stack in stacks:
            for index in torch.split(stack.kept, SLICES):
                budget.check()
                batch = _on_device(stack.batch(index, context), card, running)
                total += float(_loss(denoiser, batch).sum())
                count += len(index)
    return total / max(1, count)


def _loss(denoiser: Denoiser, batch: Batch) -> Tensor:
    """Mean square error of the posterior mean of each slice, [n]."""
    residual, condition, features = batch
    sigma = torch.full((len(residual),), SIGMA_MAX, device=residual.device)
    nothing = torch.zeros_like(residual)
    return denoising_loss(denoiser, residual, condition, features, sigma, nothing)


def _on_device(batch: Batch, card: ModelCard, running: Running) -> Batch:
    residual, condition, features = (part.to(running.device) for part in batch)
    return residual / card.residual_std, condition, features


def _batches(stacks: Sequence[Stack], card: ModelCard, running: Running) -> Iterator[Batch]:
    """Random windows of random slices, those with much to restore preferred; without end."""
    rng, context = np.random.default_rng(0), int(card.network["context"])
    draws = [_drawer(stack, rng) for stack in stacks]
    while True:
        k = int(rng.integers(len(stacks)))
        yield _on_device(
            stacks[k].batch(draws[k](), context, random_rows(stacks[k], rng)), card, running
        )


def _drawer(stack: Stack, rng: np.random.Generator) -> Callable[[], Tensor]:
    interest = stack.residual[stack.train].square().mean(dim=(1, 2)).sqrt().numpy() + 1e-6
    chances = interest / interest.sum()
    return lambda: stack.train[torch.from_numpy(rng.choice(len(chances), size=SLICES, p=chances))]

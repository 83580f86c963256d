"""Teacher models whose results replace the scans as training targets."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from medsr.config import TrainConfig
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.errors import UsageError
from medsr.network.checkpoint import load_model

__all__ = ["Teachers", "teachers_of"]


class Teachers(nn.Module):
    """Denoised images by a model; at the largest noise level, the posterior mean, by two.

    Both are averaged with their results for the mirrored slice. They do not learn.

    Args:
        every: teaches every noise level.
        mean: another model for the largest level, averaged with the first.
        mean_unit: its unit of the residual over that of `every`.
    """

    def __init__(self, every: Denoiser, mean: Denoiser | None, mean_unit: float) -> None:
        super().__init__()
        self.every, self.mean, self.mean_unit = every, mean, mean_unit
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def forward(self, noisy: Tensor, sigma: Tensor, cond: Tensor, features: Tensor) -> Tensor:
        """What `Denoiser.forward` gives, averaged: [B, 1, H, W]."""
        taught = _mirrored_mean(self.every, noisy, sigma, cond, features)
        top = sigma >= SIGMA_MAX
        if self.mean is None or not bool(top.any()):
            return taught
        chosen = noisy[top], sigma[top], cond[top], features[top]
        other = self.mean_unit * _mirrored_mean(self.mean, *chosen)
        taught[top] = (taught[top] + other) / 2
        return taught


def teachers_of(config: TrainConfig, unit: float) -> Teachers | None:
    """The models to learn from, if the configuration names one.

    Args:
        config: the training.
        unit: of the residual, of the model that learns.

    Raises:
        InputError: a model is missing or damaged.
        UsageError: the learning model counts in another unit than its teacher, or there is a
            teacher of the mean only.
    """
    if config.teacher is None:
        if config.mean_teacher is not None:
            raise UsageError("mean_teacher needs a teacher; set both.")
        return None
    path = Path(config.teacher)
    every, card = load_model(path)
    if not math.isclose(card.residual_std, unit, rel_tol=1e-6):
        raise UsageError(
            f"{path.name}: the teacher's residual scale is {card.residual_std:.4g} and "
            f"the model's is {unit:.4g}. Initialise the model from the teacher's weights "
            "(init)."
        )
    if config.mean_teacher is None:
        return Teachers(every, None, 1.0)
    mean, own = load_model(Path(config.mean_teacher))
    return Teachers(every, mean, own.residual_std / unit)


def _mirrored_mean(
    denoiser: Denoiser, noisy: Tensor, sigma: Tensor, cond: Tensor, features: Tensor
) -> Tensor:
    """The denoised residual, averaged with that of the slice mirrored along H: [B, 1, H, W]."""
    mirrored: Tensor = denoiser(noisy.flip(2), sigma, cond.flip(2), features)
    denoised: Tensor = denoiser(noisy, sigma, cond, features)
    return (denoised + mirrored.flip(2)) / 2

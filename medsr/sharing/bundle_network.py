"""The network of a MONAI bundle: one image in, one image out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from medsr.diffusion.schedule import SIGMA_MAX
from medsr.network.build import build_denoiser

__all__ = ["PosteriorMean"]


class PosteriorMean(nn.Module):
    """From a slice to the posterior mean of its residual.

    It contains all weights of the model, those for samples, too.

    Args:
        settings: the model card's `network`.
        features: the model card's `features`, the length F of the acquisition vector.

    Raises:
        UsageError: the settings describe no network.

    Attributes:
        denoiser: the model's network.
        features: F.
    """

    def __init__(self, settings: Mapping[str, Any], features: int) -> None:
        super().__init__()
        self.denoiser, self.features = build_denoiser(settings, features), features

    def forward(self, image: Tensor) -> Tensor:
        """The residual over the upsampled slice, in units of the card's `residual_std`.

        Args:
            image: [B, C + F, H, W]: the condition of `restore.slices.condition_slices`, then each
                number of `acquisition.conditioning.feature_vector` as a constant channel.

        Returns:
            [B, 1, H, W], float32.
        """
        condition = image[:, : -self.features]
        features = image[:, -self.features :].flatten(2)[:, :, 0]
        noisy = torch.zeros_like(condition[:, :1])
        sigma = torch.full((len(image),), SIGMA_MAX, device=image.device)
        residual: Tensor = self.denoiser(noisy, sigma, condition, features)
        return residual

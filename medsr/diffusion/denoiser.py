"""The denoiser E[clean | noisy, condition]: preconditioning around any network.

    D(noisy; sigma, cond) = c_skip noisy + c_out F(cat(c_in noisy, cond); c_noise)

with Karras et al. 2022, table 1 (EDM), for sigma_data = 1. `clean` is the normalised residual over
the upsampled scan, so c_skip -> 0 at large sigma makes one evaluation there the posterior mean.
From SIGMA_MAX on the noisy image carries no information and is replaced by zeros: the posterior
mean does not depend on a noise sample. That level may have a network of its own: an expert
denoiser (Balaji et al. 2022, eDiff-I, arXiv:2211.01324, section 4) that learns the posterior mean
alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from medsr.diffusion.schedule import SIGMA_MAX

__all__ = ["Denoiser", "Teacher", "denoising_loss"]

Teacher = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

#: ln of the scales of error that are believed, in units of the residual: from nothing to more than
#: the whole range of a scan. A network that meets pure noise extrapolates beyond every number.
LOG_SCALE = (-10.0, 4.0)


class Denoiser(nn.Module):
    """A network with its preconditioning.

    Args:
        network: maps (image [B, 1 + C, H, W], noise level [B], features [B, F]) to [B, 1, H, W];
            of blocks, every [.., H, W] here is [.., D, H, W]. Its `at` (noise level [1], features
            [1, F], data type) gives the same for one noise level and acquisition. A network may
            give a second channel: ln of the scale of its error.
        mean_network: another such network, in its place from SIGMA_MAX on.
    """

    def __init__(self, network: nn.Module, mean_network: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.mean_network = network, mean_network

    def forward(self, noisy: Tensor, sigma: Tensor, cond: Tensor, features: Tensor) -> Tensor:
        """The denoised residual [B, 1, H, W].

        Args:
            noisy: clean + sigma n, [B, 1, H, W], float32.
            sigma: [B], > 0.
            cond: the upsampled scan and what belongs to it, [B, C, H, W], near [0, 1].
            features: numbers that describe the acquisition, [B, F].
        """
        if self.mean_network is None:
            return _forward(self.network, noisy, sigma, cond, features)[:, :1]
        top = sigma >= SIGMA_MAX
        denoised = torch.empty_like(noisy)
        for network, chosen in ((self.network, ~top), (self.mean_network, top)):
            if bool(chosen.any()):
                part = noisy[chosen], sigma[chosen], cond[chosen], features[chosen]
                denoised[chosen] = _forward(network, *part)[:, :1]
        return denoised

    def mean_and_scale(self, cond: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior mean of the residual and the scale of its error, [B, 1, H, W] each.

        Of a network with a scale head only; cond and features as in `forward`.
        """
        network = self.network if self.mean_network is None else self.mean_network
        sigma = torch.full((len(cond),), SIGMA_MAX, device=cond.device)
        found = _forward(network, torch.zeros_like(cond[:, :1]), sigma, cond, features)
        return found[:, :1], found[:, 1:]

    def at(
        self,
        sigma: float,
        features: Tensor,
        dtype: torch.dtype,
        examples: tuple[Tensor, Tensor] | None = None,
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The denoiser of one noise level and acquisition, from (noisy, cond) as above.

        What follows from these two alone is worked out here, once. It gives the denoised residual
        [B, 1, H, W] or, where the network has a scale head, [B, 2, H, W]: beside it the scale of
        its error.

        Args:
            sigma: > 0.
            features: [F].
            dtype: of the network's weights and images; that of `cond`, best.
            examples: (noisy, cond) for a network whose convolutions are of 8-bit integers: these
                take their ranges from them.
        """
        level = torch.full((1,), sigma, device=features.device)
        own = self.mean_network if sigma >= SIGMA_MAX else None
        network = self.network if own is None else own
        images = None if examples is None else _image(*examples, level)
        given = _c_noise(level), features[None], dtype, images
        fixed = network.at(*given)  # type: ignore[operator]
        return lambda noisy, cond: _denoised(fixed, noisy, level, cond)


def _forward(
    network: nn.Module, noisy: Tensor, sigma: Tensor, cond: Tensor, features: Tensor
) -> Tensor:
    return _denoised(lambda x: network(x, _c_noise(sigma), features), noisy, sigma, cond)


def _c_noise(sigma: Tensor) -> Tensor:
    return sigma.log() / 4


def _denoised(
    network: Callable[[Tensor], Tensor], noisy: Tensor, sigma: Tensor, cond: Tensor
) -> Tensor:
    """D, table 1 with sigma_data = 1; and the scale of its error, from a network that has one."""
    s = _beside(sigma, noisy)
    c_skip = 1 / (s**2 + 1)
    c_out = s / (s**2 + 1).sqrt()
    raw = network(_image(noisy, cond, sigma)).float()
    denoised = c_skip * noisy.where(s < SIGMA_MAX, 0.0) + c_out * raw[:, :1]
    if raw.shape[1] == 1:
        return denoised
    return torch.cat([denoised, c_out * raw[:, 1:].clamp(*LOG_SCALE).exp()], 1)


def _image(noisy: Tensor, cond: Tensor, sigma: Tensor) -> Tensor:
    """What the network sees: c_in noisy, conditioned by concatenation of channels."""
    s = _beside(sigma, noisy)
    scaled = 1 / (s**2 + 1).sqrt() * noisy.where(s < SIGMA_MAX, 0.0)  # c_in noisy
    return torch.cat([scaled.to(cond.dtype), cond], dim=1)


def denoising_loss(
    denoiser: Denoiser,
    clean: Tensor,
    cond: Tensor,
    features: Tensor,
    sigma: Tensor,
    noise: Tensor,
    teacher: Teacher | None = None,
) -> Tensor:
    """Weighted squared error a sample, [B]; Karras et al. 2022, eq. 2 with their lambda.

    lambda(sigma) = (sigma^2 + 1) / sigma^2 makes the error of the raw network weigh the same at
    every noise level.

    Args:
        denoiser: the model.
        clean: normalised residual, [B, 1, H, W].
        cond, features: as in `Denoiser.forward`.
        sigma: [B].
        noise: standard normal, like clean.
        teacher: gives the denoised image [B, 1, H, W] of (noisy, sigma, cond, features) that the
            error is over, not `clean`: the same mean, without what cannot be known, so that less
            training goes further.
    """
    noisy = clean + _beside(sigma, clean) * noise
    target = clean if teacher is None else teacher(noisy, sigma, cond, features)
    denoised = denoiser(noisy, sigma, cond, features)
    weight = (sigma**2 + 1) / sigma**2
    error: Tensor = (denoised - target).square().flatten(1).mean(dim=1)
    return weight * error


def _beside(sigma: Tensor, image: Tensor) -> Tensor:
    """[B] so that it multiplies an image [B, ...]."""
    return sigma.reshape(-1, *[1] * (image.ndim - 1))

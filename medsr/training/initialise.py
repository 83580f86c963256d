"""Initialises a training with the weights of another model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from medsr.config import TrainConfig
from medsr.diffusion.denoiser import Denoiser
from medsr.errors import UsageError
from medsr.network.checkpoint import load_model
from medsr.network.unet import UNet
from medsr.training.batches import Batches, Share
from medsr.training.prune import narrow
from medsr.training.scenes import Fine

__all__ = ["begin_with", "blend"]

#: Batches on which the importance of channels of a wider network is measured.
MEASURED_BATCHES = 6


def begin_with(
    denoiser: Denoiser, path: Path, config: TrainConfig, train: Sequence[Fine]
) -> float:
    """Give a denoiser the weights of a model; of a wider one, its most important channels.

    Where the model has no separate posterior-mean network, both networks start from the same
    weights.

    Returns:
        The model's unit of the residual, over the intensity gain.

    Raises:
        InputError: the model is missing or damaged.
        UsageError: its network is not like the configuration's.
    """
    start, card = load_model(path)
    batches = Batches(train, config, 0, Share())

    def run() -> None:
        for k in range(MEASURED_BATCHES):
            batch = batches.batch(k * config.reuse)
            noise = batch["sigma"].reshape(-1, 1, 1, 1) * batch["noise"]
            noisy = batch["residual"] / card.residual_std + noise
            start(noisy, batch["sigma"], batch["cond"], batch["features"])

    for own, other in _pairs(denoiser, start, path.name):
        if isinstance(own, UNet) and isinstance(other, UNet) and own.widths != other.widths:
            narrow(other, own, run)
            continue
        try:
            own.load_state_dict(_without_scale_head(other) | _new_guide_stem(own, other))
        except RuntimeError:
            raise UsageError(
                f"{path.name}: the weights given by init do not fit the network of the "
                "configuration."
            ) from None
    return card.residual_std


def blend(denoiser: Denoiser, start: Path, share: float) -> None:
    """Average a trained denoiser with the weights that it began with; new layers stay as they are.

    What was learned before is then forgotten less (Wortsman et al. 2022, arXiv:2109.01903).

    Args:
        denoiser: changed in place.
        start: the model, of a network like it.
        share: of its weights.

    Raises:
        InputError: the model is missing or damaged.
    """
    before = load_model(start)[0].state_dict()
    weights = {
        name: torch.lerp(value, before[name], share) if name in before else value
        for name, value in denoiser.state_dict().items()
    }
    denoiser.load_state_dict(weights)


def _without_scale_head(network: nn.Module) -> dict[str, Tensor]:
    """Its weights; the scale of an error is learned last (`training.scale`)."""
    weights = network.state_dict()
    return {name: v for name, v in weights.items() if not name.startswith("scale_head.")}


def _new_guide_stem(own: nn.Module, other: nn.Module) -> dict[str, Tensor]:
    """The weights of a guide stem that the other network does not have, as they are."""
    there = other.state_dict()
    return {
        name: value
        for name, value in own.state_dict().items()
        if name.startswith("guide_stem.") and name not in there
    }


def _pairs(denoiser: Denoiser, start: Denoiser, name: str) -> list[tuple[nn.Module, nn.Module]]:
    """Each trained network and its initial weights."""
    pairs = [(denoiser.network, start.network)]
    if denoiser.mean_network is not None:
        pairs.append((denoiser.mean_network, start.mean_network or start.network))
    elif start.mean_network is not None:
        raise UsageError(
            f"{name}: the weights given by init contain a separate posterior-mean "
            "network; set network.mean_network=true."
        )
    return pairs

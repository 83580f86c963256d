"""One optimiser that uses Muon for the convolutions and AdamW for all else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from medsr.config import OptimizerConfig
from medsr.training.muon import Muon

__all__ = ["OPTIMIZERS", "MuonAdamW"]


class MuonAdamW(Optimizer):
    """One optimiser to the outside, two inside, sharing their parameter groups.

    Args:
        matrices: convolution weights.
        others: all other parameters.
        rate: learning rate of both (Muon's is scaled to the size of AdamW's steps).
        weight_decay: of both.
    """

    def __init__(
        self,
        matrices: list[nn.Parameter],
        others: list[nn.Parameter],
        *,
        rate: float,
        weight_decay: float,
    ) -> None:
        self.muon = Muon(matrices, rate=rate, weight_decay=weight_decay)
        self.adamw = AdamW(others, lr=rate, weight_decay=weight_decay, betas=(0.9, 0.98))
        super().__init__([*matrices, *others], {})
        self.param_groups = [*self.muon.param_groups, *self.adamw.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.muon.step()
        self.adamw.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the states of both, keeping the shared groups."""
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])
        self.param_groups = [*self.muon.param_groups, *self.adamw.param_groups]


def adamw(denoiser: nn.Module, settings: OptimizerConfig) -> Optimizer:
    """AdamW for all parameters (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
    return AdamW(
        denoiser.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        betas=(0.9, 0.98),
    )


def muon(denoiser: nn.Module, settings: OptimizerConfig) -> Optimizer:
    """Muon for the convolutions, AdamW for biases and linear layers."""
    convolutions: list[nn.Parameter] = []
    for layer in denoiser.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and isinstance(layer.weight, nn.Parameter):
            convolutions.append(layer.weight)
    chosen = {id(weight) for weight in convolutions}
    return MuonAdamW(
        convolutions,
        [p for p in denoiser.parameters() if id(p) not in chosen],
        rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )


#: The optimisers that a configuration can name.
OPTIMIZERS = {"adamw": adamw, "muon": muon}

"""Muon for the convolutions, AdamW for all else, as one optimiser.

Muon (Jordan et al. 2024; torch.optim.Muon) orthogonalises the momentum of a weight matrix. A
convolution [out, in, kh, kw] is the matrix [out, kh kw in]: torch's optimiser gets that view of
the same memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from medsr.config import OptimizerConfig

__all__ = ["OPTIMIZERS", "MuonAdamW"]


class MuonAdamW(Optimizer):
    """One optimiser to the outside, two inside, sharing their parameter groups.

    Args:
        matrices: convolution weights, in channels_last memory.
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
        self.matrices = matrices
        self.flat = [nn.Parameter(_as_matrix(p.data)) for p in matrices]
        self.muon = Muon(
            self.flat, lr=rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = AdamW(others, lr=rate, weight_decay=weight_decay, betas=(0.9, 0.98))
        super().__init__([*self.flat, *others], {})
        self.param_groups = [*self.muon.param_groups, *self.adamw.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for whole, flat in zip(self.matrices, self.flat, strict=True):
            flat.grad = None if whole.grad is None else _as_matrix(whole.grad)
        self.muon.step()  # type: ignore[no-untyped-call]
        self.adamw.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.matrices:
            parameter.grad = None
        self.muon.zero_grad()
        self.adamw.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the states of both, keeping the shared groups."""
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])
        self.param_groups = [*self.muon.param_groups, *self.adamw.param_groups]


def _as_matrix(weight: Tensor) -> Tensor:
    """[out, in, kh, kw] in channels_last memory -> [out, kh kw in], the same memory."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


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
        if isinstance(layer, nn.Conv2d) and isinstance(layer.weight, nn.Parameter):
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

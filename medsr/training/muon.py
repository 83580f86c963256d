"""Muon: momentum, orthogonalised before each update.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon); the size of a step as in Liu et al.
2025, arXiv:2502.16982, eq. 4, so that AdamW's learning rates serve. A convolution
[out, in, kh, kw] is the matrix [out, in kh kw].

Written here because torch.optim.Muon is not in torch 2.6 to 2.8, and multiplies in bfloat16, which
a CPU without instructions for it does 10 to 20 times slower than float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from medsr.network.device import half_is_fast

__all__ = ["Muon", "orthogonal"]

MOMENTUM = 0.95

#: Coefficients of the quintic iteration, and how often: singular values end within 0.7 to 1.2.
QUINTIC, ROUNDS = (3.4445, -4.7750, 2.0315), 5


class Muon(Optimizer):
    """Nesterov momentum, made orthogonal; decoupled weight decay.

    Args:
        weights: of convolutions, [out, ...].
        rate: learning rate.
        weight_decay: share of `rate` that the weights shrink by in a step.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], *, rate: float, weight_decay: float
    ) -> None:
        super().__init__(weights, {"lr": rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step; gradients must be there already, so that a closure is not called."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum: Tensor = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
                ahead = weight.grad.lerp(momentum, MOMENTUM)
                matrix = ahead.flatten(1)
                size = 0.2 * max(matrix.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                step = orthogonal(matrix).view_as(ahead).to(weight.dtype)
                weight.add_(step, alpha=-group["lr"] * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix [m, n] with all singular values near 1, by Newton and Schulz's iteration."""
    a, b, c = QUINTIC
    x: Tensor = matrix.to(torch.bfloat16 if half_is_fast(matrix.device) else torch.float32)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x

"""A scale head: beside the posterior mean, how far it is off on average at each voxel.

The network of the posterior mean gets a second head, which learns alone: all other weights stay,
so the posterior mean does not change and training takes minutes. It learns ln of the mean absolute
error by the negative log-likelihood of a Laplace distribution, |error| / s + ln s: a proper score
that counts ratios, so dark and bright scans, edges and flat tissue weigh the same (Kendall and Gal
2017, arXiv:1703.04977, eq. 5, for the normal distribution; heads that learn an error beside an
image: Angelopoulos et al. 2022, im2im-uq, arXiv:2202.05265). A quantile by the pinball loss gave
wider intervals (docs/development/experiments.md). What is learned ranks voxels; its size is
calibrated afterwards (`training.calibrate`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medsr.config import TrainConfig
from medsr.diffusion.denoiser import Denoiser
from medsr.errors import OutputError, UsageError
from medsr.network.build import build_denoiser
from medsr.network.checkpoint import load_card, load_model, parameter_count, save_model
from medsr.training.batches import Batch, Batches, Share, fine_cases
from medsr.training.cases import load_cases, load_guides

__all__ = ["laplace", "learn_scale", "with_scale_head"]

#: Added to the absolute error, in units of the residual: errors in air are too small to learn.
LEAST_ERROR = 0.05

#: Share of the latest step in the loss that is reported.
MOVING = 0.05

#: What the head gives before it has learned: ln of a usual error, in units of the residual.
START = -1.0


def laplace(log_scale: Tensor, error: Tensor) -> Tensor:
    """The mean negative log-likelihood of errors, but for a constant.

    It is least where the scale is the mean absolute error (plus `LEAST_ERROR`).

    Args:
        log_scale: ln of the scale, any shape.
        error: like it, in units of the residual.
    """
    return ((error.abs() + LEAST_ERROR) * (-log_scale).exp() + log_scale).mean()


def with_scale_head(path: Path) -> tuple[Denoiser, nn.Module]:
    """A model with a new scale head, and the head, which alone learns.

    Raises:
        InputError: the model is missing or damaged.
        UsageError: it has a scale head, or is of a kind that has none.
    """
    start, card = load_model(path)
    if card.network.get("scale_head"):
        raise UsageError(f"{path.name}: this model has a scale head already.")
    denoiser = build_denoiser({**card.network, "scale_head": True}, card.features)
    denoiser.load_state_dict(start.state_dict(), strict=False)
    denoiser.eval().requires_grad_(False)
    head: nn.Sequential = (denoiser.mean_network or denoiser.network).scale_head  # type: ignore[assignment]
    nn.init.constant_(head[-1].bias, START)  # type: ignore[arg-type]
    return denoiser, head.requires_grad_(True)


def learn_scale(
    config: TrainConfig, weights: Path, output: Path, note: Callable[[str], None]
) -> None:
    """Give a model a scale head and train it; goes on from `last.ckpt` beside the output.

    Args:
        config: the scans, how they are drawn, how long; only scans of the model's modality count.
        weights: of the model.
        output: weights to write, with their card.
        note: called with a line on the progress.

    Raises:
        InputError: the model or a scan is missing or damaged.
        UsageError: the model cannot get a scale head.
        OutputError: the output cannot be written.
    """
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    torch.manual_seed(config.seed)
    denoiser, head = with_scale_head(weights)
    card = load_card(weights.with_suffix(".json"))
    loss = _train(_of_own_scans(config), denoiser, head, card.residual_std, output, note)
    training = {
        **card.training,
        "parameters": parameter_count(denoiser),
        "scale_head": {"steps": config.trainer.steps, "loss": round(loss, 4)},
    }
    settings = {**card.network, "scale_head": True}
    save_model(denoiser, replace(card, network=settings, training=training), output)


def _of_own_scans(config: TrainConfig) -> TrainConfig:
    data = config.data.model_copy(update={"train": config.own_scans})
    return config.model_copy(update={"data": data})


def _train(
    config: TrainConfig,
    denoiser: Denoiser,
    head: nn.Module,
    unit: float,
    output: Path,
    note: Callable[[str], None],
) -> float:
    """Train the head; returns the moving average of the loss."""
    data, kind = config.data, config.modality
    guides = load_guides(config)
    scans = fine_cases(load_cases(data.train, data, kind), data.train, guides=guides)
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rate, steps = config.optimizer.learning_rate, config.trainer.steps
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate)
    checkpoint = output.with_name("last.ckpt")
    first, average = _resumed(checkpoint, head, optimizer)
    batches = Batches(scans, config, first, Share())
    for step, batch in zip(range(first, steps), batches, strict=False):
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / config.optimizer.warmup_steps)
            group["lr"] = rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = _loss(denoiser, batch, unit)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found = float(loss.detach())
        average = found if average is None else average + MOVING * (found - average)
        if (step + 1) % config.trainer.checkpoint_every == 0:
            note(f"  step {step + 1} of {steps}: loss {average:.3f}")
            _save(checkpoint, step + 1, average, head, optimizer)
    return average or 0.0


def _loss(denoiser: Denoiser, batch: Batch, unit: float) -> Tensor:
    mean, scale = denoiser.mean_and_scale(batch["cond"], batch["features"])
    return laplace(scale.log(), batch["residual"] / unit - mean)


def _save(
    path: Path, step: int, loss: float, head: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """All that the next steps follow from; complete or absent."""
    partial = path.with_suffix(".partial")
    kept = {f"head/{name}": value for name, value in head.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        kept |= {f"optimizer/{index}/{name}": value for name, value in state.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value.contiguous() for name, value in kept.items()}
        save_file({**kept, "at": torch.tensor([step, loss], dtype=torch.float64)}, partial)
        partial.replace(path)
    except OSError as fault:
        raise OutputError(f"{path.name}: cannot be written ({fault.strerror}).") from None


def _resumed(
    path: Path, head: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, float | None]:
    """The step to go on with and the loss so far; the head and its optimiser as they were."""
    if not path.is_file():
        return 0, None
    kept = load_file(path)
    step, loss = kept.pop("at").tolist()
    states: dict[int, dict[str, Tensor]] = {}
    for name in [name for name in kept if name.startswith("optimizer/")]:
        _, index, inner = name.split("/")
        states.setdefault(int(index), {})[inner] = kept.pop(name)
    head.load_state_dict({name.removeprefix("head/"): value for name, value in kept.items()})
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    return int(step), float(loss)

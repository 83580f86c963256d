"""The Lightning module: loss, optimiser, moving average, validation in dB over cubic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from medsr.acquisition.conditioning import FEATURES
from medsr.config import TrainConfig
from medsr.diffusion.denoiser import denoising_loss
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.network.build import build_denoiser
from medsr.training.batches import Batch, Batches, Share, some_scans, validation_batch
from medsr.training.initialise import begin_with
from medsr.training.optimizer import OPTIMIZERS
from medsr.training.scenes import Fine
from medsr.training.teacher import teachers_of

__all__ = ["RestorationModule"]

#: The validation's factor (4 mm slices of 1 mm voxels) and slices a person.
VALIDATION_FACTOR, VALIDATION_SLICES = 4.0, 32

#: Scenes with hardly any residual (over its mean square) must not dominate.
POWER_FLOOR = 0.1


class RestorationModule(pl.LightningModule):
    """Trains a `Denoiser` and keeps an exponential moving average of it.

    Args:
        config: the training.
        train, validate: the scans.
        labels: of synthetic heads.
    """

    residual_std: Tensor

    def __init__(
        self,
        config: TrainConfig,
        train: list[Fine],
        validate: list[Fine],
        labels: Sequence[Tensor] = (),
    ) -> None:
        super().__init__()
        self.labels = labels
        self.config = config
        self.train_cases, self.validation_cases = train, validate
        torch.manual_seed(config.seed)
        self.denoiser = build_denoiser(config.network.model_dump(), FEATURES)
        unit = own = residual_std(config, train)
        if config.init is not None:
            unit = begin_with(self.denoiser, Path(config.init), config, train)
        self.sigma_data = own / unit
        self.teacher = teachers_of(config, unit)
        self.denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        decay = 1 - 1 / config.optimizer.ema_steps
        self.average = AveragedModel(self.denoiser, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
        self.average.requires_grad_(False)
        self.register_buffer("residual_std", torch.tensor(unit))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches from the current step on: also after a resume."""
        share = Share(self.trainer.global_rank, self.trainer.world_size)
        step = self.trainer.global_step
        batches = Batches(self.train_cases, self.config, step, share, self.labels)
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        """One fixed batch a held-out scan."""
        context = self.config.network.context
        batches = [
            validation_batch(fine, VALIDATION_FACTOR, self.config.crop, VALIDATION_SLICES, context)
            for fine in self.validation_cases
        ]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The mean denoising loss of a batch."""
        loss = denoising_loss(
            self.denoiser,
            batch["residual"] / self.residual_std,
            batch["cond"],
            batch["features"],
            batch["sigma"],
            batch["noise"],
            self.teacher,
        )
        # Easy and hard acquisitions have equal weight: errors count relative to the scene's
        # residual.
        loss = loss / (batch["power"] / self.residual_std**2 + POWER_FLOOR)
        top = batch["sigma"] == SIGMA_MAX
        self.log("loss", loss.mean(), prog_bar=True, sync_dist=True)
        if bool(top.any()):
            self.log("loss_mean_mode", loss[top].mean(), prog_bar=True)
        self._log_guided(loss, batch["cond"])
        return loss.mean()

    def _log_guided(self, loss: Tensor, cond: Tensor) -> None:
        """The loss of the scenes with and without guides."""
        own = 3 + 2 * self.config.network.context  # upsampled, neighbours, phase
        guided = cond[:, own:].flatten(1).any(dim=1)
        if bool(guided.any()):
            self.log("loss_guided", loss[guided].mean())
            self.log("loss_unguided", loss[~guided].mean())

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """Step, then move the average; here, so that a checkpoint of this step holds both.

        The average starts after the warm-up.
        """
        super().optimizer_step(*arguments, **named)
        if self.trainer.global_step < 2 * self.config.optimizer.warmup_steps:
            self.average.n_averaged.zero_()
        self.average.update_parameters(self.denoiser)

    def validation_step(self, batch: Batch, index: int) -> None:
        """dB of the posterior mean over cubic interpolation on one held-out scan."""
        residual = batch["residual"] / self.residual_std
        sigma = torch.full((len(residual),), SIGMA_MAX, device=self.device)
        nothing = torch.zeros_like(residual)
        denoised = self.average(nothing, sigma, batch["cond"], batch["features"])
        error = (denoised - residual).square().mean()
        gain = 10 * torch.log10(residual.square().mean() / error)
        self.log(f"gain_db_{index}", gain, sync_dist=True, batch_size=1)
        self.log("gain_db", gain, sync_dist=True, batch_size=1, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The configured optimiser; linear warm-up, cosine decay."""
        settings = self.config.optimizer
        optimizer = OPTIMIZERS[settings.kind](self.denoiser, settings)
        total = self.config.trainer.steps

        def rate(step: int) -> float:
            warm = min(1.0, (step + 1) / settings.warmup_steps)
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def residual_std(config: TrainConfig, train: list[Fine]) -> float:
    """Standard deviation of the residual of the model's own scans over the first batches."""
    config, own = some_scans(config, train, config.own_scans)
    batches = Batches(own, config, 0, Share())
    squares = [
        float(batches.batch(step)["residual"].square().mean())
        for step in range(0, 6 * config.reuse, config.reuse)
    ]
    return math.sqrt(sum(squares) / len(squares))

"""One training, from configuration to weights."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from medsr.config import TrainConfig, TrainerConfig
from medsr.errors import InputError
from medsr.network.checkpoint import save_model
from medsr.network.device import half_is_fast
from medsr.training.batches import fine_cases
from medsr.training.card import averaged, model_card
from medsr.training.cases import load_cases, load_clean, load_guides
from medsr.training.initialise import blend
from medsr.training.module import RestorationModule
from medsr.training.split import check_split
from medsr.training.synthetic_heads import load_label_maps

__all__ = ["chosen_precision", "learn", "train"]


def learn(config: TrainConfig, *, resume: bool) -> Path:
    """Train to the end, then write the averaged weights and their card.

    Returns:
        The path of the weights, `out/name/name.safetensors`.

    Raises:
        InputError, UsageError: see `train`.
        OutputError: the run folder cannot be written.
    """
    began = time.monotonic()
    module, folder = train(config, resume=resume)
    path = folder / f"{config.name}.safetensors"
    if module.global_rank == 0:
        denoiser = averaged(module)
        if config.init is not None and config.init_share:
            blend(denoiser, Path(config.init), config.init_share)
        save_model(denoiser, model_card(config, module, time.monotonic() - began), path)
    return path


def train(config: TrainConfig, *, resume: bool) -> tuple[RestorationModule, Path]:
    """Train to the end; returns the module and the run's folder.

    Checkpoints and logs (CSV, TensorBoard) go to `out/name`. With `resume` the training goes on
    from `last.ckpt` of that folder, bit for bit as if it had not been stopped.

    Raises:
        InputError: a scan is missing, or there is nothing to resume.
        UsageError: the split is not by person.
    """
    check_split(config)
    folder = Path(config.out) / config.name
    last = folder / "last.ckpt"
    if resume and not last.exists():
        raise InputError(f"{config.name}: there is no last.ckpt in its run folder to resume from.")
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    data, kind = config.data, config.modality
    clean = [load_clean(case, data, kind) for case in data.train if data.clean_targets]
    guides = load_guides(config)
    module = RestorationModule(
        config,
        fine_cases(load_cases(data.train, data, kind), data.train, clean, guides),
        fine_cases(load_cases(data.validate_, data, kind), data.validate_),
        load_label_maps(Path(data.root) / data.synthetic.folder) if data.synthetic else (),
    )
    with warnings.catch_warnings():
        # Lightning advises loader workers and shuffling; batches here are functions of the step.
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        warnings.filterwarnings("ignore", message=".*tensorboardX.*")
        trainer = _trainer(config, folder)
        try:
            trainer.fit(module, ckpt_path=last if resume else None, weights_only=True)
        except SystemExit:  # what Lightning makes of Ctrl+C, when it has ended the run
            raise KeyboardInterrupt from None
    return module, folder


def _trainer(config: TrainConfig, folder: Path) -> pl.Trainer:
    settings = config.trainer
    callbacks: list[Callback] = [
        ModelCheckpoint(
            dirpath=folder,
            filename="last",
            every_n_train_steps=settings.checkpoint_every,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )
    ]
    if settings.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    return pl.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=_strategy(config),
        precision=chosen_precision(settings),
        max_steps=min(settings.steps, settings.stop_after or settings.steps),
        val_check_interval=settings.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        gradient_clip_val=config.optimizer.gradient_clip,
        logger=[
            CSVLogger(folder, name="", version="csv", flush_logs_every_n_steps=50),
            TensorBoardLogger(folder, name="", version="tensorboard"),
        ],
        callbacks=callbacks,
        enable_progress_bar=settings.progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _strategy(config: TrainConfig) -> str:
    """One process, or Lightning's DDP; a batch need not reach both networks."""
    if config.trainer.devices * config.trainer.num_nodes == 1:
        return "auto"
    return "ddp_find_unused_parameters_true" if config.network.mean_network else "ddp"


def chosen_precision(settings: TrainerConfig) -> Literal["bf16-mixed", "32-true"]:
    """As asked, or half precision where it is fast."""
    if settings.precision != "auto":
        return settings.precision
    on_gpu = settings.accelerator != "cpu" and torch.cuda.is_available()
    return "bf16-mixed" if half_is_fast(torch.device("cuda" if on_gpu else "cpu")) else "32-true"

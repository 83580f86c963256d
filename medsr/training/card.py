"""The model card of a newly trained model."""

from __future__ import annotations

import platform

import torch

from medsr.acquisition.conditioning import FEATURES
from medsr.config import TrainConfig
from medsr.diffusion.denoiser import Denoiser
from medsr.network.checkpoint import ModelCard, parameter_count
from medsr.training.module import RestorationModule
from medsr.version import __version__


def averaged(module: RestorationModule) -> Denoiser:
    """The moving average of the weights, as a plain denoiser on the CPU."""
    denoiser = module.denoiser
    denoiser.load_state_dict(module.average.module.state_dict())
    return denoiser.cpu()


def model_card(config: TrainConfig, module: RestorationModule, seconds: float) -> ModelCard:
    """The card of a finished training; results are filled in by measuring."""
    draw, cases = config.draw, config.data.train
    gains = {k: round(float(v), 3) for k, v in module.trainer.callback_metrics.items()}
    return ModelCard(
        name=config.name,
        description=config.description,
        modality=config.modality,
        network=config.network.model_dump(),
        features=FEATURES,
        residual_std=float(module.residual_std),
        ranges={
            "factor": draw.factor,
            "thickness_over_spacing": draw.thickness,
            "in_plane_factor": (1.0, draw.in_plane),
            "noise_over_gain": (0.0, draw.noise),
        },
        people=len({case.person for case in cases}),
        data={
            "train": [{"scan": c.path, "person": c.person} for c in cases],
            "validate": [{"scan": c.path, "person": c.person} for c in config.data.validate_],
        },
        training={
            "steps": module.trainer.global_step,
            "seconds_of_last_run": round(seconds),
            "parameters": parameter_count(module.denoiser),
            "seed": config.seed,
            **({} if (made := config.data.synthetic) is None else {"synthetic": made.share}),
            "medsr": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        results={k: v for k, v in gains.items() if k.startswith("gain_db")},
        limits=(),
        sigma_data=round(module.sigma_data, 3),
    )

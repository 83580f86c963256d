"""Networks on blocks against the network on slices, at equal training time (Markdown).

    python -m benchmarks training.blocks configs/mr-head.yaml DATA \
        [--seconds 300] [--networks NAME ...]

- slices: the network of the configuration, as `medsr train` makes it.
- blocks: the same U-Net in three dimensions, a stem that folds 2 x 2 x 4 voxels; about a third of
  the operations that two orientations of the slices need for a voxel.
- monai: MONAI's stock `DiffusionModelUNet` in three dimensions, as in speed.enhance.

All learn from the configuration's scans with AdamW; thick clinical scans, which hold no blocks,
are for the slices alone. Steps, validation and the meaning of a row as in training.search.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.training.search import (
    Gains,
    Pace,
    Scans,
    decibels,
    fit,
    gains,
    steps_within,
    table_head,
    table_row,
)
from medsr.acquisition.conditioning import FEATURES, feature_vector, phase_channels
from medsr.acquisition.noise import estimate_noise
from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degraded_to
from medsr.config import TrainConfig, load_config
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.schedule import SIGMA_MAX, training_sigmas
from medsr.intensity import CLIP_HIGH, CLIP_LOW, scaling_for
from medsr.network.unet import UNet
from medsr.training.batches import Batch, some_scans
from medsr.training.module import RestorationModule
from medsr.training.scenes import draw_scene
from medsr.volume.volume import Volume

__all__ = ["monai_network"]


@dataclass(frozen=True)
class Draw:
    """Blocks of a step: how many, and their depth, height and width."""

    count: int
    depth: int
    side: int


#: What a step draws for each network; MONAI's gets small blocks, so that it has more steps.
DRAWS = {"blocks": Draw(16, 32, 40), "monai": Draw(2, 16, 32)}


def monai_network() -> nn.Module:
    """MONAI's `DiffusionModelUNet`, three-dimensional, noisy image and condition in."""
    from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet

    return DiffusionModelUNet(
        spatial_dims=3,
        in_channels=2,
        out_channels=1,
        channels=(32, 64, 64),
        attention_levels=(False, False, False),
        num_res_blocks=1,
        num_head_channels=32,
        norm_num_groups=32,
    )


class Monai(nn.Module):
    """The same with the signature of a denoiser's network."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = monai_network()

    def forward(self, image: Tensor, c_noise: Tensor, features: Tensor) -> Tensor:
        """[B, 1 + C, D, H, W], [B], [B, F] -> [B, 1, D, H, W]; sides are multiples of 4."""
        out: Tensor = self.inner(image[:, :2], timesteps=1000 * c_noise)
        return out


def block_network() -> nn.Module:
    """The U-Net in three dimensions."""
    return UNet(
        channels=4,  # noisy, upsampled, phase
        features=FEATURES,
        widths=(64, 128),
        blocks=(2, 3),
        strides=((2, 2, 2),),
        fold=(2, 2, 4),
        embedding=128,
    )


#: Steps that a network's pace is measured on.
PACE_STEPS = 8

#: What the networks of the comparison share beside the configuration.
TRIAL = (
    "network.widths=[64, 96, 128]",
    "network.mean_network=false",
    "draw.factor=[2, 6]",
    "optimizer.kind=adamw",
)

NETWORKS = {"blocks": block_network, "monai": Monai}


class BlockBatches(IterableDataset[Batch]):
    """Endless batches of blocks, each drawn as the configuration says."""

    def __init__(self, scans: Scans, config: TrainConfig, draw: Draw) -> None:
        cases = [case for case in config.data.train if not case.in_plane_only]
        self.config, self.fine = some_scans(config, scans.train, cases)
        weights = np.array([case.weight for case in cases])
        self.chances, self.draw = weights / weights.sum(), draw

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self.config.seed)
        while True:
            chosen = rng.choice(len(self.fine), size=self.draw.count, p=self.chances)
            scenes = [
                draw_scene(self.fine[k], self.draw.side, self.draw.depth, self.config.draw, rng)
                for k in chosen
            ]
            residual = torch.stack([s.residual for s in scenes])[:, None]
            yield {
                "residual": residual,
                "cond": torch.stack([condition(s.upsampled, s.phase) for s in scenes]),
                "features": torch.stack([s.features for s in scenes]),
                "power": residual.square().flatten(1).mean(dim=1),
                "noise": torch.randn(residual.shape),
                "sigma": training_sigmas(
                    len(residual),
                    log_mean=self.config.log_sigma_mean,
                    log_std=self.config.log_sigma_std,
                    mean_fraction=self.config.mean_fraction,
                ),
            }


def condition(upsampled: Tensor, phase: Tensor) -> Tensor:
    """[D, H, W] and [2, W] -> [3, D, H, W]."""
    maps = phase[:, None, None, :].expand(2, *upsampled.shape)
    return torch.cat([upsampled.clamp(CLIP_LOW, CLIP_HIGH)[None], maps])


class BlockModule(RestorationModule):
    """The house's training around a network on blocks."""

    def __init__(self, config: TrainConfig, scans: Scans, name: str) -> None:
        super().__init__(config, scans.train, scans.validate)
        self.scans, self.draw = scans, DRAWS[name]
        self.denoiser = Denoiser(NETWORKS[name]())
        decay = get_ema_multi_avg_fn(1 - 1 / config.optimizer.ema_steps)
        self.average = AveragedModel(self.denoiser, multi_avg_fn=decay)  # type: ignore[no-untyped-call]

    def train_dataloader(self) -> DataLoader[Any]:
        """Blocks instead of slices."""
        batches = BlockBatches(self.scans, self.config, self.draw)
        return DataLoader(batches, batch_size=None)


@torch.inference_mode()
def block_gains(denoiser: Denoiser, unit: float, blocks: list[Volume]) -> Gains:
    """dB over cubic of the posterior mean, each block at once."""
    found = []
    for block in blocks:
        fine, low, plan = degraded_to(block, 4.0)
        voxels = np.array(low.voxels)
        scaling = scaling_for("MR", voxels)
        cubic = upsample(torch.from_numpy(voxels), plan)
        upsampled = (cubic - scaling.offset) / scaling.gain
        level = estimate_noise(voxels, 2, above=scaling.offset + 0.1 * scaling.gain)
        features = feature_vector(plan, 1, 2, level / scaling.gain)
        cond = condition(upsampled, phase_channels(plan.axes[2]))[None]
        start = torch.zeros(1, 1, *upsampled.shape)
        residual = denoiser(start, torch.tensor([SIGMA_MAX]), cond, features[None])[0, 0]
        image = (upsampled + unit * residual) * scaling.gain + scaling.offset
        found.append(decibels(fine, image.numpy()) - decibels(fine, cubic.numpy()))
    return found


def run(name: str, config: TrainConfig, scans: Scans, seconds: float) -> tuple[int, Gains]:
    """Train one network; steps and gains."""

    def made(settings: TrainConfig) -> RestorationModule:
        if name == "slices":
            return RestorationModule(settings, scans.train, scans.validate)
        return BlockModule(settings, scans, name)

    steps = steps_within(seconds, made(config), PACE_STEPS)
    warm = max(2, steps // 10)
    optimizer = config.optimizer.model_copy(update={"warmup_steps": warm, "ema_steps": 2 * warm})
    trainer = config.trainer.model_copy(update={"steps": steps})
    module = made(config.model_copy(update={"trainer": trainer, "optimizer": optimizer}))
    fit(module, steps, Pace())
    average, unit = module.average.module.eval(), float(module.residual_std)
    if name == "slices":
        return steps, gains(average, unit, config.network.context, scans.blocks)
    return steps, block_gains(average, unit, scans.blocks)


def main() -> None:
    """Run the networks that are named, print a row each."""
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["slices", *NETWORKS]
    words.add_argument("config")
    words.add_argument("data")
    words.add_argument("--seconds", type=float, default=300.0, help="training time of each")
    words.add_argument("--networks", nargs="+", choices=names, default=names)
    given = words.parse_args()
    config = load_config(given.config, [f"data.root={given.data}", *TRIAL])
    scans = Scans.of(config)
    print(table_head("network", given.seconds, config))
    for name in given.networks:
        print(table_row(name, *run(name, config, scans, given.seconds)), flush=True)


if __name__ == "__main__":
    main()

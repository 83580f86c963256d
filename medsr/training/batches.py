"""Batches of slices, each a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.guided import GUIDE_CHANNELS
from medsr.config import CaseConfig, TrainConfig
from medsr.diffusion.schedule import training_sigmas
from medsr.restore.slices import condition_slices
from medsr.training.guides import DRAWN
from medsr.training.scenes import (
    MARGIN,
    Fine,
    Scene,
    draw_scene,
    draw_synthetic,
    scene_from,
)
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

Batch = dict[str, Tensor]

__all__ = ["Batch", "Batches", "Share", "fine_cases", "some_scans", "validation_batch"]


@dataclass(frozen=True)
class Share:
    """Which of the scenes of a batch this process makes: those with slot % world == rank."""

    rank: int = 0
    world: int = 1


def fine_cases(
    volumes: Sequence[Volume],
    cases: Sequence[CaseConfig],
    clean: Sequence[Volume] = (),
    guides: Sequence[Sequence[Volume]] = (),
) -> list[Fine]:
    """Scans ready to draw from.

    Args:
        volumes, cases: the scans.
        clean: the same without noise, if that is the target.
        guides: other contrasts of each, on its grid.
    """

    def values(volume: Volume) -> Tensor:
        return torch.from_numpy(np.array(volume.voxels))

    return [
        Fine(
            values(volume),
            case.in_plane_only,
            volume.modality or Modality.MR,
            values(clean[k]) if clean else None,
            tuple(values(guide) for guide in guides[k]) if guides else (),
        )
        for k, (volume, case) in enumerate(zip(volumes, cases, strict=True))
    ]


def some_scans(
    config: TrainConfig, train: Sequence[Fine], cases: Sequence[CaseConfig]
) -> tuple[TrainConfig, list[Fine]]:
    """The same training on some of its cases, and the scans that belong to them."""
    kept = [scan for scan, c in zip(train, config.data.train, strict=True) if c in cases]
    data = config.data.model_copy(update={"train": tuple(cases)})
    return config.model_copy(update={"data": data}), kept


class Batches(IterableDataset[Batch]):
    """The endless stream of training batches, from any step on.

    A batch holds residual [n, 1, H, W], cond [n, C, H, W], features [n, F], power [n] (mean square
    residual of the scene), sigma [n] and noise [n, 1, H, W]; n = slices of this process's share.
    """

    def __init__(
        self,
        fine: Sequence[Fine],
        config: TrainConfig,
        first: int,
        share: Share,
        labels: Sequence[Tensor] = (),
    ) -> None:
        self.fine, self.labels = list(fine), list(labels)
        self.config = config
        self.first = first
        self.share = share
        more = config.draw.guides_weight
        weights = np.array([c.weight * (more if c.guides else 1) for c in config.data.train])
        self.chances = weights / weights.sum()
        self._scenes: tuple[int, list[Scene]] = (-1, [])

    def __iter__(self) -> Iterator[Batch]:
        step = self.first
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> Batch:
        """The share of the batch of one step."""
        group = step // self.config.reuse
        slots = range(self.share.rank, self.config.scenes, self.share.world)
        if self._scenes[0] != group:
            self._scenes = (group, [self._scene(group, slot) for slot in slots])
        parts = [
            self._slices(scene, step, slot)
            for slot, scene in zip(slots, self._scenes[1], strict=True)
        ]
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}

    def _scene(self, group: int, slot: int) -> Scene:
        rng = np.random.default_rng([self.config.seed, 1, group, slot])
        config, synthetic = self.config, self.config.data.synthetic
        if self.labels and synthetic is not None and rng.random() < synthetic.share:
            labels = self.labels[int(rng.integers(len(self.labels)))]
            return draw_synthetic(labels, config.crop, config.depth, config.draw, rng)
        fine = self.fine[int(rng.choice(len(self.fine), p=self.chances))]
        return draw_scene(fine, config.crop, config.depth, config.draw, rng)

    def _slices(self, scene: Scene, step: int, slot: int) -> Batch:
        rng = np.random.default_rng([self.config.seed, 2, step, slot])
        guided = self.config.draw.guide_chance > 0
        part = take_slices(
            scene, self.config.slices, self.config.network.context, rng, guided=guided
        )
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        part["sigma"] = training_sigmas(
            len(part["residual"]),
            log_mean=self.config.log_sigma_mean,
            log_std=self.config.log_sigma_std,
            mean_fraction=self.config.mean_fraction,
            generator=generator,
        )
        part["noise"] = torch.randn(part["residual"].shape, generator=generator)
        return part


def take_slices(
    scene: Scene, count: int, context: int, rng: np.random.Generator, *, guided: bool = False
) -> Batch:
    """Random slices of a scene, those with much to restore preferred.

    With `guided` the condition ends with the channels of guides, zeros where there are none.
    """
    interest = scene.residual.square().mean(dim=(1, 2)).sqrt().numpy() + 1e-6
    index = torch.from_numpy(rng.choice(len(interest), size=count, p=interest / interest.sum()))
    guides = scene.guides if guided else None
    if guided and guides is None:
        guides = torch.zeros(DRAWN * GUIDE_CHANNELS, 1, 1, 1).expand(-1, *scene.upsampled.shape)
    if scene.single:  # each slice stands alone, its own neighbour
        first = torch.zeros(1, dtype=torch.int64)
        cond = torch.cat(
            [
                condition_slices(
                    scene.upsampled[k][None],
                    first,
                    context,
                    scene.phase,
                    guides=None if guides is None else guides[:, k, None],
                )
                for k in index
            ]
        )
    else:
        cond = condition_slices(scene.upsampled, index, context, scene.phase, guides=guides)
    return {
        "residual": scene.residual[index][:, None],
        "cond": cond,
        "features": scene.features.expand(count, -1),
        "power": scene.residual.square().mean().expand(count),
    }


def validation_batch(fine: Fine, factor: float, crop: int, count: int, context: int) -> Batch:
    """Fixed slices of the middle of a held-out scan, degraded to `factor`, free of noise."""
    length = crop + 2 * MARGIN
    block = fine.voxels
    parts = []
    for n, want in zip(block.shape, (crop, crop, length), strict=True):
        start = max(0, (n - want) // 2)
        parts.append(slice(start, start + want))
    block = block[tuple(parts)].contiguous()
    low_count = int(block.shape[2] / factor)
    w = AxisSampling(round(low_count * factor), 1.0, low_count, factor, factor, "gaussian")
    a, b = (AxisSampling(n, 1.0, n, 1.0) for n in block.shape[:2])
    trim = (block.shape[2] - crop) // 2 if block.shape[2] > crop else 0
    window = (trim, min(crop, block.shape[2] - trim))
    scene = scene_from(block[None], Acquisition((a, b, w)), fine.modality, 0.0, window, False)
    return take_slices(scene, count, context, np.random.default_rng(0))

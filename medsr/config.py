"""The settings of a training: YAML, checked and frozen.

An unknown key is an error that names the nearest legal one. `key.inner=value` words override the
file. The classes below document every setting of `configs/`; besides, `extends: FILE` takes over
the settings of another file, which those beside it then replace.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from medsr.errors import UsageError
from medsr.pages import Page, fault_words, load_page
from medsr.volume.modality import Modality

__all__ = [
    "CardConfig",
    "CaseConfig",
    "DataConfig",
    "DrawConfig",
    "NetworkConfig",
    "OptimizerConfig",
    "SyntheticConfig",
    "TrainConfig",
    "TrainerConfig",
    "load_config",
]


class CaseConfig(Page):
    """One scan: where it is and how it is prepared."""

    path: str  # relative to data.root: NIfTI, DICOM folder, or tar archive of a series
    person: str  # cases of one person stay on one side of the split
    modality: Modality | None = None  # where it is not the configuration's
    in_plane_only: bool = False  # thick clinical scan: only its slices are sharp
    average: tuple[float, float, float] = (1, 1, 1)  # voxels that are averaged to one (undoes
    # scanner interpolation); need not be whole numbers
    keep: tuple[float, float] = (0.0, 1.0)  # range of slices, as fractions
    defaced: bool = False  # the face was set to 0: its cut is smoothed, so that nobody learns it
    floor: float | None = None  # raise voxels to at least this
    weight: float = Field(1.0, gt=0)  # relative chance to be drawn
    guides: tuple[str, ...] = ()  # paths of the person's other contrasts, on the same grid and
    # prepared alike


class SyntheticConfig(Page):
    """Heads painted on label maps; see `training.synthetic_heads`."""

    folder: str  # below data.root: NIfTI files of FreeSurfer's labels, 1 mm
    share: float = Field(gt=0, lt=1)  # of the scenes


class DataConfig(Page):
    """Where the scans are."""

    root: str = "data"
    cache: str = "runs/cache"
    train: tuple[CaseConfig, ...]
    validate_: tuple[CaseConfig, ...] = Field(alias="validate")
    calibrate: tuple[CaseConfig, ...] = ()  # for intervals; where empty, those of validate
    synthetic: SyntheticConfig | None = None
    clean_targets: bool = False  # learn the scans without their noise, from slices that have it


class DrawConfig(Page):
    """Ranges of the random acquisition and of the augmentation (lengths in fine voxels)."""

    factor: tuple[float, float] = (1.5, 8.0)  # slice spacing, log-uniform
    whole_factor_chance: float = 0.3
    thickness: tuple[float, float] = (0.6, 1.4)  # slice thickness over spacing
    thickness_chance: float = 0.4
    box_chance: float = 0.35
    in_plane: float = 3.0
    in_plane_chance: float = 0.2
    noise: float = 0.08  # largest standard deviation over the intensity gain
    noise_chance: float = 0.4
    grain: float = 0.04  # largest noise of the fine scan itself, over the intensity gain
    grain_chance: float = 0.0
    soft: float = Field(2.5, ge=1)  # widest blur of the fine scan, voxels (soft kernels)
    soft_chance: float = 0.0
    zoom: float = 0.65  # smallest size of the anatomy in voxels
    zoom_chance: float = 0.5
    stretch: float = Field(0.0, ge=0, lt=1)  # axes shrink apart by up to this share when zoomed
    contrast_chance: float = 0.5
    log_gamma: float = 0.5
    bias: float = 0.3
    invert_chance: float = 0.1
    guide_chance: float = Field(0.0, ge=0, le=1)  # scenes that have guides (training.guides)
    guides_weight: float = Field(1.0, gt=0)  # of scans with other contrasts of their person
    remap_chance: float = 0.0  # brightness through a random curve, also one that turns round


class NetworkConfig(Page):
    """The function that is learned."""

    kind: Literal["unet", "monai"] = "unet"
    mean_network: bool = False  # the posterior mean has a network of its own, like the other
    guides: bool = False  # the network of the posterior mean takes other scans of the person
    context: int = Field(2, ge=0)  # neighbouring slices of the condition on each side
    widths: tuple[int, ...] = (64, 96, 128)
    blocks: tuple[int, ...] = (1, 2, 2)
    strides: tuple[tuple[int, int], ...] = ((2, 2), (2, 2))
    fold: tuple[int, int] = (1, 4)
    embedding: int = 128


class OptimizerConfig(Page):
    """AdamW or Muon with a linear warm-up and a cosine decay to zero."""

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup_steps: int = Field(100, ge=1)
    gradient_clip: float = Field(1.0, gt=0)
    ema_steps: int = Field(200, ge=1)  # length of the weights' moving average


class TrainerConfig(Page):
    """How long, on what."""

    steps: int = Field(gt=0)  # length of the schedule of the learning rate
    stop_after: int | None = Field(None, gt=0)  # steps; where it ends before its schedule
    accelerator: str = "auto"
    devices: int = Field(1, ge=1)
    num_nodes: int = Field(1, ge=1)
    precision: Literal["auto", "bf16-mixed", "32-true"] = "auto"  # auto: half where it is fast
    threads: int = Field(0, ge=0)  # 0: as many as torch chooses
    checkpoint_every: int = Field(200, ge=1)
    validate_every: int = Field(400, ge=1)
    progress: bool = True


class CardConfig(Page):
    """What a person decides of a released model; see `network.checkpoint.ModelCard`."""

    licence: str
    attributions: tuple[str, ...]
    sigma_data: float | None = Field(None, gt=0)  # the training's where none is given
    detail_tolerance: float | None = Field(None, ge=1)


class TrainConfig(Page):
    """One training."""

    name: str
    modality: Modality
    description: str
    out: str = "runs"
    init: str | None = None  # weights to start from: a .safetensors file with its card; of a wider
    # network, its strongest channels. With mean_network, a file of one network starts both
    init_share: float = Field(0.0, ge=0, lt=1)  # of the weights of init in those that are written
    teacher: str | None = None  # a model whose results are learned, not the scans: a .safetensors
    mean_teacher: str | None = None  # another, averaged with it for the posterior mean
    seed: int = 0
    crop: int = Field(96, ge=32)  # side of a training slice
    depth: int = Field(16, ge=1)  # slices that a degraded block stacks
    scenes: int = Field(48, ge=1)  # degraded blocks that a batch draws from
    slices: int = Field(1, ge=1)  # slices of each scene in a batch
    reuse: int = Field(4, ge=1)  # steps before the scenes are drawn anew
    log_sigma_mean: float = -0.4
    log_sigma_std: float = 1.2
    mean_fraction: float = Field(0.5, ge=0, le=1)  # share of samples at the largest sigma
    data: DataConfig
    draw: DrawConfig = DrawConfig()
    network: NetworkConfig = NetworkConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    trainer: TrainerConfig

    @property
    def own_scans(self) -> tuple[CaseConfig, ...]:
        """The training scans of the model's modality; others are there for variety."""
        return tuple(c for c in self.data.train if c.modality in (None, self.modality))


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration.

    Args:
        path: YAML file.
        overrides: words `key.inner=value`; the value is read as YAML.

    Raises:
        InputError: the file is missing or is not YAML.
        UsageError: an unknown key (the nearest is named) or a value out of range.
    """
    path = Path(path)
    raw = load_page(path, overrides)
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as fault:
        raise UsageError(f"{path.name}: {fault_words(fault, TrainConfig)}") from None

"""The search for the default models: trials at equal training time, one row each (Markdown).

    python -m benchmarks training.search configs/mr-head.yaml DATA \
        [--seconds 75] [--trials NAME ...]

A network of half of 64-96-128 channels learns with AdamW from slices of 64 x 64 voxels (`SMALL`),
so that a trial says something in a minute or two; each trial changes one thing. The number of
steps follows from the trial's own pace, measured first: all train for the same time. A row tells
dB over cubic interpolation of the posterior mean on the validation people: middle 96 x 112 x 96
voxels, slices of 4 voxels, both orientations, without data consistency.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.quality.common import middle
from medsr.acquisition.resample import upsample
from medsr.acquisition.simulate import degraded_to
from medsr.config import TrainConfig, load_config
from medsr.diffusion.denoiser import Denoiser
from medsr.metrics.fidelity import psnr
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.network.checkpoint import ModelCard
from medsr.network.device import half_is_fast
from medsr.restore.options import Consistency, Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.training import module as training_module
from medsr.training.batches import fine_cases, some_scans
from medsr.training.cases import load_cases
from medsr.training.module import RestorationModule
from medsr.training.run import chosen_precision
from medsr.training.scenes import Fine
from medsr.volume.volume import Volume

#: Makes a training small enough for many trials.
SMALL = (
    "network.widths=[32, 48, 64]",
    "network.mean_network=false",
    "draw.factor=[2, 6]",
    "crop=64",
    "depth=12",
    "scenes=32",
    "reuse=8",
    "optimizer.kind=adamw",  # first to show something; Muon overtakes it in longer trainings
    "optimizer.warmup_steps=20",
    "optimizer.ema_steps=40",
)

#: Lengths of moving averages, in steps, that the first trial is read with as well.
AVERAGES = (10, 40, 160)

#: Steps that a trial's pace is measured on; the first half is to warm up.
PACE_STEPS = 24

#: dB over cubic of each validation person.
Gains = list[float]


@dataclass(frozen=True)
class Trial:
    """One change to the small training.

    Attributes:
        words: what changed.
        changes: of the configuration.
        fine_only: leaves out the thick clinical scans.
        even_loss: scenes are not weighed by their residual.
        schedule_free: another optimiser (Defazio et al. 2024, arXiv:2405.15682).
    """

    words: str
    changes: tuple[str, ...] = ()
    fine_only: bool = False
    even_loss: bool = False
    schedule_free: bool = False


#: Name on the command line -> trial.
TRIALS = {
    "as-it-is": Trial("nothing: 2-D, 2 neighbours each side, two orientations, AdamW"),
    "2d": Trial("2-D without neighbouring slices", ("network.context=0",)),
    "context-4": Trial("4 neighbouring slices on each side", ("network.context=4",)),
    "fold-2-4": Trial("stem folds 2 x 4 voxels, not 1 x 4", ("network.fold=[2, 4]",)),
    "muon": Trial("Muon", ("optimizer.kind=muon",)),
    "schedule-free": Trial("schedule-free AdamW", schedule_free=True),
    "few-scenes": Trial("8 scenes x 4 slices a batch, not 32 x 1", ("scenes=8", "slices=4")),
    "mean-network": Trial(
        "a network of its own for the posterior mean", ("network.mean_network=true",)
    ),
    "mean-only": Trial("regression: mean only", ("mean_fraction=1.0",)),
    "more-sigmas": Trial("mean in 30 % of the samples, not 60 %", ("mean_fraction=0.3",)),
    "low-sigmas": Trial("lower noise levels", ("log_sigma_mean=-0.8", "log_sigma_std=1.4")),
    "even-loss": Trial("loss not relative to the scene's residual", even_loss=True),
    "no-contrast": Trial(
        "no change of contrast (gamma, bias field, inversion)",
        ("draw.contrast_chance=0", "draw.invert_chance=0"),
    ),
    "no-zoom": Trial("no change of spacing", ("draw.zoom_chance=0",)),
    "fine-only": Trial("without the thick clinical scans", fine_only=True),
}


@dataclass(frozen=True, eq=False)
class Scans:
    """The prepared scans of a configuration."""

    train: list[Fine]
    validate: list[Fine]
    blocks: list[Volume]

    @classmethod
    def of(cls, config: TrainConfig) -> Scans:
        """Read (or take from the cache)."""
        data = config.data
        held_out = load_cases(data.validate_, data, config.modality)
        return cls(
            fine_cases(load_cases(data.train, data, config.modality), data.train),
            fine_cases(held_out, data.validate_),
            [middle(volume) for volume in held_out],
        )


class Pace(pl.Callback):
    """Seconds of a step, and moving averages of several lengths."""

    def __init__(self, lengths: Iterable[int] = ()) -> None:
        self.ends: list[float] = []
        self.lengths = tuple(lengths)
        self.averages: dict[int, AveragedModel] = {}

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        """Note the time; move the averages."""
        self.ends.append(time.monotonic())
        for n in self.lengths:
            if n not in self.averages:
                average = get_ema_multi_avg_fn(1 - 1 / n)
                self.averages[n] = AveragedModel(module.denoiser, multi_avg_fn=average)  # type: ignore[no-untyped-call]
            self.averages[n].update_parameters(module.denoiser)

    @property
    def seconds(self) -> float:
        """Of one step, once warm."""
        late = self.ends[len(self.ends) // 2 :]
        return (late[-1] - late[0]) / (len(late) - 1)


class ScheduleFree(RestorationModule):
    """Schedule-free AdamW from its authors' package."""

    def configure_optimizers(self) -> Any:
        """Constant rate after the warm-up; the package averages the weights."""
        from schedulefree import AdamWScheduleFree

        settings = self.config.optimizer
        return AdamWScheduleFree(
            self.denoiser.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=settings.weight_decay,
            warmup_steps=settings.warmup_steps,
        )

    def on_train_start(self) -> None:
        """The package asks for this."""
        self.optimizers(use_pl_optimizer=False).train()  # type: ignore[union-attr]

    def on_train_end(self) -> None:
        """Its average becomes the weights."""
        self.optimizers(use_pl_optimizer=False).eval()  # type: ignore[union-attr]
        self.average.module.load_state_dict(self.denoiser.state_dict())


def gains(denoiser: Denoiser, unit: float, context: int, blocks: Iterable[Volume]) -> Gains:
    """dB over cubic of the posterior mean on each block, slices of 4 voxels."""
    found = []
    half = half_is_fast(torch.device("cpu"))
    running = Running(dtype=torch.bfloat16 if half else torch.float32)
    options = Options(steps=1, consistency=Consistency.OFF)
    for block in blocks:
        fine, low, plan = degraded_to(block, 4.0)
        card = _card(fine.modality or "MR", unit, context)
        result = restore(Plan(low, plan, options), denoiser, card, running)
        cubic = upsample(torch.from_numpy(np.array(low.voxels)), plan).numpy()
        found.append(decibels(fine, result.volume.voxels) - decibels(fine, cubic))
    return found


def _card(modality: str, unit: float, context: int) -> ModelCard:
    """As much of a card as a posterior mean needs."""
    nothing: dict[str, Any] = {}
    network = {"context": context}
    return ModelCard(
        "trial", "", modality, network, 0, unit, nothing, 0, nothing, nothing, nothing, ()
    )


def decibels(fine: Volume, estimate: Any) -> float:
    """PSNR over the foreground."""
    top = robust_range(fine.voxels, modality=fine.modality)
    mask = foreground_mask(fine.voxels, modality=fine.modality)
    return psnr(fine.voxels, np.asarray(estimate), data_range=top, mask=mask)


def fit(module: RestorationModule, steps: int, pace: Pace) -> None:
    """Train so many steps, on the CPU."""
    settings = module.config.trainer.model_copy(update={"accelerator": "cpu"})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")
        trainer = pl.Trainer(
            accelerator=settings.accelerator,
            precision=chosen_precision(settings),
            max_steps=steps,
            gradient_clip_val=module.config.optimizer.gradient_clip,
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[pace],
        )
        trainer.fit(module)


def steps_within(seconds: float, module: RestorationModule, trial_steps: int) -> int:
    """How many steps such a module makes in that time, by the pace of a few."""
    pace = Pace()
    fit(module, trial_steps, pace)
    return round(seconds / pace.seconds)


def table_head(first: str, seconds: float, config: TrainConfig) -> str:
    """The first two lines of a table of gains."""
    people = " | ".join(case.person for case in config.data.validate_)
    columns = "---|" * (3 + len(config.data.validate_))
    return f"| {first} | steps in {seconds:.0f} s | {people} | mean |\n|{columns}"


def table_row(label: str, steps: int, found: Gains) -> str:
    """One more line."""
    cells = " | ".join(f"{gain:+.2f}" for gain in [*found, float(np.mean(found))])
    return f"| {label} | {steps} | {cells} |"


def run(trial: Trial, words: argparse.Namespace, scans: Scans) -> list[tuple[str, int, Gains]]:
    """Train; rows of (what changed, steps, gains)."""
    training_module.POWER_FLOOR = 1e3 if trial.even_loss else 0.1
    changes = [f"data.root={words.data}", *SMALL, *trial.changes]
    config = load_config(words.config, changes)
    train = scans.train
    if trial.fine_only:
        fine = [case for case in config.data.train if not case.in_plane_only]
        config, train = some_scans(config, train, fine)
    kind = ScheduleFree if trial.schedule_free else RestorationModule
    steps = steps_within(words.seconds, kind(config, train, scans.validate), PACE_STEPS)
    trainer = config.trainer.model_copy(update={"steps": steps})
    module = kind(config.model_copy(update={"trainer": trainer}), train, scans.validate)
    pace = Pace(AVERAGES if trial is TRIALS["as-it-is"] else ())
    fit(module, steps, pace)
    unit, context = float(module.residual_std), config.network.context
    rows = [(trial.words, steps, gains(module.average.module, unit, context, scans.blocks))]
    rows += [
        (f"the same, average over {n} steps", steps, gains(m.module, unit, context, scans.blocks))
        for n, m in pace.averages.items()
    ]
    if pace.averages:
        last = gains(module.denoiser, unit, context, scans.blocks)
        rows.append(("the same, last weights, no average", steps, last))
    return rows


def main() -> None:
    """Run the trials that are named, print a row each."""
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("config")
    words.add_argument("data")
    words.add_argument("--seconds", type=float, default=75.0, help="training time of a trial")
    words.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS))
    given = words.parse_args()
    config = load_config(given.config, [f"data.root={given.data}"])
    scans = Scans.of(config)
    print(table_head("what changed", given.seconds, config))
    for name in given.trials:
        for row in run(TRIALS[name], given, scans):
            print(table_row(*row), flush=True)


if __name__ == "__main__":
    main()

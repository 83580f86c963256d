import csv
import subprocess
import sys

import pytest
import torch

from medsr.commands.train import run
from medsr.config import load_config
from medsr.errors import UsageError
from medsr.network.checkpoint import load_model
from medsr.training.run import chosen_precision
from medsr.training.split import check_split
from tests.training.pages import small_page, write_page, write_scans

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning and torch warn of each other


@pytest.fixture
def config(tmp_path):
    write_scans(tmp_path)
    return write_page(tmp_path / "t.yaml", small_page(tmp_path))


def weights(path):
    denoiser, _ = load_model(path)
    return torch.cat([p.ravel() for p in denoiser.parameters()])


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_killed_training_resumes_to_the_same_weights(config, kind):
    optimizer = f"optimizer.kind={kind}"

    class Killed(Exception):
        pass

    whole = weights(run(config, ["name=whole", optimizer], resume=False))

    from medsr.training.module import RestorationModule

    step = RestorationModule.training_step

    def dies(self, batch, index):
        if self.trainer.global_step == 5:
            raise Killed
        return step(self, batch, index)

    RestorationModule.training_step = dies
    try:
        with pytest.raises(Killed):
            run(config, ["name=cut", optimizer], resume=False)
    finally:
        RestorationModule.training_step = step
    resumed = weights(run(config, ["name=cut", optimizer], resume=True))
    assert torch.equal(whole, resumed)


def test_ctrl_c_is_not_taken_for_a_fault(config, monkeypatch):
    """Lightning ends the run at Ctrl+C, and then leaves with exit code 1."""

    def fit(*_, **__):
        raise SystemExit(1)

    monkeypatch.setattr("pytorch_lightning.Trainer.fit", fit)
    with pytest.raises(KeyboardInterrupt):
        run(config, [], resume=False)


def test_a_training_may_start_from_other_weights(config):
    first = run(config, ["name=first"], resume=False)
    words = ["name=second", f"init={first}", "optimizer.learning_rate=1.0e-12", "draw.stretch=0.2"]
    second = run(config, words, resume=False)
    assert torch.allclose(weights(first), weights(second), atol=1e-6)
    assert load_model(first)[1].residual_std == load_model(second)[1].residual_std
    assert load_model(first)[1].sigma_data == 1.0
    assert load_model(second)[1].sigma_data != 1.0  # its own scans are stretched


def test_the_posterior_mean_may_learn_apart(config):
    """A second network begins with the first one's weights and learns alone, of the mean."""
    first = run(config, ["name=first"], resume=False)
    words = ["network.mean_network=true", "mean_fraction=1", f"init={first}"]
    second = run(config, ["name=second", *words], resume=False)
    before, after = load_model(first)[0], load_model(second)[0]
    kept = zip(before.network.parameters(), after.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in kept)
    moved = zip(before.network.parameters(), after.mean_network.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in moved)
    narrower = ["name=third", "network.mean_network=true", "network.widths=[6, 8]"]
    third, _ = load_model(run(config, [*narrower, f"init={second}"], resume=False))
    assert third.mean_network.widths == (6, 8)
    with pytest.raises(UsageError, match="mean_network=true"):
        run(config, ["name=fourth", f"init={second}"], resume=False)


@pytest.mark.parametrize("apart", ["false", "true"])
def test_two_processes_train_as_one(config, apart):
    """Lightning's DDP on two CPU processes: the same global batch, the same curve and weights."""
    curves, found = [], []
    for devices in (1, 2):
        words = [f"name=d{devices}", f"trainer.devices={devices}", "trainer.precision=32-true"]
        words.append(f"network.mean_network={apart}")
        command = [sys.executable, "-m", "medsr", "train", str(config), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        folder = config.parent / "runs" / f"d{devices}"
        with (folder / "csv" / "metrics.csv").open() as stream:
            curves.append([float(r["gain_db"]) for r in csv.DictReader(stream) if r["gain_db"]])
        found.append(weights(folder / f"d{devices}.safetensors"))
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_precision_follows_the_machine(config, monkeypatch):
    for fast, expected in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr("medsr.training.run.half_is_fast", lambda device, fast=fast: fast)
        assert chosen_precision(load_config(config).trainer) == expected
    given = load_config(config, ["trainer.precision=bf16-mixed"])
    assert chosen_precision(given.trainer) == "bf16-mixed"


def test_nobody_is_on_both_sides(config):
    both = load_config(config, ["data.validate=[{path: a.nii, person: a}]"])
    with pytest.raises(UsageError, match="both train and validate"):
        check_split(both)


def test_a_training_may_stop_before_its_schedule_ends(config):
    path = run(config, ["name=short", "trainer.stop_after=3"], resume=False)
    assert load_model(path)[1].training["steps"] == 3


def test_a_narrower_network_learns_from_a_teacher(config):
    first = run(config, ["name=first"], resume=False)
    learning = [f"init={first}", f"teacher={first}", f"mean_teacher={first}"]
    words = ["name=second", *learning, "network.widths=[6, 8]"]
    second, card = load_model(run(config, words, resume=False))
    assert second.network.widths == (6, 8)
    assert card.residual_std == load_model(first)[1].residual_std
    with pytest.raises(UsageError, match="residual scale"):
        run(config, ["name=third", f"teacher={first}", "draw.stretch=0.2"], resume=False)
    with pytest.raises(UsageError, match="needs a teacher"):
        run(config, ["name=third", f"mean_teacher={first}"], resume=False)
    with pytest.raises(UsageError, match="do not fit"):
        run(config, ["name=fourth", f"init={first}", "network.embedding=4"], resume=False)

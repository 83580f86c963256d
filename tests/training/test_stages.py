"""The stages of a model: in order, each once, from where they were stopped."""

import json

import numpy as np
import pytest
import torch

from medsr.errors import InputError, UsageError
from medsr.network.checkpoint import load_card, load_model, weights_digest
from medsr.training import calibrate as calibration
from medsr.training import stages as room
from medsr.training.stages import State, load_stages, run_stages, settings_digest, state_of
from tests.training.pages import small_page, write_page, write_scans

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning and torch warn of each other

CARD = {"licence": "CC-BY-4.0", "attributions": ["a phantom"], "detail_tolerance": 1.5}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two trainings, a combination and a calibration on phantoms."""
    monkeypatch.setattr(calibration, "FACTORS", (3.0,))
    monkeypatch.setattr(calibration, "OTHER_MODES", ())
    write_scans(tmp_path)
    write_page(tmp_path / "base.yaml", small_page(tmp_path))
    both = {"mean_network": True}
    for name, page in {
        "01-first": {"kind": "train"},
        "02-apart": {"kind": "train", "init": "tiny/01-first", "network": both},
        "03-both": {"kind": "combine", "samples": "tiny/01-first", "mean": "tiny/02-apart"},
        "04-card": {"kind": "calibrate", "weights": "tiny/03-both", "card": CARD},
    }.items():
        write_page(tmp_path / "tiny" / f"{name}.yaml", {"extends": "../base.yaml", **page})
    return tmp_path / "tiny"


def test_stages_run_in_order_and_only_once(folder):
    lines = []
    output = run_stages(load_stages(folder), lines.append)
    runs = folder.parent / "runs" / "tiny"
    assert output == runs / "t.safetensors"
    model, card = load_model(output)
    assert (card.name, card.licence, card.attributions) == ("t", "CC-BY-4.0", ("a phantom",))
    assert card.detail_tolerance == 1.5
    assert set(card.intervals) == {"posterior_mean"}
    assert card.ranges["training_statistics"]
    first, _ = load_model(runs / "01-first" / "01-first.safetensors")
    apart, _ = load_model(runs / "02-apart" / "02-apart.safetensors")
    for ours, theirs in ((model.network, first.network), (model.mean_network, apart.mean_network)):
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert [line for line in lines if line.endswith("to do")] == [
        "01-first (train): to do",
        "02-apart (train): to do",
        "03-both (combine): to do",
        "04-card (calibrate): to do",
    ]
    times = {path: path.stat().st_mtime_ns for path in runs.rglob("*.safetensors")}
    lines.clear()
    run_stages(load_stages(folder, ["trainer.threads=2"]), lines.append)
    assert [line.split(": ")[1] for line in lines] == ["done"] * 4
    assert times == {path: path.stat().st_mtime_ns for path in runs.rglob("*.safetensors")}


def test_a_stopped_stage_continues_from_its_checkpoint(folder, monkeypatch):
    from medsr.training.module import RestorationModule

    whole = load_stages(folder, [f"out={folder.parent}/whole"])[:1]
    expected = weights_digest(run_stages(whole, print))
    step = RestorationModule.training_step
    begun = []

    def dies(self, batch, index):
        if self.trainer.global_step == 5:
            raise KeyboardInterrupt
        return step(self, batch, index)

    stage = load_stages(folder)[0]
    with monkeypatch.context() as patch:
        patch.setattr(RestorationModule, "training_step", dies)
        with pytest.raises((KeyboardInterrupt, SystemExit, InputError, OSError)):
            run_stages([stage], print)
    assert state_of(stage) is State.STARTED

    def counts(self, batch, index):
        begun.append(self.trainer.global_step)
        return step(self, batch, index)

    monkeypatch.setattr(RestorationModule, "training_step", counts)
    output = run_stages([stage], print)
    assert begun[0] == 3  # the checkpoint's
    assert weights_digest(output) == expected
    assert state_of(stage) is State.DONE


def fake_output(stage, content):
    """As if a stage had been run."""
    stage.output.parent.mkdir(parents=True, exist_ok=True)
    stage.output.write_bytes(content)
    room._write_marker(stage.marker, settings_digest(stage), weights_digest(stage.output))


def test_another_setting_or_start_makes_a_stage_open_again(folder):
    first, second, *_ = load_stages(folder)
    fake_output(first, b"one")
    fake_output(second, b"two")
    assert (state_of(first), state_of(second)) == (State.DONE, State.DONE)
    assert state_of(load_stages(folder, ["seed=5"])[0]) is State.OPEN
    fake_output(first, b"other weights")
    assert state_of(second) is State.OPEN
    fake_output(second, b"two")
    second.output.write_bytes(b"changed by somebody")
    assert state_of(second) is State.OPEN


def test_a_checkpoint_of_other_settings_is_not_continued(folder):
    stage = load_stages(folder)[0]
    stage.checkpoint.parent.mkdir(parents=True)
    stage.checkpoint.write_bytes(b"")
    room._write_marker(stage.marker, "of other settings", None)
    assert state_of(stage) is State.OPEN


def test_weights_of_another_folder_must_be_there(folder):
    page = {"extends": "../base.yaml", "kind": "train", "init": "elsewhere/01-wide"}
    write_page(folder / "01-first.yaml", page)
    with pytest.raises(InputError, match="starts from 01-wide \\(elsewhere\\)"):
        run_stages(load_stages(folder), print)


def test_a_folder_without_stages_and_unknown_kinds_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="no stage"):
        load_stages(tmp_path)
    write_page(folder / "05-odd.yaml", {"extends": "../base.yaml", "kind": "polish"})
    with pytest.raises(UsageError, match="'kind' must be one of train, combine, scale, calibrate"):
        load_stages(folder)
    write_page(
        folder / "05-odd.yaml", {"extends": "../base.yaml", "kind": "combine", "mean": "a/b"}
    )
    with pytest.raises(UsageError, match="samples"):
        load_stages(folder)
    with pytest.raises(UsageError, match="one process"):
        load_stages(folder, ["trainer.devices=2"])


@pytest.mark.parametrize("name", ["mr-head", "ct-body"])
def test_the_shipped_stages_end_in_the_shipped_card(name, request):
    root = request.config.rootpath
    stages = load_stages(root / "configs" / name)
    made = set()
    for folder in ("mr-head", "ct-body"):
        made |= {stage.output for stage in load_stages(root / "configs" / folder)}
    assert all(start in made for stage in stages for start in stage.starts)
    last, shipped = stages[-1].settings, load_card(root / "medsr" / "weights" / f"{name}.json")
    assert last.name == shipped.name
    assert last.description == shipped.description
    assert last.card.licence == shipped.licence
    assert last.card.attributions == shipped.attributions
    assert last.card.sigma_data == shipped.sigma_data
    assert last.card.detail_tolerance == shipped.detail_tolerance
    train = [case.path for case in last.data.train]
    assert train == [scan["scan"] for scan in shipped.data["train"]]
    # The card of combined networks is that of the samples.
    kept = "10-samples" if name == "mr-head" else "04-narrow"
    settings = {stage.name: stage.settings for stage in stages}[kept]
    assert settings.seed == shipped.training["seed"]
    trainer = settings.trainer
    assert (trainer.stop_after or trainer.steps) == shipped.training["steps"]


def test_licence_and_attributions_do_not_enter_the_digest_of_settings(request):
    page = json.loads((request.config.rootpath / "medsr/weights/mr-head.json").read_text())
    from medsr.network.checkpoint import ModelCard

    with_licence = ModelCard(**page)
    without = ModelCard(**{k: v for k, v in page.items() if k not in ("licence", "attributions")})
    assert with_licence.licence == "CC-BY-4.0"
    assert with_licence.settings_digest == without.settings_digest
    assert np.size(with_licence.attributions) >= 6

"""`batch --adapt`: one adaptation for the scans of one protocol, kept for later runs."""

import json
from dataclasses import replace

import numpy as np
import pytest

import medsr.batch
from medsr.batch.adapting import FOLDER
from medsr.batch.plan import Selection
from medsr.network.checkpoint import load_card
from medsr.restore import adapt as adapting
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.batch.studies import make_plan, small_model
from tests.conftest import smooth_head

OPTIONS = Options(adapt_s=60.0, no_self_check=True)


@pytest.fixture
def adaptations(monkeypatch):
    """How many scans each adaptation was given; of eight steps, however busy the machine is."""
    short, found, plain = adapting.Budget(600.0, steps=8), [], Enhancer.adapted
    monkeypatch.setattr("medsr.restore.enhancer.Budget", lambda seconds: replace(short))

    def counted(self, plans, seconds, progress=None):
        found.append(len(plans))
        return plain(self, plans, seconds, progress)

    monkeypatch.setattr(Enhancer, "adapted", counted)
    return found


@pytest.fixture
def study(tmp_path):
    """Two scans of one protocol, one of another contrast and one with other voxels."""
    for name, mm in (("p1_T1w", 1.0), ("p2_T1w", 1.0), ("p1_FLAIR", 1.0), ("p3_T1w", 0.9)):
        voxels = smooth_head((32, 36, 32), seed=len(name))[:, :, 2::4].copy()
        scan = Volume(voxels, np.diag([mm, mm, 4.0, 1.0]), modality="MR", slice_axis=2)
        write_nifti(
            scan, tmp_path / "in" / f"{name}.nii.gz", {"Modality": "MR", "SliceThickness": 4.0}
        )
    model = small_model(tmp_path / "model")
    return lambda options=OPTIONS: make_plan(
        tmp_path / "in", tmp_path / "out", options=options, model=model
    )


def records(tmp_path):
    return {
        path.stem: json.loads(path.read_text())
        for path in (tmp_path / "out").glob("*.json")
        if path.stem.startswith("p")
    }


def test_scans_of_one_protocol_share_an_adaptation(study, adaptations, tmp_path):
    assert medsr.batch.run(study()).counts == {"done": 4}
    assert sorted(adaptations) == [1, 1, 2]
    found = records(tmp_path)
    digests = {name: facts["ModelSHA256"] for name, facts in found.items()}
    assert digests["p1_T1w"] == digests["p2_T1w"]
    assert len(set(digests.values())) == 3
    assert {facts["Model"] for facts in found.values()} == {"small-adapted"}
    assert [found[name]["AdaptationScans"] for name in ("p1_T1w", "p1_FLAIR")] == [2, 1]
    weights = sorted((tmp_path / "out" / FOLDER).glob("*.safetensors"))
    assert {Enhancer.from_pretrained(path).digest for path in weights} == set(digests.values())
    assert not (tmp_path / "out" / ".medsr").exists()


def test_thinner_slices_at_the_same_distance_are_another_protocol(tmp_path):
    folder = tmp_path / "in"
    for name, thickness in (("p1_T1w", 4.0), ("p2_T1w", 4.0), ("p3_T1w", 3.0), ("p4_T1w", None)):
        voxels = smooth_head((32, 36, 32), seed=len(name))[:, :, 2::4].copy()
        scan = Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]), modality="MR", slice_axis=2)
        settings = {"Modality": "MR"} | ({"SliceThickness": thickness} if thickness else {})
        write_nifti(scan, folder / f"{name}.nii.gz", settings)
    plan = make_plan(
        folder, tmp_path / "out", options=OPTIONS, model=small_model(tmp_path / "model")
    )
    protocols = {item.label.split("_")[0]: item.protocol for item in plan.items}
    assert protocols["p1"] == protocols["p2"]
    assert len({protocols[name] for name in ("p1", "p3", "p4")}) == 3


def test_a_later_run_uses_it_again(study, adaptations, tmp_path):
    medsr.batch.run(study())
    before = records(tmp_path)
    assert not study().todo
    (tmp_path / "out" / "p2_T1w.nii.gz").unlink()
    del adaptations[:]
    assert medsr.batch.run(study()).counts == {"done": 1, "done earlier": 3}
    assert adaptations == []
    assert records(tmp_path)["p2_T1w"]["ModelSHA256"] == before["p2_T1w"]["ModelSHA256"]
    plan = study(replace(OPTIONS, adapt_s=None))
    assert {item.reason for item in plan.todo} == {
        "done again: settings changed: adapt_s 60.0 -> None"
    }


def test_what_does_not_help_is_kept_as_a_card_alone(study, adaptations, tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "LEAST_GAIN_DB", 100.0)
    medsr.batch.run(study())
    folder = tmp_path / "out" / FOLDER
    assert not list(folder.glob("*.safetensors"))
    cards = [load_card(path) for path in folder.glob("*.json")]
    assert [card.training["adaptation"]["kept"] for card in cards] == [False] * 3
    for facts in records(tmp_path).values():
        assert facts["AdaptationKept"] is False
        assert facts["ModelSHA256"] == facts["BaseModelSHA256"]
    assert not study().todo


def test_the_groups_are_those_of_the_whole_folder_in_every_part(study, tmp_path):
    whole = study().job.groups
    parts = [
        make_plan(
            tmp_path / "in",
            tmp_path / "out",
            options=OPTIONS,
            model=str(tmp_path / "model" / "small.safetensors"),
            selection=Selection(parts=2, part=k),
        ).job.groups
        for k in range(2)
    ]
    assert parts == [whole, whole]
    assert len(whole) == 3
    assert study(Options()).job.groups == {}

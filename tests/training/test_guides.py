"""Guides of training scenes: other contrasts, spoilt, and often none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsr.acquisition.guided import GUIDE_CHANNELS
from medsr.config import DrawConfig, load_config
from medsr.errors import InputError
from medsr.training.batches import Batches, Share, fine_cases, take_slices
from medsr.training.cases import load_guides
from medsr.training.guides import DRAWN, draw_guides, with_lesion
from medsr.training.scenes import Fine, draw_scene
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

HEAD = torch.from_numpy(smooth_head((72, 76, 80), 1))
FINE = Fine(HEAD, False, "MR")


def scenes(chance, count=6, fine=FINE):
    draw = DrawConfig(guide_chance=chance, factor=(3, 4))
    return [draw_scene(fine, 32, 8, draw, np.random.default_rng(k)) for k in range(count)]


def test_no_chance_leaves_scenes_as_they_were_and_without_guides():
    plain = [
        draw_scene(FINE, 32, 8, DrawConfig(factor=(3, 4)), np.random.default_rng(k))
        for k in range(3)
    ]
    for one, two in zip(plain, scenes(0, 3), strict=True):
        assert torch.equal(one.residual, two.residual)
        assert two.guides is None


def test_every_scene_has_channels_that_fit_and_are_sound():
    for scene in scenes(1):
        assert scene.guides.shape == (DRAWN * GUIDE_CHANNELS, *scene.residual.shape)
        assert bool(scene.guides.isfinite().all())
        valid = scene.guides[1]
        assert set(valid.unique().tolist()) <= {0.0, 1.0}
        assert not scene.guides[:GUIDE_CHANNELS, valid == 0].any()


def test_guides_differ_in_contrast_from_their_block():
    rng = np.random.default_rng(0)
    block = HEAD[10:20, 20:60, 20:60].contiguous()
    correlations = []
    for _ in range(12):
        image, valid = draw_guides(block, [], "MR", rng, single=False)[0]
        inside = valid > 0
        if int(inside.sum()) > 100:
            pair = torch.stack([image[inside], block[inside]])
            correlations.append(float(torch.corrcoef(pair)[0, 1]))
    assert min(correlations) < 0.3


def test_real_contrasts_are_drawn_where_there_are_some():
    other = HEAD.flip(0)
    rng = [np.random.default_rng(4) for _ in range(2)]
    made = [
        draw_guides(HEAD, others, "MR", r, single=False)
        for others, r in (([], rng[0]), ([other], rng[1]))
    ]
    assert not torch.equal(made[0][0][0], made[1][0][0])


def test_planes_that_stand_alone_do_not_mix():
    fine = replace(FINE, in_plane_only=True)
    for scene in scenes(1, 3, fine):
        assert scene.single
        part = take_slices(scene, 3, 1, np.random.default_rng(0), guided=True)
        assert part["cond"].shape[1] == 5 + DRAWN * GUIDE_CHANNELS


def test_a_lesion_is_somewhere_and_small():
    block = torch.ones(1, 20, 30, 40)
    changed = (with_lesion(block, np.random.default_rng(1)) - block).abs() > 0.01
    assert 0 < int(changed.sum()) < 0.3 * changed.numel()


@pytest.fixture
def config(tmp_path):
    for name, axis in (("a", 0), ("b", 1)):
        scan = Volume(HEAD.flip(axis).numpy().copy(), np.eye(4), modality="MR")
        write_nifti(scan, tmp_path / f"{name}.nii", {"Modality": "MR"})
    case = {"path": "a.nii", "person": "x", "guides": ["b.nii"]}
    page = tmp_path / "page.yaml"
    page.write_text(
        "name: t\nmodality: MR\ndescription: d\ncrop: 32\ndepth: 8\nscenes: 4\nslices: 2\n"
        f"data: {{root: {tmp_path}, cache: {tmp_path}/cache, train: [{case}], validate: []}}\n"
        "draw: {guide_chance: 0.5}\nnetwork: {guides: true}\ntrainer: {steps: 1}\n"
    )
    return load_config(page)


def test_batches_hold_guides_or_zeros(config):
    guides = load_guides(config)
    assert [len(own) for own in guides] == [1]
    fine = fine_cases(
        [Volume(HEAD.numpy(), np.eye(4), modality="MR")], config.data.train, (), guides
    )
    batch = Batches(fine, config, 0, Share()).batch(0)
    channels = batch["cond"][:, -DRAWN * GUIDE_CHANNELS :]
    given = channels.flatten(1).any(dim=1)
    assert 0 < int(given.sum()) < len(given)


def test_a_guide_on_another_grid_is_refused(config, tmp_path):
    small = Volume(HEAD[20:40].numpy().copy(), np.eye(4), modality="MR")
    write_nifti(small, tmp_path / "b.nii", {"Modality": "MR"})
    with pytest.raises(InputError, match="on the grid of a"):
        load_guides(config)

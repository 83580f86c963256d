"""Heads painted on label maps."""

import numpy as np
import pytest
import torch

from medsr.config import DrawConfig
from medsr.errors import InputError
from medsr.training.scenes import draw_synthetic
from medsr.training.synthetic_heads import head_block, load_label_maps
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume
from tests.conftest import smooth_head

SHAPE = (24, 48, 60)


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A head of shells; its two halves have FreeSurfer's numbers of the white matter."""
    folder = tmp_path_factory.mktemp("labels")
    head = smooth_head((80, 84, 78), 1)
    labels = np.where(head > 0, 507, 0) + 0 * head
    labels[20:40, 20:60, 20:60], labels[40:60, 20:60, 20:60] = 2, 41
    write_nifti(Volume(voxels=labels.astype(np.float32), affine=np.eye(4)), folder / "a.nii.gz")
    return load_label_maps(folder)


def test_both_halves_are_one_class(maps):
    (labels,) = maps
    assert labels.dtype == torch.uint8
    assert sorted(labels.unique().tolist()) == [0, 1, 2]
    assert labels[30, 40, 40] == labels[50, 40, 40]


def test_a_folder_without_maps_is_an_error(tmp_path):
    with pytest.raises(InputError, match="label map"):
        load_label_maps(tmp_path)


def test_a_block_follows_from_its_seed_alone(maps):
    first, again, other = (head_block(maps[0], SHAPE, np.random.default_rng(k)) for k in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == SHAPE
    assert 0 <= float(first.min()) < float(first.max()) < 1.5


def test_contrasts_differ(maps):
    """The two tissues are ordered one way in some heads and the other way in others."""
    labels = torch.zeros(200, 200, 200, dtype=torch.uint8)
    labels[:, :, :100], labels[:, :, 100:] = 1, 2
    blocks = [head_block(labels, (60, 60, 60), np.random.default_rng(k)) for k in range(12)]
    heights = [np.percentile(block, [5, 50, 95]) for block in blocks]
    middles = [(m - a) / (b - a) for a, m, b in heights if b - a > 0.2]
    assert min(middles) < 0.4
    assert max(middles) > 0.6


def test_a_scene_of_a_synthetic_head(maps):
    scene = draw_synthetic(maps[0], 32, 8, DrawConfig(), np.random.default_rng(3))
    assert scene.residual.shape[-1] == 32
    assert torch.isfinite(scene.residual).all()
    assert float(scene.residual.std()) > 0

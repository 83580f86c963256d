"""Random acquisitions of a made head."""

import numpy as np
import torch

from medsr.acquisition.noise import estimate_noise
from medsr.config import DrawConfig
from medsr.metrics.detail import high_frequency_ratio
from medsr.training.scenes import Fine, draw_scene
from tests.conftest import smooth_head


def scene(grain_chance, soft_chance=0.0):
    draw = DrawConfig(
        factor=(4, 4),
        whole_factor_chance=1,
        thickness_chance=0,
        box_chance=0,
        in_plane_chance=0,
        noise_chance=0,
        zoom_chance=0,
        contrast_chance=0,
        invert_chance=0,
        grain=0.1,
        grain_chance=grain_chance,
        soft_chance=soft_chance,
    )
    fine = Fine(torch.from_numpy(smooth_head((80, 80, 80), 1)), False, "MR")
    return draw_scene(fine, 40, 16, draw, np.random.default_rng(2))


def test_grain_of_the_fine_scan_is_averaged_by_thick_slices():
    clean, grainy = scene(0), scene(1)
    low = estimate_noise(grainy.upsampled.numpy(), 2, above=0.1)
    fine = estimate_noise((grainy.upsampled + grainy.residual).numpy(), 2, above=0.1)
    assert fine > 1.5 * low > 2 * estimate_noise(clean.upsampled.numpy(), 2, above=0.1)


def test_a_softened_scan_has_no_finest_detail_in_its_slices_either():
    sharp, soft = scene(1), scene(1, soft_chance=1)
    fine = [(s.upsampled + s.residual).numpy() for s in (sharp, soft)]
    for axis in range(3):
        assert high_frequency_ratio(*fine, axis=axis) < 0.6


def test_the_clean_version_is_the_target_and_the_noisy_one_is_measured():
    clean = torch.from_numpy(smooth_head((80, 80, 80), 1))
    noisy = clean + 3 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    scenes = [
        draw_scene(Fine(v, False, "MR", c), 40, 16, DrawConfig(), np.random.default_rng(5))
        for v, c in ((noisy, None), (noisy, clean))
    ]
    plain, aimed = scenes
    assert torch.equal(plain.upsampled, aimed.upsampled)
    levels = [
        estimate_noise((s.upsampled + s.residual).numpy(), 2, above=0.1) for s in (plain, aimed)
    ]
    assert levels[0] > 5 * levels[1]

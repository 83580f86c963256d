"""Local Fourier ring correlation finds what was put in and what was taken out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsr.errors import Refused, UsageError
from medsr.metrics.ring_correlation import (
    agreement,
    doubtful_share,
    patches_in_doubt,
    ring_correlation,
)


def texture(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.normal(size=shape), 1.5) * 10


def test_a_patch_agrees_with_itself_and_not_with_another() -> None:
    x, y = texture(0, (32, 32)), texture(1, (32, 32))
    assert ring_correlation(x, x) == pytest.approx(np.ones(16))
    assert agreement(x, x) == 0.5
    assert agreement(x, y) < 0.15


def test_blur_does_not_lower_the_correlation_but_noise_does() -> None:
    x = texture(0, (32, 32))
    rng = np.random.default_rng(5)
    noisy = x + rng.normal(size=x.shape)
    assert agreement(x, noisy) < 0.5
    louder = x + 4 * rng.normal(size=x.shape)
    assert agreement(x, louder) < agreement(x, noisy)


def spot(shape: tuple[int, ...], centre: tuple[int, ...], radius: float) -> np.ndarray:
    grid = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
    return (distance < radius**2).astype(float)


@pytest.mark.parametrize("direction", ["inserted", "deleted"])
def test_a_false_or_lost_structure_is_found_where_it_is(direction: str) -> None:
    anatomy = texture(2, (3, 96, 96))
    lesion = 15 * spot(anatomy.shape, (1, 56, 40), 6)
    with_lesion = anatomy + lesion
    pair = (anatomy, with_lesion) if direction == "inserted" else (with_lesion, anatomy)
    found = patches_in_doubt(*pair, supported=0.125, floor=0.1, axis=0)
    assert found
    assert all(
        patch.slice in (0, 1, 2)
        and abs(patch.row + 16 - 56) <= 24
        and abs(patch.column - 24) <= 24
        for patch in found
    )
    assert patches_in_doubt(anatomy, anatomy, supported=0.125, floor=0.1, axis=0) == []


@pytest.mark.parametrize("direction", ["inserted", "deleted"])
def test_false_structures_raise_the_share_of_doubtful_patches(direction: str) -> None:
    anatomy = texture(2, (64, 64, 64))
    places = [(16, 16, 16), (48, 48, 16), (16, 48, 48), (48, 16, 48)]
    lesions = anatomy + 15 * sum(spot(anatomy.shape, place, 7) for place in places)
    pair = (anatomy, lesions) if direction == "inserted" else (lesions, anatomy)
    assert doubtful_share(anatomy, anatomy, data_range=5.0, axis=2) == 0
    assert doubtful_share(*pair, data_range=5.0, axis=2) > 0.05


def test_images_without_a_whole_patch_have_no_share() -> None:
    small = texture(1, (20, 20, 20))
    with pytest.raises(Refused, match="32 x 32"):
        doubtful_share(small, small, data_range=5.0, axis=2)


def test_odd_patches_are_refused() -> None:
    with pytest.raises(UsageError, match="square"):
        ring_correlation(np.zeros((4, 5)), np.zeros((4, 5)))

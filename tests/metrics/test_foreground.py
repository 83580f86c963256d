"""The foreground and the range, on heads with and without a skull, and on CT."""

import numpy as np
import pytest

from medsr.errors import Refused
from medsr.metrics.foreground import foreground_mask, robust_range
from medsr.volume.modality import air_value

SHAPE = (48, 56, 44)


def ball(radius, centre=(24, 28, 22)):
    steps = np.indices(SHAPE) - np.reshape(centre, (3, 1, 1, 1))
    return (steps**2).sum(axis=0) <= radius**2


def head(noise=0.0):
    """Skin, dark skull, brain, dark ventricle; Rician noise of that standard deviation."""
    voxels = np.zeros(SHAPE)
    for radius, value in ((19, 1000.0), (17, 20.0), (15, 600.0), (4, 30.0)):
        voxels[ball(radius)] = value
    rng = np.random.default_rng(0)
    real, imaginary = noise * rng.standard_normal((2, *SHAPE))
    return np.hypot(voxels + real, imaginary).astype(np.float32)


def body():
    """HU: air, a body with two lungs open to the last slice, a table apart from it."""
    voxels = np.full(SHAPE, -1000.0, dtype=np.float32)
    body_mask = np.zeros(SHAPE, dtype=bool)
    body_mask[6:42, 14:46, :] = True
    voxels[body_mask] = 40.0
    voxels[10:22, 20:40, 8:] = -850.0
    voxels[26:38, 20:40, 8:] = -850.0
    voxels[4:44, 4:6, :] = 100.0
    return voxels, body_mask


def test_a_head_is_all_within_its_skin():
    np.testing.assert_array_equal(foreground_mask(head(), modality="MR"), ball(19))


def test_a_stripped_head_is_its_brain_with_the_ventricle():
    stripped = head() * ball(15)
    np.testing.assert_array_equal(foreground_mask(stripped, modality="MR"), ball(15))


def test_noise_in_the_air_stays_outside():
    mask = foreground_mask(head(noise=40.0), modality="MR")  # range / noise = 25
    wrong = np.count_nonzero(mask ^ ball(19))
    assert wrong < 0.02 * np.count_nonzero(ball(19))


def test_ct_keeps_open_lungs_and_drops_the_table():
    voxels, body_mask = body()
    np.testing.assert_array_equal(foreground_mask(voxels, modality="CT"), body_mask)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
@pytest.mark.parametrize("flip", [0, 2])
def test_the_mask_turns_with_the_image(order, flip):
    voxels = head(noise=40.0)
    turned = np.flip(voxels.transpose(order), flip)
    expected = np.flip(foreground_mask(voxels, modality="MR").transpose(order), flip)
    np.testing.assert_array_equal(foreground_mask(turned, modality="MR"), expected)


def test_the_mask_does_not_know_the_scale_of_mr():
    voxels = head(noise=40.0)
    np.testing.assert_array_equal(
        foreground_mask(voxels, modality="MR"), foreground_mask(4 * voxels, modality="MR")
    )


def test_the_range_does_not_follow_single_voxels():
    voxels = head()
    before = robust_range(voxels, modality="MR")
    voxels[0, 0, 0], voxels[0, 0, 1] = -1e-6, 1e6
    assert robust_range(voxels, modality="MR") == before == 1000.0


def test_ct_counts_from_minus_1024_even_with_padding_below():
    voxels, _ = body()
    voxels[0] = -3024.0
    assert air_value("CT") == -1024.0
    assert robust_range(voxels, modality="CT") == np.percentile(voxels, 99.9) + 1024


@pytest.mark.parametrize(
    ("value", "modality"), [(0.0, "MR"), (-5.0, "MR"), (-1024.0, "CT"), (-2000.0, "CT")]
)
def test_an_empty_image_has_no_range(value, modality):
    with pytest.raises(Refused, match="almost empty"):
        robust_range(np.full(SHAPE, value), modality=modality)


@pytest.mark.parametrize(("modality", "said"), [("MR", "almost empty"), ("CT", "no foreground")])
def test_an_empty_image_has_no_foreground(modality, said):
    with pytest.raises(Refused, match=said):
        foreground_mask(np.full(SHAPE, -900.0), modality=modality)

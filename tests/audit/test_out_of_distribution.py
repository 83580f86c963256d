"""A scan unlike the training's is noticed, and said in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from medsr.audit.out_of_distribution import (
    out_of_distribution_score,
    remarks_on_distribution,
    scan_statistics,
    statistics_ranges,
)
from medsr.errors import Refused
from tests.conftest import smooth_head

MM = (1.0, 1.0, 3.0)


def heads() -> list[np.ndarray]:
    return [smooth_head((40, 44, 16), seed) / 130 for seed in range(4)]


RANGES = statistics_ranges([scan_statistics(head, 2, MM) for head in heads()[:3]])


def test_training_scans_are_within_their_ranges() -> None:
    assert all(
        out_of_distribution_score(scan_statistics(head, 2, MM), RANGES) == ()
        for head in heads()[:3]
    )


def test_noise_is_out_of_distribution() -> None:
    noise = np.random.default_rng(0).random((40, 44, 16)).astype(np.float32)
    outside = out_of_distribution_score(scan_statistics(noise, 2, MM), RANGES)
    assert outside[0].name == "in_plane_detail"
    assert outside[0].distance > 2


def test_the_refusal_says_the_number_and_how_to_go_on() -> None:
    ranges = {**RANGES, "in_plane_detail": (0.01, 0.02)}
    noise = np.random.default_rng(0).random((40, 44, 16)).astype(np.float32)
    with pytest.raises(Refused, match=r"pixel to pixel .* --force"):
        remarks_on_distribution(noise, 2, MM, ranges, "scan.nii", force=False)
    assert any(
        "pixel to pixel" in remark.text
        for remark in remarks_on_distribution(noise, 2, MM, ranges, "s", force=True)
    )


def test_a_wrong_slice_spacing_shows() -> None:
    fine = smooth_head((60, 60, 60)) / 130
    right = scan_statistics(fine[..., ::4], 2, (1.0, 1.0, 4.0))["same_distance"]
    claimed_thick = scan_statistics(fine, 2, (1.0, 1.0, 4.0))["same_distance"]
    claimed_thin = scan_statistics(fine[..., ::4], 2, (1.0, 1.0, 1.0))["same_distance"]
    assert claimed_thick < 0.6 * right < right < 0.6 * claimed_thin


def test_a_scan_without_anatomy_has_no_statistics() -> None:
    assert scan_statistics(np.zeros((10, 10, 10), np.float32), 2, MM) == {}

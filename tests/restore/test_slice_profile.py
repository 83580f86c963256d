"""Option, header, scan, assumption: which slice profile is used, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medsr.acquisition.width_estimate import WidthEstimate
from medsr.remarks import Meaning
from medsr.restore import slice_profile
from medsr.restore.options import Options
from medsr.restore.slice_profile import Source, choose_slice_profile
from medsr.volume.volume import Volume

FINE = (1.0, 1.0, 1.0)


@pytest.fixture
def scan() -> Volume:
    """Slices 4 mm apart, of unknown thickness."""
    voxels = np.ones((8, 8, 8), np.float32)
    affine = np.diag([1, 1, 4, 1.0])
    return Volume(voxels, affine, modality="MR", name="scan", slice_axis=2)


@pytest.fixture
def seen(monkeypatch):
    """Sets what the scan shows."""

    def show(square: float | None, deviation: float = 0.1) -> None:
        found = None if square is None else WidthEstimate(square, deviation)
        monkeypatch.setattr(slice_profile, "estimate_width", lambda volume, axis: found)

    return show


def test_an_option_overrides_all(scan, seen):
    seen(0.5)
    stated = replace(scan, slice_thickness_mm=4.0)
    chosen = choose_slice_profile(stated, FINE, Options(slice_thickness_mm=3.3, profile="box"))
    assert (chosen.thickness_mm, chosen.profile, chosen.source) == (3.3, "box", Source.OPTION)
    assert chosen.remarks == ()


@pytest.mark.parametrize("square", [1.0, 0.85, 1.2, 0.35])
def test_a_header_that_the_scan_does_not_contradict_is_believed(scan, seen, square):
    seen(square)
    chosen = choose_slice_profile(replace(scan, slice_thickness_mm=4.0), FINE, Options())
    assert (chosen.thickness_mm, chosen.source) == (4.0, Source.HEADER)
    assert chosen.remarks[0].meaning is Meaning.NOTE
    assert "Gaussian of 4 mm, from the header" in chosen.remarks[0].text


@pytest.mark.parametrize(("stated", "square"), [(2.0, 1.0), (6.0, 1.0), (4.0, 0.15)])
def test_a_contradicted_header_gives_way_and_it_is_said(scan, seen, stated, square):
    seen(square)
    chosen = choose_slice_profile(replace(scan, slice_thickness_mm=stated), FINE, Options())
    assert chosen.source is Source.SCAN
    assert chosen.thickness_mm == pytest.approx(4 * np.sqrt(square + 0.07), abs=0.01)
    assert chosen.remarks[0].meaning is Meaning.ASSUMPTION
    assert f"set --slice-thickness {stated:.3g}" in chosen.remarks[0].text


def test_without_a_header_the_scan_counts(scan, seen):
    seen(0.5)
    chosen = choose_slice_profile(scan, FINE, Options())
    assert chosen.source is Source.SCAN
    low, high = chosen.range_mm
    assert low < 4 * np.sqrt(0.5) < high
    assert low < chosen.thickness_mm <= high
    assert "no slice thickness is stated" in chosen.remarks[0].text


def test_a_box_is_wider_than_the_gaussian_that_it_looks_like(scan, seen):
    seen(0.46)
    gaussian, box = (
        choose_slice_profile(scan, FINE, Options(profile=shape)).thickness_mm
        for shape in ("gaussian", "box")
    )
    assert box == pytest.approx(gaussian / 0.68, rel=0.01)


def test_too_little_detail_is_said(scan, seen):
    seen(None)
    chosen = choose_slice_profile(scan, FINE, Options())
    assert (chosen.thickness_mm, chosen.source) == (None, Source.ASSUMPTION)
    assert "too little detail" in chosen.remarks[0].text
    stated = choose_slice_profile(replace(scan, slice_thickness_mm=3.0), FINE, Options())
    assert (stated.thickness_mm, stated.source) == (3.0, Source.HEADER)
    assert "too little detail" in stated.remarks[0].text


def test_slices_that_are_kept_need_no_profile(scan, seen):
    seen(0.5)
    chosen = choose_slice_profile(scan, (0.5, 0.5, 4.0), Options())
    assert chosen.remarks == ()
    assert chosen.thickness_mm is None

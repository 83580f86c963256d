"""What is in a page, without a browser."""

import base64
import gzip
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import nibabel
import numpy as np
import pytest
from PIL import Image

from medsr.errors import UsageError
from medsr.report import compare
from medsr.report.colours import AMOUNT, SIGNED
from medsr.report.embed import embed, predicted
from medsr.report.plots import line_plot
from medsr.report.scans import ScanImages, maps_of, telling_plane
from medsr.volume import planes
from tests.report.pages import SHAPE, full_page, volumes


def restored(stored):
    """The loop of viewer.js that undoes `predicted`, in Python."""
    out = stored.astype(np.int64)
    for j in range(1, stored.shape[1]):
        for i in range(1, stored.shape[0]):
            out[i, j] += (out[i - 1, j] + out[i, j - 1]) >> 1
            out[i, j] %= np.iinfo(stored.dtype).max + 1
    return out


class TestEmbedding:
    def unpack(self, packed):
        return nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(packed)))

    @pytest.mark.parametrize(("modality", "levels"), [("MR", 256), ("CT", 1024)])
    def test_every_voxel_comes_back_to_half_a_step(self, modality, levels):
        _, _, reference, _ = volumes()
        mask = reference.voxels > 20
        found = embed({"a": reference.voxels}, {}, reference.affine, mask, modality, 10**7)
        image = self.unpack(found.packed["a"])
        slope, intercept = image.dataobj.slope, image.dataobj.inter
        values = restored(np.asarray(image.dataobj.get_unscaled())) * slope + intercept
        start = np.rint(np.linalg.solve(reference.affine, image.affine)[:3, 3]).astype(int)
        box = tuple(slice(s, s + n) for s, n in zip(start, image.shape, strict=True))
        low, high = np.percentile(reference.voxels[box], [0.02, 99.98])
        expected = np.clip(reference.voxels[box], low, high)
        assert np.abs(values - expected).max() <= 0.51 * (high - low) / (levels - 1)
        assert found.averaged == 1

    def test_prediction_wraps_around_and_is_undone(self):
        rng = np.random.default_rng(0)
        stored = rng.integers(0, 256, (7, 8, 3)).astype(np.uint8)
        np.testing.assert_array_equal(restored(predicted(stored)), stored)

    def test_a_large_scan_is_averaged_and_keeps_its_place(self):
        _, _, reference, _ = volumes()
        mask = np.ones(SHAPE, dtype=bool)
        found = embed({"a": reference.voxels}, {}, reference.affine, mask, "MR", 30_000)
        assert found.averaged > 1
        assert len(found.packed["a"]) <= 30_000
        affine = self.unpack(found.packed["a"]).affine
        corner = affine[:3, 3] - 0.5 * affine[:3, :3].sum(axis=1)
        before = reference.affine[:3, 3] - 0.5 * reference.affine[:3, :3].sum(axis=1)
        np.testing.assert_allclose(corner, before, atol=1e-4)


class Addresses(HTMLParser):
    """Every address that a page would load something from."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [v for k, v in attrs if k in {"src", "href", "action", "poster"}]


class TestPage:
    def test_nothing_is_loaded_from_outside(self):
        parser = Addresses()
        parser.feed(full_page())
        assert parser.found
        assert all(a.startswith("data:") for a in parser.found)
        assert "default-src 'none'" in full_page()
        assert "@import" not in full_page()

    def test_it_is_small_and_says_what_must_be_said(self):
        page = full_page()
        assert len(page.encode()) < 10e6
        for words in (
            "Research use only, not for diagnosis.",
            "medsr is only a test.",
            "Redistribution and use in source and binary forms",
            "PSNR [dB]",
            "infinite for identical images",
            "Gauss-Newton registration and not corrected",
        ):
            assert words in page
        assert page.index("medsr is only a test.") < page.index("PSNR [dB]")

    def test_text_is_escaped(self):
        assert "Evaluation of a &lt;made&gt; head" in full_page()
        assert "<made>" not in full_page()

    def test_grids_must_agree(self):
        before, after, _, _ = volumes()
        with pytest.raises(UsageError, match="not on one grid"):
            ScanImages(after, replace(before, voxels=before.voxels[1:]))
        with pytest.raises(UsageError, match="needs the scan before"):
            ScanImages(after)

    def test_plots_take_the_page_s_colour(self):
        x = np.arange(3.0)
        svg = line_plot({"a": ("reference", x, x + 1)}, "mm", "power", log=True)
        assert "currentColor" in svg
        assert "#010203" not in svg
        assert re.match(r"<svg[^>]+viewBox", svg)


class TestMaps:
    def scans(self, **maps):
        before, after, _, _ = volumes()
        return ScanImages(after, before, **maps)

    @pytest.mark.parametrize(
        ("slice_axis", "expected"), [(0, "axial"), (1, "axial"), (2, "coronal")]
    )
    def test_the_page_opens_on_the_larger_plane_that_holds_the_slice_axis(
        self, slice_axis, expected
    ):
        before, after, _, _ = volumes()  # 57.6 mm across, 56 mm from back to front, 44 mm high
        assert telling_plane(ScanImages(after, before, slice_axis=slice_axis)) == expected
        onto_back_front = np.eye(4)[[1, 0, 2, 3]]  # the first voxel axis now runs to the front
        after, before = (replace(v, affine=onto_back_front @ v.affine) for v in (after, before))
        turned = {0: "axial", 1: "axial", 2: "sagittal"}
        found = telling_plane(ScanImages(after, before, slice_axis=slice_axis))
        assert found == turned[slice_axis]

    def test_differences_come_first_and_every_map_says_its_unit_and_sides(self):
        _, _, _, spread = volumes()
        scans = self.scans(std=spread, half_width=spread, null_space_map=spread)
        mask = np.ones(SHAPE, dtype=bool)
        found = {m.key: m for m in maps_of(scans, (0.0, 400.0), mask)}
        assert list(found) == ["after-before", "interval", "null-space", "spread"]
        assert found["after-before"].top == 100.0
        assert found["after-before"].low == -100.0
        assert found["interval"].low == 0.0
        assert found["null-space"].low == -found["null-space"].top
        top = np.percentile(spread.voxels, 99.5)
        assert found["spread"].top == pytest.approx(top)

    def test_colours_fade_towards_zero_and_tell_the_sign(self):
        assert SIGNED[127].max() <= 2
        assert SIGNED[0, 2] > SIGNED[0, 0] + 50  # blue below
        assert SIGNED[-1, 0] > SIGNED[-1, 2] + 50  # orange above
        assert AMOUNT[0].max() == 0
        assert AMOUNT[-1, :2].min() > 200  # yellow


class TestPictures:
    def test_canonical_axes_run_right_front_head(self):
        voxels = np.arange(24).reshape(2, 3, 4)
        affine = np.array([[0, 0, -3.0, 0], [1, 0, 0, 0], [0, -2, 0, 0], [0, 0, 0, 1]])
        turned, spacing = planes.canonical(voxels, affine)
        np.testing.assert_array_equal(spacing, (3, 1, 2))
        np.testing.assert_array_equal(turned, voxels.transpose(2, 0, 1)[::-1, :, ::-1])

    def test_a_plane_has_the_right_on_the_left_and_the_front_on_top(self):
        voxels = np.zeros((4, 5, 6))
        voxels[3, 4, 2] = 1  # far right, far front
        assert planes.plane(voxels, "axial", 2)[0, 0] == 1
        voxels[:] = 0
        voxels[2, 4, 5] = 1  # front, head
        assert planes.plane(voxels, "sagittal", 2)[0, 0] == 1

    def test_a_notebook_shows_three_planes(self):
        _, _, reference, _ = volumes()
        with Image.open(io.BytesIO(reference._repr_png_())) as picture:
            pixels = np.asarray(picture)
        assert pixels.ndim == 2
        assert pixels.shape == (56, 48 + 48 + 56 + 8)
        assert pixels.max() > 200

    def test_compare_is_a_figure_of_all_planes(self):
        before, after, reference, _ = volumes()
        low = replace(
            before, voxels=before.voxels[..., ::4], affine=before.affine @ np.diag([1, 1, 4, 1])
        )
        figure = compare(low, after, reference)
        images = [image for ax in figure.axes for image in ax.images]
        titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
        assert titles == ["before", "enhanced", "reference", "enhanced - reference"]
        assert len(images) == 12
        assert len({image.get_clim() for image in images[:3]}) == 1
        assert len(compare(low, after).axes) < len(figure.axes)
        with pytest.raises(UsageError, match="not on one grid"):
            compare(low, after, low)

"""Whole scans compared: grids, crops, orientations, and what the report says."""

import itertools
import json

import nibabel
import numpy as np
import pytest

from medsr.errors import Refused, UsageError
from medsr.evaluation.compare import evaluate_pair
from medsr.metrics import fidelity, foreground
from medsr.metrics.registry import METRICS, badness
from medsr.volume.geometry import refined_grid
from medsr.volume.placement import place
from medsr.volume.volume import Volume

SHAPE = (30, 34, 26)


def oblique():
    """Spacing 0.9 x 1 x 1.2 mm, turned by 10 degrees about the foot-head axis."""
    c, s = np.cos(np.pi / 18), np.sin(np.pi / 18)
    affine = np.array([[c, -s, 0, -80.3], [s, c, 0, 12.7], [0, 0, 1, -40.1], [0, 0, 0, 1.0]])
    return affine @ np.diag([0.9, 1.0, 1.2, 1.0])


def scan(noise=0.0, *, affine=None, modality="MR", name="scan.nii.gz", slice_axis=None):
    rng = np.random.default_rng(3)
    voxels = np.zeros(SHAPE)
    voxels[4:26, 4:30, 3:23] = 700 + 300 * np.sin(np.arange(22) / 3)[:, None, None]
    voxels += noise * rng.standard_normal(SHAPE)
    affine = oblique() if affine is None else affine
    return Volume(
        voxels.astype(np.float32), affine, modality=modality, name=name, slice_axis=slice_axis
    )


def shifted(affine, by):
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.asarray(by, dtype=np.float64)
    return moved


def cropped(volume, i, j, k):
    start = (i.start or 0, j.start or 0, k.start or 0)
    return Volume(
        volume.voxels[i, j, k], shifted(volume.affine, start), modality="MR", name="crop.nii.gz"
    )


def scores(evaluation, label):
    return [evaluation.value(label, name) for name in evaluation.metrics]


class TestNumbers:
    def test_they_are_those_of_fidelity(self):
        reference, estimate = scan(), scan(20.0)
        found = evaluate_pair(reference, {"noisy": estimate})
        x, y = reference.voxels, estimate.voxels
        mask = foreground.foreground_mask(x, modality="MR")
        known = {"data_range": foreground.robust_range(x, modality="MR"), "mask": mask}
        expected = [
            fidelity.psnr(x, y, **known),
            fidelity.ssim_3d(x, y, **known),
            fidelity.ssim_slice_mean(x, y, axis=2, **known),
            fidelity.nrmse(x, y, **known),
            fidelity.mae(x, y, mask=mask),
        ]
        assert scores(found, "noisy")[:5] == pytest.approx(expected, rel=1e-12)
        assert found.mask_voxels == mask.sum()

    def test_range_and_mask_can_be_given(self):
        reference, estimate = scan(), scan(20.0)
        corner = np.zeros(SHAPE, dtype=np.float32)
        corner[5:20, 5:20, 5:20] = 2
        mask = Volume(corner, oblique(), name="mask.nii.gz")
        found = evaluate_pair(reference, {"noisy": estimate}, mask=mask, data_range=2000.0)
        expected = fidelity.psnr(
            reference.voxels, estimate.voxels, data_range=2000.0, mask=corner > 0
        )
        assert found.value("noisy", "psnr") == pytest.approx(expected, rel=1e-12)
        assert found.mask_voxels == 15**3
        text = " ".join(found.to_text(every=True).split())
        assert "2000 scanner units (as given)" in text
        assert "non-zero voxels of mask.nii.gz; 3375 of 26520" in text
        assert "Mask: non-zero voxels of mask.nii.gz, 13 % of the voxels." in found.to_text()

    def test_less_noise_scores_better_in_every_metric(self):
        found = evaluate_pair(scan(), {"near": scan(10.0), "far": scan(40.0)})
        own = {s.metric: s.value for s in found.reference_scores}
        for name, metric in METRICS.items():
            near, far = found.value("near", name), found.value("far", name)
            if near is not None:
                worse = [badness(metric, value, own.get(name)) for value in (near, far)]
                assert worse[0] < worse[1], name
        assert {"psnr", "gmsd", "hfen", "hf_ratio_0", "half_limits"} <= {
            name for name in METRICS if found.value("near", name) is not None
        }

    def test_slices_follow_the_reference(self):
        reference = scan(slice_axis=0)
        found = evaluate_pair(reference, {"noisy": scan(20.0)})
        assert found.ruler.slice_axis == 0
        assert "stacked left-right" in found.ruler.slice_axis_how

    def test_ct_starts_at_minus_1024(self):
        as_mr, noisy = scan(), scan(20.0)
        as_hu = [
            Volume(v.voxels - np.float32(1024), v.affine, modality="CT", unit="HU")
            for v in (as_mr, noisy)
        ]
        mask = Volume(np.ones(SHAPE), oblique())
        ct = evaluate_pair(as_hu[0], {"noisy": as_hu[1]}, mask=mask)
        mr = evaluate_pair(as_mr, {"noisy": noisy}, mask=mask)
        moved = {"shift_mm"}  # a thousandth of a voxel, from float32
        for name in set(mr.metrics) - moved:
            expected = mr.value("noisy", name)
            assert ct.value("noisy", name) == (
                None if expected is None else pytest.approx(expected, rel=1e-3, abs=1e-4)
            )
        assert "MAE [HU]" in ct.to_text(every=True)
        assert "measured from -1024 HU" in ct.to_text(every=True)

    @pytest.mark.parametrize(("shift", "modality"), [(0, "MR"), (-1024, "CT")])
    def test_an_unknown_modality_is_assumed_and_said(self, shift, modality):
        plain = scan(modality=None)
        reference = Volume(plain.voxels + np.float32(shift), plain.affine)
        found = evaluate_pair(reference, {"same": reference})
        assert found.ruler.modality == modality
        assert f"{modality} (assumed, because the header does not state it" in (
            found.to_text(every=True)
        )


class TestGrids:
    def test_a_crop_is_compared_on_its_part_alone(self):
        reference, estimate = scan(), scan(20.0)
        part = np.s_[2:27, 1:33, 4:]
        found = evaluate_pair(reference, {"crop": cropped(estimate, *part)})
        assert found.box == ((2, 27), (1, 33), (4, 26))
        mask = foreground.foreground_mask(reference.voxels, modality="MR")[part]
        expected = fidelity.psnr(
            reference.voxels[part],
            estimate.voxels[part],
            data_range=foreground.robust_range(reference.voxels, modality="MR"),
            mask=mask,
        )
        assert found.value("crop", "psnr") == pytest.approx(expected, rel=1e-12)
        text = " ".join(found.to_text(every=True).split())
        left_out = (
            "Compared: the 25 x 32 x 22 voxels that all scans share; nothing is interpolated. "
            "Left out of the reference: the first 2 and the last 3 of 30 voxels along axis 0, "
            "the first and the last of 34 voxels along axis 1, the first 4 of 26 slices."
        )
        assert left_out in text
        assert left_out in " ".join(found.to_text().split())
        assert "crop: has 25 x 32 x 22 voxels, the first at (2, 1, 4) of the reference" in text

    def test_scans_that_share_little_are_refused(self):
        part = cropped(scan(20.0), *np.s_[:, :, 22:])
        with pytest.raises(Refused, match=r"share only \d+ % of the mask"):
            evaluate_pair(scan(), {"edge": part})

    def test_every_estimate_is_compared_on_the_one_common_box(self):
        reference, estimate = scan(), scan(20.0)
        crops = {
            "whole": estimate,
            "a": cropped(estimate, *np.s_[2:, :, :]),
            "b": cropped(estimate, *np.s_[:, :30, :]),
        }
        found = evaluate_pair(reference, crops)
        assert found.box == ((2, 30), (0, 30), (0, 26))
        assert scores(found, "whole") == scores(found, "a") == scores(found, "b")

    def test_a_larger_estimate_is_cut_to_the_reference(self):
        whole = scan(20.0)
        reference = cropped(scan(), *np.s_[3:, 3:, 3:])
        found = evaluate_pair(reference, {"larger": whole})
        assert found.box_shape == reference.shape
        same = evaluate_pair(reference, {"cut": cropped(whole, *np.s_[3:, 3:, 3:])})
        assert scores(found, "larger") == scores(same, "cut")

    @pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SLA"])
    def test_other_storage_orders_are_resolved_exactly(self, codes):
        reference, estimate = scan(), scan(20.0)
        image = nibabel.Nifti1Image(estimate.voxels, estimate.affine)
        ends = nibabel.orientations.axcodes2ornt(codes)
        turned = image.as_reoriented(
            nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), ends)
        )
        stored = Volume(np.asarray(turned.dataobj), turned.affine, modality="MR")
        found = evaluate_pair(reference, {"as is": estimate, "turned": stored})
        assert scores(found, "turned") == scores(found, "as is")
        assert ("permuted or flipped" in found.to_text(every=True)) == (codes != "RAS")

    def test_all_48_orders_and_directions_are_undone(self):
        reference = scan(20.0)
        for order in itertools.permutations(range(3)):
            for signs in itertools.product((1, -1), repeat=3):
                ornt = np.stack([order, signs], axis=1).astype(float)
                voxels = nibabel.apply_orientation(reference.voxels, ornt)
                affine = reference.affine @ nibabel.orientations.inv_ornt_aff(ornt, SHAPE)
                placed = place(Volume(voxels, affine), reference)
                assert placed.offset == (0, 0, 0)
                np.testing.assert_array_equal(placed.voxels, reference.voxels)

    def test_half_a_voxel_is_refused(self):
        estimate = scan(affine=shifted(oblique(), (0.5, 0, 0)), name="half.nii.gz")
        with pytest.raises(Refused, match=r"half\.nii\.gz.*shifted by a fraction of a voxel"):
            evaluate_pair(scan(), {"half": estimate})

    def test_half_a_voxel_is_refused_where_axes_are_flipped_too(self):
        affine = shifted(oblique(), (29.5, 0, 0)) @ np.diag([-1.0, 1, 1, 1])
        with pytest.raises(Refused, match="shifted by a fraction of a voxel"):
            evaluate_pair(scan(), {"half": scan(affine=affine)})

    def test_a_turn_is_refused(self):
        with pytest.raises(Refused, match="shifted by a fraction of a voxel"):
            evaluate_pair(scan(affine=np.diag([0.9, 1.0, 1.2, 1])), {"turned": scan()})

    def test_another_spacing_is_refused_with_what_to_do(self):
        affine, shape = refined_grid(oblique(), SHAPE, (0.9, 1.0, 4.8))
        thick = Volume(np.ones(shape), affine, name="thick.nii.gz")
        with pytest.raises(Refused) as fault:
            evaluate_pair(scan(name="fine.nii.gz"), {"thick": thick})
        said = str(fault.value)
        assert "thick.nii.gz has spacing 0.9 x 1 x 4.8 mm and shape 30 x 34 x 6" in said
        assert "fine.nii.gz has spacing 0.9 x 1 x 1.2 mm and shape 30 x 34 x 26" in said
        assert "medsr enhance --spacing MM" in said

    def test_a_mask_on_another_grid_is_refused(self):
        mask = Volume(np.ones(SHAPE), shifted(oblique(), (0, 0.3, 0)), name="mask.nii.gz")
        with pytest.raises(Refused, match=r"mask\.nii\.gz has spacing"):
            evaluate_pair(scan(), {"noisy": scan(20.0)}, mask=mask)

    def test_scans_of_two_places_are_refused(self):
        with pytest.raises(Refused, match="share no voxel"):
            evaluate_pair(scan(), {"away": scan(affine=shifted(oblique(), (0, 0, 40)))})


class TestRefusals:
    def test_no_estimate(self):
        with pytest.raises(UsageError, match="at least one estimate"):
            evaluate_pair(scan(), {})

    def test_another_modality(self):
        with pytest.raises(Refused, match=r"is CT, the reference .* is MR"):
            evaluate_pair(scan(), {"ct": scan(modality="CT")})

    def test_an_empty_mask(self):
        with pytest.raises(Refused, match="selects no voxel"):
            evaluate_pair(scan(), {"noisy": scan(20.0)}, mask=Volume(np.zeros(SHAPE), oblique()))

    def test_a_constant_reference(self):
        same = Volume(np.full(SHAPE, 7.0), oblique(), modality="MR", name="flat.nii.gz")
        with pytest.raises(Refused, match=r"flat\.nii\.gz: every voxel of the reference is 7"):
            evaluate_pair(same, {"noisy": scan(20.0)})

    @pytest.mark.parametrize("within", ["foreground", "image"])
    def test_a_z_scored_reference(self, within):
        voxels = scan(20.0).voxels
        chosen = voxels > 200 if within == "foreground" else np.ones(SHAPE, bool)
        scored = (voxels - voxels[chosen].mean()) / voxels[chosen].std()
        reference = Volume(scored, oblique(), modality="MR", name="z.nii.gz")
        with pytest.raises(Refused, match=r"z\.nii\.gz: .* clearly negative .*z-scored.*undo it"):
            evaluate_pair(reference, {"same": reference})

    def test_a_little_ringing_below_zero_is_no_z_score(self):
        ringing = Volume(scan(20.0).voxels, oblique(), modality="MR")
        assert (ringing.voxels < 0).mean() > 0.1
        assert evaluate_pair(ringing, {"same": ringing}).value("same", "psnr") == np.inf

    def test_a_negative_range(self):
        with pytest.raises(UsageError, match="data_range is -1"):
            evaluate_pair(scan(), {"noisy": scan(20.0)}, data_range=-1)


class TestReport:
    def test_json_is_strict_json_and_defines_each_number(self):
        found = evaluate_pair(scan(), {"same": scan(), "noisy": scan(20.0)})
        said = json.loads(json.dumps(found.to_json(), allow_nan=False))
        assert len(said["metrics"]) > len(found.first_metrics)
        assert said["estimates"]["same"]["scores"]["psnr"] == "infinity"
        assert said["estimates"]["noisy"]["scores"]["psnr"] == found.value("noisy", "psnr")
        assert set(said["metrics"]) == {*METRICS, "shift_mm"}
        assert set(said["metrics"]) == set(said["estimates"]["same"]["scores"])
        assert all(metric["definition"] for metric in said["metrics"].values())
        assert said["data_range"]["value"] == found.ruler.data_range
        assert said["mask"]["voxels"] == found.mask_voxels
        assert said["metrics"]["mae"]["unit"] == "scanner units"

    def test_a_thin_volume_has_no_3d_ssim_and_says_why(self):
        reference, estimate = scan(), cropped(scan(20.0), *np.s_[:, :, 8:18])
        found = evaluate_pair(reference, {"thin": estimate})
        assert found.value("thin", "ssim_3d") is None
        assert found.value("thin", "ssim_slice_mean") > 0
        assert found.value("thin", "psnr") > 0
        assert "at least 11 voxels" in found.to_json()["estimates"]["thin"]["missing"]["ssim_3d"]
        assert "thin: no SSIM 3-D: SSIM needs at least 11 voxels" in found.to_text()

    def test_the_table_has_one_line_an_estimate_and_short_lines(self):
        found = evaluate_pair(scan(), {"linear": scan(30.0), "medsr": scan(20.0)})
        lines = found.to_text().splitlines()
        start = next(i for i, line in enumerate(lines) if line.split()[:1] == ["reference"])
        assert lines[start].split() == ["reference", "linear", "medsr"]
        numbers = [f"{found.value(label, 'psnr'):.2f}" for label in ("linear", "medsr")]
        assert lines[start + 1].split() == ["PSNR", "[dB]", "-", *numbers]
        assert max(map(len, lines)) <= 99

    def test_warnings_come_first(self):
        bright = Volume(scan().voxels * np.float32(1.1), oblique(), modality="MR")
        found = evaluate_pair(scan(), {"bright": bright})
        assert found.to_text().startswith("WARNING: bright differs from the reference by +")
        assert found.to_json()["warnings"] == list(found.warnings)

    @pytest.mark.parametrize(
        ("gain", "offset", "words"),
        [
            (10.0, 30.0, "has 10 times the contrast of the reference"),
            (0.004, -1.0, "has 0.004 times the contrast of the reference"),
            (0.0, 500.0, "is constant within the mask"),
        ],
    )
    def test_another_intensity_scale_is_said_and_nothing_that_follows_from_it(
        self, gain, offset, words
    ):
        reference = scan(20.0)
        voxels = (gain * reference.voxels + offset).astype(np.float32)
        found = evaluate_pair(reference, {"scaled": Volume(voxels, oblique(), modality="MR")})
        assert len(found.warnings) == 1
        assert words in found.warnings[0]

    def test_detail_of_three_axes_is_one_warning(self):
        found = evaluate_pair(scan(), {"noisy": scan(80.0)})
        detail = [w for w in found.warnings if "high-frequency" in w]
        assert len(detail) == 1
        assert all(f"along voxel axis {axis}" in detail[0] for axis in range(3))

    def test_four_metrics_first_and_the_rest_on_request(self):
        images = {"mine": scan(20.0), "linear": scan(80.0), "cubic": scan(80.0)}
        found = evaluate_pair(scan(), images, baselines=("linear", "cubic"))
        first, every = found.to_text(), found.to_text(every=True)
        heads = ["reference", "mine", "cubic"]
        assert heads in [line.split() for line in first.splitlines()]
        assert "linear" not in first
        assert "HFEN" not in first
        assert "need the thick-slice scan: give it with --low" in " ".join(first.split())
        assert "linear" in every
        assert "HFEN" in every
        assert all(w.startswith("mine ") for w in found.warnings)  # not of the interpolation

    def test_definitions_are_those_of_the_metrics_shown(self):
        found = evaluate_pair(scan(), {"noisy": scan(20.0)})
        assert "10 log10" not in found.to_text()
        assert "10 log10" in found.to_text(explain=True)
        assert "Laplacian" not in found.to_text(explain=True)
        assert "Laplacian" in found.to_text(every=True, explain=True)

    def test_nothing_changes_the_inputs(self):
        reference, estimate = scan(modality="CT"), scan(20.0, modality="CT")
        before = reference.voxels.copy(), estimate.voxels.copy()
        evaluate_pair(reference, {"noisy": estimate})
        np.testing.assert_array_equal(reference.voxels, before[0])
        np.testing.assert_array_equal(estimate.voxels, before[1])

"""Laws and faults of `stack_slices`, numbers in and numbers out."""

import re

import numpy as np
import pytest

from medsr.errors import Refused
from medsr.volume.dicom.read.slice_checks import Slices
from medsr.volume.dicom.read.stack import stack_slices
from medsr.volume.geometry import is_rectangular, spacing_mm
from tests.dicom_factory import ORIENTATIONS, slice_positions


def slices_of(positions, orientation="axial", spacing=(0.8, 0.6), marks=None, kinds=None):
    positions = np.asarray(positions, dtype=float)
    count = len(positions)
    cosines = ORIENTATIONS[orientation] if isinstance(orientation, str) else orientation
    return Slices(
        positions=positions,
        orientations=np.tile(np.asarray(cosines, dtype=float), (count, 1)),
        pixel_spacings=np.tile(np.asarray(spacing, dtype=float), (count, 1)),
        shapes=[(8, 10)] * count,
        names=[f"{k}.dcm" for k in range(count)],
        marks=marks or [{}] * count,
        kinds=kinds or ["image"] * count,
    )


def at(*z):
    return slices_of([[0.0, 0.0, float(v)] for v in z])


def lps_of_pixel(position, orientation, spacing, column, row):
    """PS3.3 equation C.7.6.2.1-1, term by term."""
    across, down = orientation[:3], orientation[3:]
    return [
        position[axis] + across[axis] * spacing[1] * column + down[axis] * spacing[0] * row
        for axis in range(3)
    ]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_affine_is_the_standards_equation_for_every_slice(orientation, shuffled):
    cosines = ORIENTATIONS[orientation]
    positions = slice_positions(6, 2.5, cosines)
    if shuffled:
        positions = positions[[3, 0, 5, 1, 4, 2]]
    stack = stack_slices(slices_of(positions, orientation), "scan")
    for k, source in enumerate(stack.order):
        for column, row in [(0, 0), (9, 0), (0, 7), (9, 7), (4, 3)]:
            x, y, z = lps_of_pixel(positions[source], cosines, (0.8, 0.6), column, row)
            ours = stack.affine @ [column, row, k, 1]
            np.testing.assert_allclose(ours, [-x, -y, z, 1], atol=1e-9)
    assert is_rectangular(stack.affine)
    np.testing.assert_allclose(spacing_mm(stack.affine), [0.6, 0.8, 2.5])
    assert np.linalg.det(stack.affine) > 0


def test_order_grows_along_the_normal():
    stack = stack_slices(at(4, 0, 2, 6), "scan")
    assert stack.order.tolist() == [1, 2, 0, 3]
    assert stack.step_mm == pytest.approx(2.0)


def test_positions_written_to_a_tenth_of_a_millimetre_are_one_regular_stack():
    z = np.round(np.arange(40) * 0.625, 1)
    stack = stack_slices(at(*z), "scan")
    assert stack.step_mm == pytest.approx(0.625, abs=0.003)


def test_coarsely_written_direction_cosines_are_normalised():
    stack = stack_slices(
        slices_of([[0, 0, z] for z in range(4)], (0.71, 0.71, 0, -0.71, 0.71, 0)), "s"
    )
    np.testing.assert_allclose(spacing_mm(stack.affine), [0.6, 0.8, 1.0])


def test_rounded_sideways_drift_of_a_thin_stack_is_no_tilt():
    stack = stack_slices(slices_of([[0, 0, 0], [0.01, 0, 0.5], [0.02, 0, 1.0]]), "scan")
    assert is_rectangular(stack.affine)


@pytest.mark.parametrize(
    ("z", "words"),
    [
        ((0, 2, 4, 8, 10), "gap of 4.00 mm after 2.dcm, others are 2.00 mm; 1 slice is missing"),
        (
            (0, 2, 4, 10, 12),
            "gap of 6.00 mm after 2.dcm, others are 2.00 mm; 2 slices are missing",
        ),
        ((0, 4, 6), "gap of 4.00 mm after 0.dcm, others are 2.00 mm; 1 slice is missing"),
        ((0, 2, 6, 8, 12, 14), "gap of 4.00 mm after 1.dcm (and 1 more)"),
        ((0, 0.5, 1, 2, 2.5), "gap of 1.00 mm after 2.dcm, others are 0.50 mm"),
        ((0, 2, 4, 7, 9), "variable spacing: 3.00 mm between 2.dcm and 3.dcm, mostly 2.00 mm"),
        ((0, 2, 4, 5, 7), "variable spacing: 1.00 mm between 2.dcm and 3.dcm, mostly 2.00 mm"),
        ((0, 1.05, 2.15, 3.3, 4.5, 5.75), "variable spacing"),
        ((0, 2, 2, 4), "1.dcm and 2.dcm lie at the same position but are not the same image"),
        ((0, 2, 4, 0, 2, 4), "is 4-D: 3 slice positions with 2 images each"),
        ((5, 5, 5, 5), "all 4 slices lie at one position"),
        ((0,), "a single slice"),
        ((0, 2), "contains 2 slices; medsr needs at least 3"),
    ],
)
def test_steps_that_are_not_one_volume_are_named(z, words):
    with pytest.raises(Refused, match=re.escape(words)):
        stack_slices(at(*z), "scan")


def test_slow_drift_of_the_step_is_variable_spacing():
    z = np.cumsum(np.linspace(1.0, 1.09, 60))
    with pytest.raises(Refused, match=r"variable spacing: .* from its expected position"):
        stack_slices(at(*z), "scan")


def test_gantry_tilt_is_named_with_its_angle():
    shift = np.tan(np.radians(14.0))
    with pytest.raises(Refused, match=r"sheared.*gantry tilt of 14\.0 degrees"):
        stack_slices(slices_of([[0, 5 * k * shift, 5 * k] for k in range(6)]), "scan")


def test_one_slice_beside_the_others_is_refused():
    positions = [[0.0, 0.0, 2.0 * k] for k in range(6)]
    positions[3][0] = 7.0
    with pytest.raises(Refused, match=re.escape("3.dcm lies 7.00 mm from its expected position")):
        stack_slices(slices_of(positions), "scan")


def test_incomplete_4d_is_told_from_doubled_slices_by_echo_times():
    marks = [{"echo time": e} for e in (10, 10, 30, 10)]
    mixed = slices_of([[0, 0, z] for z in (0, 2, 2, 4)], marks=marks)
    words = "is 4-D: 3 slice positions with 1 to 2 images each (they differ in echo time)"
    with pytest.raises(Refused, match=re.escape(words)):
        stack_slices(mixed, "scan")


def test_two_overlapping_passes_are_doubled_slices():
    marks = [{"acquisition number": a} for a in (1, 1, 2, 2)]
    mixed = slices_of([[0, 0, z] for z in (0, 2, 2, 4)], marks=marks)
    with pytest.raises(Refused, match="lie at the same position"):
        stack_slices(mixed, "scan")


def test_mixed_shape_orientation_and_pixel_spacing_are_named():
    mixed = at(0, 2, 4, 6)
    mixed.shapes[2] = (8, 12)
    with pytest.raises(
        Refused, match=re.escape("0.dcm has 8 x 10 (rows x columns) and 2.dcm has 8 x 12")
    ):
        stack_slices(mixed, "scan")
    mixed = at(0, 2, 4, 6)
    mixed.orientations[3] = ORIENTATIONS["sagittal"]
    with pytest.raises(Refused, match=r"mixed orientations: 0\.dcm and 3\.dcm .*2 planes"):
        stack_slices(mixed, "scan")
    mixed = at(0, 2, 4, 6)
    mixed.pixel_spacings[1] = (0.8, 0.7)
    with pytest.raises(
        Refused, match=r"mixed pixel spacings: 0\.dcm has 0\.8 x 0\.6 mm and 1\.dcm"
    ):
        stack_slices(mixed, "scan")


@pytest.mark.parametrize("cosines", [(1, 0, 0, 0.1, 1, 0), (2, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0)])
def test_impossible_direction_cosines_are_refused(cosines):
    with pytest.raises(Refused, match="not a pair of perpendicular unit vectors"):
        stack_slices(slices_of([[0, 0, z] for z in range(4)], cosines), "scan")
